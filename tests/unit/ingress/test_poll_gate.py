"""The pollers' share of a quota, in a loop whose clock jumps: exact times without waiting."""

from __future__ import annotations

import msgspec
import pytest
from ingress.polling.gate import PollGate
from shared.connections import Limits
from shared.events.topics import Topics
from shared.ratelimit import SharedLimits
from shared.ratelimit.quotas import Quotas
from shared.settings import Settings

from tests.contract.clients.test_gate import STRIPE, TOGAI, JumpingLoop, passes
from tests.contract.clients.test_gate import loop as loop
from tests.fakes.polling import connection

SETTINGS = Settings(_env_file=None)


def most_within(times: list[float], seconds: float) -> int:
    """The most calls in any stretch of so many seconds."""
    return max(sum(1 for t in times if start <= t < start + seconds) for start in times)


@pytest.mark.parametrize(("account", "a_minute", "a_second"), [(TOGAI, 30, 2), (STRIPE, 75, 5)])
def test_never_more_than_the_share(loop: JumpingLoop, account: str, a_minute: int, a_second: int) -> None:
    """5 % of the quota in any minute, a fifth in any second, however many want to call at once; and not much less."""
    gate = PollGate(Settings(_env_file=None))

    times = loop.run_until_complete(passes(gate, account, 400))

    assert most_within(times, 60 - 0.01) <= a_minute
    assert most_within(times, 1 - 0.01) <= a_second
    assert 400 / max(times) * 60 >= 0.75 * a_minute


def test_a_look_of_a_small_organization_does_not_wait(loop: JumpingLoop) -> None:
    """Six calls after a pause come within three seconds."""
    times = loop.run_until_complete(passes(PollGate(Settings(_env_file=None)), TOGAI, 6))

    assert max(times) <= 3


def test_what_a_look_may_count_on(loop: JumpingLoop) -> None:
    """The calls that are promised to it go through within its interval, again and again."""
    gate = PollGate(Settings(_env_file=None))
    room = gate.calls_in(TOGAI, 60)

    times = loop.run_until_complete(passes(gate, TOGAI, room * 5))

    assert max(times) <= 5 * 60
    assert gate.calls_in(TOGAI, 0.001) == 1


def test_what_somebody_waits_for_has_the_whole_quota(loop: JumpingLoop) -> None:
    """As long as somebody does, and at that account alone; the share counts again afterwards."""
    gate = PollGate(Settings(_env_file=None))
    gate.requested = lambda account: account == TOGAI
    hurried = loop.run_until_complete(passes(gate, TOGAI, 50))
    stripe = loop.run_until_complete(passes(gate, STRIPE, 100))
    gate.requested = lambda account: False
    after = loop.run_until_complete(passes(gate, TOGAI, 50))

    assert max(hurried) - min(hurried) <= 50 / 10
    assert most_within(hurried, 1 - 0.01) <= 10
    assert most_within(stripe, 60 - 0.01) <= 75
    assert most_within(after, 60 - 0.01) <= 30


def test_a_429_holds_the_pollers_too(loop: JumpingLoop) -> None:
    """They go on after it, at their rate."""

    async def after_a_429() -> list[float]:
        gate = PollGate(Settings(_env_file=None))
        gate.slow_down(TOGAI, 5)
        return await passes(gate, TOGAI, 3)

    times = loop.run_until_complete(after_a_429())

    assert times[0] >= 5
    assert most_within(times, 1 - 0.01) <= 2


def test_the_whole_quota_may_be_given(loop: JumpingLoop) -> None:
    """For a vendor that nobody else calls."""
    gate = PollGate(Settings(_env_file=None, poll_share=1))

    times = loop.run_until_complete(passes(gate, TOGAI, 2000))

    assert 7.5 <= 2000 / max(times) <= 10


def test_a_share_of_a_connections_own(loop: JumpingLoop) -> None:
    """As soon as a person has set it: the gate goes on by it."""
    limits = SharedLimits(SETTINGS, Topics(SETTINGS), "w", Quotas(SETTINGS, known := {"con": connection("togai")}))
    gate = PollGate(SETTINGS, limits)
    before = gate.calls_in(known["con"].app_account, 600)
    known["con"] = msgspec.structs.replace(known["con"], limits=Limits(quota=20, polling_share=0.2))

    assert gate.calls_in(known["con"].app_account, 600) == 8 * before
