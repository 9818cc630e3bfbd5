"""What a worker remembers is bounded."""

from __future__ import annotations

from shared.flows.recent import REMEMBERED, Recent


def test_the_oldest_is_forgotten_first() -> None:
    """Also if it was added again; what was discarded makes room."""
    recent = Recent[int]()
    for number in range(REMEMBERED):
        recent.add(number)
    recent.add(0)
    recent.discard(1)
    recent.add(-1)
    assert 0 in recent

    recent.add(-2)
    assert 0 not in recent
    assert 2 in recent
    assert -2 in recent
    recent.clear()
    assert 2 not in recent
