"""News of an entity that none of its events tells."""

from __future__ import annotations

from shared.runtime.known import Known

from tests.unit.shared.test_pool import DELAY, Bench, settle


async def test_news_from_elsewhere_wakes_held_work() -> None:
    """The index brought a further candidate; no event of the entity did."""
    bench = Bench()
    held = bench.submit("a", partition=DELAY, due=bench.now + 3600, looked_at=bench.now - 1)
    bench.submit("b", partition=DELAY, due=bench.now + 3600)
    bench.pool.on_news("a")
    await settle(lambda: len(bench.handled) == 1)

    assert (bench.handled, held.known) == ([held], Known.CHANGED)


async def test_news_that_come_before_the_work_is_held_count() -> None:
    """The parked run is on its way through the delay topic."""
    bench = Bench()
    looked_at = bench.now
    bench.pool.on_news("a")
    held = bench.submit("a", partition=DELAY, due=bench.now + 3600, looked_at=looked_at)
    await settle(lambda: len(bench.handled) == 1)

    assert held.known is Known.CHANGED
