"""One poller's round: whatever goes wrong is said once, and tried again in time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest
from ingress.polling.loop import PollLoop, chosen
from shared.connections import Connection
from shared.errors import Blocked, ConnectionClosed, KeyRefused, Unavailable
from shared.key_states import KeyState
from shared.runtime.clients import Clients
from shared.runtime.registry import Registry
from structlog.testing import capture_logs

from tests.fakes.polling import STRIPE, connection


class NoClients(Clients):
    """Remembers what closed a connection."""

    def __init__(self) -> None:
        self.closed: list[str] = []

    async def of(self, connection_id: str) -> None:
        """No poll asks it."""

    keep_refusals = Clients.keep_refusals

    async def close(self, error: KeyRefused) -> ConnectionClosed:
        self.closed.append(error.connection)
        return ConnectionClosed(error.connection, error.message)

    async def block(self, error: Blocked) -> None:
        self.closed.append(error.operation)


class Driven:
    """A round of scripted polls, one after the other; afterwards it waits for ever."""

    def __init__(self, *polls: Callable[[], Any]) -> None:
        self.registry, self.clients = Registry(), NoClients()
        self.registry.connections["con_stripe"] = connection("stripe")
        self.loop = PollLoop(STRIPE, ("stripe-events",), 900, self.registry, self.clients, self.stretched)
        self.slower = 1.0
        self.polls = list(polls)
        self.waited: list[float] = []
        self.done = asyncio.Event()

    def stretched(self, seconds: float) -> float:
        return seconds * self.slower

    async def poll_once(self, _connection: Connection, _client: None) -> float:
        found = self.polls.pop(0)()
        return float(await found) if isinstance(found, Awaitable) else float(found)

    async def run(self) -> None:
        """Until the polls are used up."""

        async def wait(seconds: float) -> None:
            self.waited.append(round(seconds))
            if not self.polls:
                self.loop.stopping = True

        self.loop._wait = wait  # type: ignore[method-assign]
        await asyncio.wait_for(self.loop.run(self.poll_once), 10)


def fails(error: BaseException) -> Callable[[], float]:
    def poll_once() -> float:
        raise error

    return poll_once


async def test_failures_are_tried_again_later_and_later() -> None:
    """One second, two, four, at most half a minute, for runs may wait for it; after a success from the beginning."""
    away = fails(Unavailable("Stripe is away"))
    driven = Driven(*[away] * 8, lambda: 900, away)
    await driven.run()

    assert driven.waited == [1, 2, 4, 8, 16, 30, 30, 30, 900, 1]


async def test_where_few_reads_are_left_it_polls_less_often() -> None:
    """After a poll, of whatever it wants; what failed is tried again as ever."""
    driven = Driven(lambda: 900, fails(Unavailable("Stripe is away")), lambda: 120)
    driven.slower = 3.0
    await driven.run()

    assert driven.waited == [2700, 1, 360]


async def test_a_problem_is_logged_once_and_its_end_too() -> None:
    """A night without the vendor is two lines."""
    away = fails(Unavailable("Stripe is away"))
    driven = Driven(*[away] * 5, lambda: 900)
    with capture_logs() as logged:
        await driven.run()

    assert [line["event"] for line in logged] == ["poll.failed", "poll.again"]
    assert driven.loop.problem == ""


async def test_a_refused_key_closes_the_connection_for_all() -> None:
    """Nothing more is asked until the next interval."""
    driven = Driven(fails(KeyRefused("401", connection="con_stripe")), fails(ConnectionClosed("con_stripe", "401")))
    await driven.run()

    assert driven.clients.closed == ["con_stripe"]
    assert driven.waited == [900, 900]
    assert driven.loop.problem == "connection con_stripe is closed: 401"


async def test_a_missing_right_is_reported_and_asked_for_again_at_the_next_interval() -> None:
    """It closes nothing: what the key may do goes on, and the list says what it waits for."""
    lacks = fails(Blocked("con_stripe", "Stripe: no right to read events", operation="events.list", fingerprint="f"))
    driven = Driven(lacks, lacks)
    await driven.run()

    assert driven.clients.closed == ["events.list"] * 2
    assert driven.waited == [900, 900]
    assert driven.loop.problem == "Stripe: no right to read events"


async def test_a_bug_does_not_end_the_round() -> None:
    """It is logged with its traceback, and the next poll comes."""
    driven = Driven(fails(RuntimeError("boom")), lambda: 900)
    with capture_logs() as logged:
        await driven.run()

    assert driven.waited == [1, 900]
    assert logged[0]["event"] == "poll.bug"


async def test_a_cancellation_that_is_not_ours_does_not_end_the_round() -> None:
    """The Kafka client lets those of its own futures out when a broker dies."""
    driven = Driven(fails(asyncio.CancelledError()), lambda: 900)
    await driven.run()

    assert driven.waited == [1, 900]


async def test_a_cancellation_of_ours_does() -> None:
    """A stop is at once."""
    driven = Driven(lambda: asyncio.sleep(60))
    task = asyncio.create_task(driven.loop.run(driven.poll_once))
    await asyncio.sleep(0)
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_changed_connection_ends_the_wait() -> None:
    """A key that was corrected is tried at once."""
    driven = Driven(lambda: 900, lambda: 900)
    task = asyncio.create_task(driven.loop.run(driven.poll_once))
    await asyncio.sleep(0.01)
    driven.loop.wake()
    await asyncio.sleep(0.01)
    task.cancel()

    assert driven.polls == []


def test_an_open_connection_is_preferred() -> None:
    """Always the same one of several; a closed one if there is no other; none that was removed."""
    registry, made = Registry(), connection("stripe")
    for name, state in (("a", "removed"), ("b", "open"), ("c", "open"), ("d", "open")):
        registry.connections[name] = msgspec.structs.replace(made, id=name, state=state)
    registry.keep_key_state(KeyState(connection="b", fingerprint="", state="refused"))

    assert [found.id for found in [chosen(registry, STRIPE)] if found] == ["c"]
    del registry.connections["c"], registry.connections["d"]
    assert [found.id for found in [chosen(registry, STRIPE)] if found] == ["b"]
    del registry.connections["b"]
    assert chosen(registry, STRIPE) is None
