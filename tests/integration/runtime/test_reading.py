"""What a worker reads, with Faust and a real Kafka, without the rest of it: during a rebalance, and of a backlog."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

import pytest
import structlog
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from aiokafka.errors import IllegalStateError
from faust.agents.manager import AgentManager
from faust.transport.consumer import ThreadDelegateConsumer
from shared.events.topics import Topics
from shared.kafka.log import Log, client_options
from shared.runtime import faust_glue
from shared.runtime.admin import ensure_topics
from shared.runtime.faust_consumer import AcknowledgedByHand
from shared.settings import Settings

from tests.integration.runtime.conftest import own_settings
from tests.integration.runtime.reader import Reader
from tests.stack.processes import until

SLOW = 1.5
"""Seconds that a part takes on a machine that is busy: longer than a fetch waits."""


@pytest.fixture
async def settings(kafka_bootstrap: str) -> Settings:
    """One partition of each topic."""
    made = own_settings(kafka_bootstrap, topic_partitions=1)
    await ensure_topics(made)
    return made


@pytest.fixture
async def log(settings: Settings) -> AsyncIterator[Log]:
    """Where events are appended."""
    async with Log(settings) as opened:
        yield opened


@pytest.fixture
async def reader(
    settings: Settings, log: Log, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Reader]:
    """Not started yet."""
    own = settings.model_copy(update={"home": tmp_path, "session_timeout": 6.0, "drain_timeout": 3.0})
    fetch, give = ThreadDelegateConsumer._getmany, AgentManager.on_rebalance

    async def getmany(self: ThreadDelegateConsumer, *given: Any, **named: Any) -> Any:
        reader = Reader.running[self.app]
        if reader.misplaced is not None:
            reader.thread.seek(TopicPartition(*reader.partition), reader.misplaced)
            reader.misplaced = None
        while True:
            reader.fetching.set()
            records = await fetch(self, *given, **named)
            if records or "answer" not in reader.slow or self.should_stop:
                break  # else it waits longer than any rebalance takes
        if records:
            await reader.take_time("answer")
        return records

    async def on_rebalance(self: AgentManager, *given: Any) -> None:
        await Reader.running[self.app].take_time("agents")
        await give(self, *given)

    monkeypatch.setattr(ThreadDelegateConsumer, "_getmany", getmany)
    monkeypatch.setattr(AgentManager, "on_rebalance", on_rebalance)
    yield Reader(own, log)
    for reader in list(Reader.running.values()):
        await reader.stop()


class Commits:
    """The reader's commits: each waits until they may `go_on`."""

    def __init__(self) -> None:
        self.started, self.go_on = asyncio.Event(), asyncio.Event()

    async def under_way(self) -> None:
        """Wait until one has begun."""
        async with asyncio.timeout(20):
            await self.started.wait()


@pytest.fixture
def commits(reader: Reader, monkeypatch: pytest.MonkeyPatch) -> Commits:
    """Held up from the start."""
    made, commit = Commits(), AcknowledgedByHand._commit

    async def slowly(self: AcknowledgedByHand, *given: Any) -> Any:
        made.started.set()
        await made.go_on.wait()
        return await commit(self, *given)

    monkeypatch.setattr(AcknowledgedByHand, "_commit", slowly)
    return made


