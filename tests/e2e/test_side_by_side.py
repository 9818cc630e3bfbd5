"""Several Tandems on one machine: each home is a world of its own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.e2e.home import Place, Up, until


def test_two_homes_run_beside_the_engine_of_the_tests(
    tmp_path: Path, up: Callable[[Place], Up], kafka_bootstrap: str
) -> None:
    """Each makes its own demo and knows nothing of the other; one stops and the other goes on."""
    places = [Place(tmp_path / "one"), Place(tmp_path / "two")]
    lives = [up(place) for place in places]
    for life in lives:
        life.runs()
        life.says("See them live")
    pairs = [place.linked() for place in places]

    assert [len(found) for found in pairs] == [6, 6]
    assert not set(pairs[0].values()) & set(pairs[1].values())
    assert kafka_bootstrap not in {f"127.0.0.1:{place.ports['kafka']}" for place in places}
    lives[0].ctrl_c()
    assert lives[0].left() == []
    until(lambda: places[1].api("/status")["healthy"], "the other home, healthy")
    assert places[1].linked() == pairs[1]
