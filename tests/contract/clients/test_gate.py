"""The gate before every call, in a loop whose clock jumps from one timer to the next: exact times without waiting."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from shared.errors import RateLimited
from shared.ratelimit import LONGEST_BACK_OFF, CallGate
from shared.settings import Settings

STRIPE, OTHER, TOGAI = "stripe:test:acct_1", "stripe:test:acct_2", "togai:test:org_1"


class JumpingLoop(asyncio.SelectorEventLoop):
    """Nobody waits: when nothing can run, the time of the next timer has come."""

    def __init__(self) -> None:
        self.now = 1000.0
        super().__init__(_Jumping(self))

    def time(self) -> float:
        return self.now


class _Jumping(selectors.SelectSelector):
    def __init__(self, loop: JumpingLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> Any:
        # A little further than asked, as real clocks go: a timer that is due by a rounding error comes at once.
        self._loop.now += (timeout or 0.0) + (1e-9 if timeout else 0.0)
        return super().select(0)


Run = Callable[[Coroutine[Any, Any, Any]], Any]


@pytest.fixture
def loop(monkeypatch: pytest.MonkeyPatch) -> Iterator[JumpingLoop]:
    loop = JumpingLoop()
    monkeypatch.setattr("shared.ratelimit.gate.time", SimpleNamespace(monotonic=loop.time))
    yield loop
    loop.close()


def gate(**settings: Any) -> CallGate:
    return CallGate(Settings(_env_file=None, **({"stripe_quota": 10, "togai_quota": 5} | settings)))


async def passes(gate: CallGate, account: str, number: int, takes: float = 0.0, operation: str = "") -> list[float]:
    """When each of so many calls at once got through, counted from now."""
    loop = asyncio.get_running_loop()
    began, times = loop.time(), []

    async def one() -> None:
        async with gate.call(account, operation):
            times.append(round(loop.time() - began, 3))
            await asyncio.sleep(takes)

    await asyncio.gather(*(one() for _ in range(number)))
    return times


def spaced(times: list[float], by: float) -> bool:
    """Whether no two are nearer to each other."""
    return all(later - earlier >= by - 0.002 for earlier, later in zip(times, times[1:], strict=False))


def test_calls_are_spaced_evenly(loop: JumpingLoop) -> None:
    """The first at once, then one in each tenth of a second: no burst that a vendor would count as twice the rate."""
    times = loop.run_until_complete(passes(gate(), STRIPE, 20))

    assert times == [round(n / 10, 3) for n in range(20)]


def test_accounts_do_not_hold_each_other(loop: JumpingLoop) -> None:
    """Each has its own rate, of its own app."""

    async def all_at_once() -> list[list[float]]:
        one = gate()
        return list(await asyncio.gather(*(passes(one, account, 5) for account in (STRIPE, OTHER, TOGAI))))

    found = loop.run_until_complete(all_at_once())

    assert [max(times) for times in found] == [0.4, 0.4, 0.8]


def test_calls_in_flight_are_bounded(loop: JumpingLoop) -> None:
    """Three at a time, however slow each is."""
    times = loop.run_until_complete(passes(gate(calls_in_flight=3), STRIPE, 9, takes=10))

    assert [sum(1 for t in times if start <= t < start + 10) for start in (0, 10, 20)] == [3, 3, 3]


@pytest.mark.parametrize(("asked", "held"), [(5.0, 5.0), (1000.0, LONGEST_BACK_OFF), (0.0, 0.0), (-3.0, 0.0)])
def test_a_429_holds_everybody_of_the_account(loop: JumpingLoop, asked: float, held: float) -> None:
    """For as long as was asked, but not for ever; nobody else is held."""

    async def after_a_429() -> tuple[list[float], list[float]]:
        one = gate()
        one.slow_down(STRIPE, asked)
        mine, other = await asyncio.gather(passes(one, STRIPE, 1), passes(one, OTHER, 1))
        return mine, other

    mine, other = loop.run_until_complete(after_a_429())

    assert mine == [pytest.approx(held, abs=0.002)]
    assert other == [0.0]


@pytest.mark.parametrize(
    ("reason", "same", "other"),
    [
        ("", 5.0, 5.0),
        ("global-rate", 5.0, 5.0),
        ("global-concurrency", 5.0, 5.0),
        ("endpoint-rate", 5.0, 0.0),
        ("endpoint-concurrency", 5.0, 0.0),
        ("lock_timeout", 0.0, 0.0),
        ("resource-specific", 0.0, 0.0),
        ("a-new-one", 0.0, 0.0),
    ],
)
def test_a_429_silences_what_its_limit_is_of(loop: JumpingLoop, reason: str, same: float, other: float) -> None:
    """The whole account, the operation, or nobody: a locked object is met by one call only."""

    async def after_a_429() -> list[float]:
        one = gate(stripe_quota=0)
        one.refused(STRIPE, "customers.update", RateLimited("429", reason=reason, retry_after=5.0))
        found = [passes(one, STRIPE, 1, operation=name) for name in ("customers.update", "events.list")]
        return [times[0] for times in await asyncio.gather(*found)]

    assert loop.run_until_complete(after_a_429()) == [pytest.approx(wait, abs=0.002) for wait in (same, other)]


def test_after_a_hold_the_rate_holds_again(loop: JumpingLoop) -> None:
    """Everybody waited, and all at once would be the next 429."""

    async def after_a_429() -> list[float]:
        one = gate()
        one.slow_down(STRIPE, 5)
        return await passes(one, STRIPE, 20)

    times = loop.run_until_complete(after_a_429())

    assert times[0] >= 5
    assert spaced(times, 0.1)


def test_a_second_429_holds_those_who_wait_already(loop: JumpingLoop) -> None:
    """A longer hold that came meanwhile counts for them too."""

    async def two_429() -> list[float]:
        one = gate()
        one.slow_down(STRIPE, 1)
        asyncio.get_running_loop().call_later(0.5, one.slow_down, STRIPE, 5)
        return await passes(one, STRIPE, 3)

    times = loop.run_until_complete(two_429())

    assert times[0] >= 5.5
    assert spaced(times, 0.1)


def test_a_shorter_hold_ends_no_longer_one(loop: JumpingLoop) -> None:
    """Two calls in flight come back with 429, the second asks for less."""

    async def two_429() -> list[float]:
        one = gate()
        one.slow_down(STRIPE, 5)
        one.slow_down(STRIPE, 1)
        return await passes(one, STRIPE, 1)

    assert loop.run_until_complete(two_429())[0] >= 5


def test_without_a_quota_nobody_waits(loop: JumpingLoop) -> None:
    """A quota of 0 is no limit."""
    times = loop.run_until_complete(passes(gate(stripe_quota=0, calls_in_flight=500), STRIPE, 200))

    assert times == [0.0] * 200


def test_who_gives_up_frees_its_place(loop: JumpingLoop) -> None:
    """A cancelled wait takes nobody's turn in flight."""

    async def some_give_up() -> list[float]:
        one = gate(calls_in_flight=1)
        waiting = [asyncio.create_task(passes(one, STRIPE, 1, takes=60)) for _ in range(5)]
        await asyncio.sleep(1)
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        return await passes(one, STRIPE, 1)

    assert loop.run_until_complete(some_give_up()) == [0.0]