@pytest.fixture
def stopped(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Why the worker would have ended itself."""
    reasons: list[str] = []
    monkeypatch.setattr(faust_glue, "stop_now", reasons.append)
    return reasons


@pytest.mark.parametrize("slow", [{"resume": SLOW}, {"resume": SLOW, "answer": 2 * SLOW}])
@pytest.mark.parametrize("before", [[], ["a", "b"]])
async def test_a_fetch_that_waits_through_a_rebalance_loses_nothing(
    reader: Reader, stopped: list[str], before: list[str], slow: dict[str, float]
) -> None:
    """On a partition that nothing was committed on, and on one that has a committed offset."""
    await reader.start()
    await reader.append(*before)
    await reader.got(len(before))
    reader.slow = dict(slow)

    async def while_revoked(*_: Any, **__: Any) -> None:
        await reader.append("c", "d", "e")

    reader.app.on_partitions_revoked.connect(while_revoked)
    await reader.reads()
    reader.rejoin()

    whole = [*before, "c", "d", "e"]
    assert await reader.got(len(whole)) == list(enumerate(whole))
    assert stopped == []


async def test_partitions_are_given_out_once_more_before_the_positions_are_set(
    reader: Reader, stopped: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Setting them fails then; they are set after the next assignment."""
    await reader.start()
    reader.slow = {"resume": SLOW, "answer": 2 * SLOW}
    whole = reader.thread.seek_to_committed
    failed: list[bool] = []

    async def while_revoked(*_: Any, **__: Any) -> None:
        if not reader.took:
            await reader.append("a", "b", "c")

    async def seek() -> Any:
        if "answer" in reader.took and not failed:
            failed.append(True)
            reader.rejoin()
            raise IllegalStateError("partitions are not assigned")
        return await whole()

    reader.app.on_partitions_revoked.connect(while_revoked)
    monkeypatch.setattr(reader.thread, "seek_to_committed", seek)
    await reader.reads()
    reader.rejoin()

    assert await reader.got(3) == [(0, "a"), (1, "b"), (2, "c")]
    assert (failed, stopped, reader.app.crashed) == ([True], [], False)


async def test_what_was_done_just_before_a_rebalance_is_not_read_again(reader: Reader, stopped: list[str]) -> None:
    """No commit came between: it is committed as the rebalance begins."""
    cast(Any, reader.app.consumer).commit_interval = 600.0
    await reader.start()
    await reader.append("a", "b")
    await reader.got(2)
    reader.rejoin()
    await asyncio.sleep(0.1)
    await reader.settled()
    await reader.append("c")

    assert await reader.got(3) == [(0, "a"), (1, "b"), (2, "c")]
    assert stopped == []


async def test_what_is_done_during_a_commit_is_not_read_again(
    reader: Reader, stopped: list[str], commits: Commits
) -> None:
    """A commit that is under way when a rebalance begins takes none of it along."""
    consumer = cast(Any, reader.app.consumer)
    await reader.start()
    await reader.append("a")
    await commits.under_way()
    await reader.append("b", "c")
    await reader.got(3)
    rebalances = consumer._rebalances
    reader.rejoin()

    async def begins() -> bool:
        return bool(consumer._rebalances > rebalances)

    await until(begins, "the rebalance")
    commits.go_on.set()
    await asyncio.sleep(0.1)
    await reader.settled()
    await reader.append("d")

    assert await reader.got(4) == [(0, "a"), (1, "b"), (2, "c"), (3, "d")]
    assert stopped == []


async def test_what_is_done_during_the_last_commit_is_not_read_again(
    reader: Reader, stopped: list[str], commits: Commits
) -> None:
    """Nor does one that is under way when the worker is asked to end."""
    await reader.start()
    await reader.append("a")
    await commits.under_way()
    await reader.append("b", "c")
    await reader.got(3)
    asyncio.get_running_loop().call_later(1, commits.go_on.set)
    await reader.stop()
    await reader.append("d")

    later = reader.again()
    await later.start()
    assert await later.got(1) == [(3, "d")]
    assert stopped == []


async def test_who_had_no_partition_before_reads_each_record_once(reader: Reader, stopped: list[str]) -> None:
    """Faust has not stopped reading then: it fetches before its agents have the partitions, and seeks afterwards."""
    both = [reader, reader.again()]
    for one in both:
        await one.start()
        one.slow = {"agents": SLOW}
    await reader.settled()
    [owner] = [one for one in both if one.consuming.assignment]
    [idle] = [one for one in both if not one.consuming.assignment]

    await owner.stop()
    await reader.append("a", "b", "c")

    assert await idle.got(3) == [(0, "a"), (1, "b"), (2, "c")]
    assert stopped == []


async def test_an_assignment_that_begins_too_late_stops_the_worker(reader: Reader, stopped: list[str]) -> None:
    """Whatever has moved the position: acknowledging the first record that comes would lose those before it."""
    await reader.append("a", "b", "c")
    reader.misplaced = 2
    await reader.start()

    async def ended() -> bool:
        return bool(stopped)

    await until(ended, "the end of the worker", patience=20)
    assert "read offset 2 after -1; records were skipped" in stopped[0]


async def test_what_kafka_has_deleted_is_reported(
    reader: Reader, stopped: list[str], logged: list[structlog.typing.EventDict]
) -> None:
    """A worker that was away for longer than events are kept goes on with the first one that is left."""
    await reader.start()
    await reader.append("a")
    await reader.got(1)
    await reader.stop()
    await reader.append("b", "c", "d")
    admin = AIOKafkaAdminClient(**client_options(reader.settings))
    await admin.start()
    await admin.delete_records({TopicPartition(*reader.partition): RecordsToDelete(before_offset=3)})
    await admin.close()

    later = reader.again()
    await later.start()
    assert await later.got(1) == [(3, "d")]

    assert stopped == []
    [expired] = [line for line in logged if line["event"] == "events.expired"]
    assert (expired["partition"], expired["first"], expired["last"]) == (0, 1, 2)


async def test_of_a_backlog_little_is_read(reader: Reader, log: Log, stopped: list[str]) -> None:
    """Events of an import are small, and alike: packed, thousands of them fit into what Kafka sends of a partition. All
    that is taken up together goes before what is read next, live events too.
    """
    replay = Topics(reader.settings).replay("customer")
    for _ in range(10):
        await asyncio.gather(*(log.append(replay, f"c{number}", b"x" * 500) for number in range(500)))
    reader.works_off.clear()
    await reader.start()
    await reader.append("live")

    async def live() -> bool:
        return (0, "live") in reader.read

    await until(live, "the live event", patience=20)
    await asyncio.sleep(1.5)

    in_hand = reader.pool.in_hand()
    reader.works_off.set()
    assert 128 <= in_hand[(replay, 0)] < 1000
    assert stopped == []
