"""News of an entity that none of its events tells."""

from __future__ import annotations

from shared.runtime.known import Known

from tests.unit.shared.runtime.test_pool import DELAY, EVENTS, Harness, reach


async def test_news_from_elsewhere_wakes_held_work() -> None:
    """The index brought a further candidate; no event of the entity did."""
    harness = Harness()
    held = harness.submit("a", partition=DELAY, due=harness.now + 3600, checked_at=harness.now - 1)
    harness.submit("b", partition=DELAY, due=harness.now + 3600)
    harness.pool.on_news("a")
    await reach(lambda: len(harness.handled) == 1)

    assert (harness.handled, held.known) == ([held], Known.CHANGED)


async def test_news_that_come_before_the_work_is_held_count() -> None:
    """The parked run is on its way through the delay topic."""
    harness = Harness()
    checked_at = harness.now
    harness.pool.on_news("a")
    held = harness.submit("a", partition=DELAY, due=harness.now + 3600, checked_at=checked_at)
    await reach(lambda: len(harness.handled) == 1)

    assert held.known is Known.CHANGED


async def test_a_dry_run_wakes_nobody() -> None:
    """Neither what is held already, nor what is held after it."""
    harness = Harness()
    for _ in range(2):
        harness.submit("a", partition=DELAY, due=harness.now + 3600, checked_at=harness.now - 1)
        harness.submit("a", quiet=True)
    harness.submit("b")
    await reach(lambda: len(harness.handled) == 3)

    assert [(w.partition, w.quiet) for w in harness.handled] == [(EVENTS, True), (EVENTS, False), (EVENTS, True)]


async def test_what_waits_of_an_import_ends_when_that_is_cancelled() -> None:
    """Whether it is held by then or still on its way through the delay topic, and for whatever it waits."""
    harness = Harness()
    due, name = harness.now + 3600, "imp_1/cancelled"
    held = harness.submit("a", partition=DELAY, due=due, checked_at=harness.now - 1, cancelled=name)
    harness.submit("a", partition=DELAY, due=due, cancelled="imp_2/cancelled")
    harness.open.add(name)
    harness.pool.opened(name)
    late = harness.submit("b", partition=DELAY, due=due, cancelled=name)
    await reach(lambda: len(harness.handled) == 2)

    assert harness.handled == [held, late]


async def test_whoever_is_held_is_reported() -> None:
    """After a restart too: an import then adds no second run that waits for the same."""
    harness = Harness()
    held = harness.submit("a", partition=DELAY, due=harness.now + 3600, checked_at=harness.now)
    harness.submit("b")
    await reach(lambda: len(harness.handled) == 1)

    assert harness.held == [held]
