"""Follows the log and folds it into the tables. It never skips: what it cannot read stops that partition, visibly."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError
from shared.errors import NotReady, StopWorker, SyncError
from shared.events.envelope import timestamp
from shared.events.topics import Topics
from shared.kafka.log import IN_BATCHES, Place, client_options
from shared.log import get_logger
from shared.runtime.admin import ensure_topics
from shared.settings import Settings
from shared.tasks import forever, was_cancelled
from sqlalchemy.exc import SQLAlchemyError

from console.projection.database import Batch, Database, Move, Partition, PositionMoved
from console.projection.rows import Folded, NotShown, kinds

log = get_logger(__name__)

CHECK_EVERY = 1.0
CHECK_DEADLINE = 5.0
GATHER = 0.1
"""Seconds between two transactions at least: one costs hardly more for a hundred records than for one."""


class TopicRecreated(Exception):
    """A topic ends before our position: it was deleted and recreated."""


class Projector:
    """Folds every partition of the console's topics. `publish` gets every batch after it is in SQL.

    - `stopped`: partitions that hold a record which cannot be read, and why.
    - `problem`: why nothing is folded at present, empty while all is well.
    - `end_read_at`: when the end of the log was last read from Kafka; `caught_up`: whether that end was reached once.
    """

    def __init__(
        self,
        settings: Settings,
        database: Database,
        *,
        publish: Callable[[Sequence[Folded]], None] = lambda _: None,
        batch_size: int = 5000,
        retry_after: float = 1.0,
    ) -> None:
        self._settings = settings
        self._database = database
        self._publish = publish
        self._batch_size = batch_size
        self._retry_after = retry_after
        self.kinds = kinds(Topics(settings))
        self.stopped: dict[Partition, str] = {}
        self.problem = "the console has just started and has not reached Kafka yet"
        self.end_read_at: datetime | None = None
        self.caught_up = False
        self.positions: dict[Partition, int] = {}
        self.ends: dict[Partition, int] = {}
        self.folded_records = 0
        self._end_read = 0.0
        self._moved = asyncio.Condition()

    @property
    def lag(self) -> int:
        """Records of the log that are not in the tables yet, as far as is known."""
        return sum(max(0, end - self.positions.get(partition, 0)) for partition, end in self.ends.items())

    async def run(self) -> None:
        """Fold until cancelled. Kafka or the database away: says so, and goes on when they are back."""
        await forever(self._follow, self._failed, self._retry_after)

    def _failed(self, error: Exception) -> float:
        """Report why folding ended. Returns the seconds until it begins again."""
        match error:
            case PositionMoved() | TopicRecreated():
                log.warning("projection.restarted", reason=str(error))
            case SQLAlchemyError():
                self._report(f"the database does not take the records: {_first_line(error)}", None)
            case KafkaError() | SyncError() | OSError():
                self._report(f"{type(error).__name__}: {error}", None)
            case _:
                self._report(f"a bug, please report it with the log: {type(error).__name__}: {error}", error)
        return self._retry_after

    def _report(self, problem: str, bug: Exception | None) -> None:
        # One line per new problem: an hour without Kafka is not 3,600 lines.
        if problem != self.problem:
            log.error("projection.failed", problem=problem, exc_info=bug)
        self.problem = problem

    async def wait_for(self, place: Place, deadline: float = 5.0) -> None:
        """Wait until the record at `place` is in the tables. Raises NotReady after `deadline` seconds."""
        at = (place.topic, place.partition)
        try:
            async with asyncio.timeout(deadline), self._moved:
                await self._moved.wait_for(lambda: self.positions.get(at, 0) > place.offset)
        except TimeoutError as error:
            raise NotReady("the change is written to the log, but not in the tables yet: look again shortly") from error

    async def _follow(self) -> None:
        for mismatch in await ensure_topics(self._settings):
            log.warning("projection.topic_mismatch", mismatch=str(mismatch))
        # No group: the offsets live beside the rows. No reset: a position out of range must be seen, not jumped over.
        consumer = AIOKafkaConsumer(
            **client_options(self._settings),
            enable_auto_commit=False,
            auto_offset_reset="none",
            **IN_BATCHES,
            max_partition_fetch_bytes=8 * 1024 * 1024,
        )
        try:
            await consumer.start()
            await self._begin(consumer)
            while not was_cancelled():
                batches = await consumer.getmany(timeout_ms=200, max_records=self._batch_size)
                if batches:
                    await asyncio.gather(self._fold(consumer, batches), asyncio.sleep(GATHER))
                if time.monotonic() - self._end_read >= CHECK_EVERY:
                    await self._read_ends(consumer)
        finally:
            await consumer.stop()

    async def _begin(self, consumer: AIOKafkaConsumer) -> None:
        partitions = await self._partitions()
        consumer.assign(partitions)
        first: dict[TopicPartition, int] = await consumer.beginning_offsets(partitions)
        await self._read_ends(consumer, partitions)
        self.stopped = {}
        self.positions = await asyncio.to_thread(self._database.positions, [tuple(p) for p in partitions])
        for topic in self._recreated():
            log.warning("projection.topic_recreated", topic=topic, action="what was folded from it is folded again")
            await asyncio.to_thread(self._database.forget, topic, self.kinds[topic])
        self.positions = await asyncio.to_thread(self._database.positions, [tuple(p) for p in partitions])
        for partition in partitions:
            consumer.seek(partition, max(self.positions[partition.topic, partition.partition], first[partition]))
        self.problem = ""
        self._check_caught_up()

    async def _partitions(self) -> list[TopicPartition]:
        admin = AIOKafkaAdminClient(**client_options(self._settings))
        try:
            await admin.start()
            described = await admin.describe_topics(list(self.kinds))
        finally:
            await admin.close()
        found = [TopicPartition(d["topic"], p["partition"]) for d in described for p in d["partitions"]]
        if missing := self.kinds.keys() - {p.topic for p in found}:
            raise NotReady(f"Kafka has no topic {', '.join(sorted(missing))} yet")
        return found

    def _recreated(self) -> set[str]:
        return {p[0] for p, position in self.positions.items() if position > self.ends.get(p, position)}

    async def _read_ends(self, consumer: AIOKafkaConsumer, partitions: list[TopicPartition] | None = None) -> None:
        """Ask where the log ends: gives the lag, and tells a silent log from one that is out of reach."""
        self._end_read = time.monotonic()
        try:
            async with asyncio.timeout(CHECK_DEADLINE):
                ends = await consumer.end_offsets(partitions or list(consumer.assignment()))
        except TimeoutError as error:
            raise KafkaError(f"Kafka at {self._settings.bootstrap_servers} does not answer") from error
        self.ends = {tuple(partition): end for partition, end in ends.items()}
        self.end_read_at = datetime.now(UTC)
        if partitions:
            return
        if recreated := self._recreated():
            raise TopicRecreated(f"topics were deleted and recreated: {', '.join(sorted(recreated))}")
        await self._pass_gaps(consumer)
        self._check_caught_up()

    async def _pass_gaps(self, consumer: AIOKafkaConsumer) -> None:
        # A log may end in offsets without records (compacted away, or marks of transactions): not a lag.
        moves = []
        for at, position in self.positions.items():
            reached = await consumer.position(TopicPartition(*at)) if at not in self.stopped else position
            if reached == self.ends.get(at) and reached > position:
                moves.append(Move(at, position, reached))
        if moves:
            await asyncio.to_thread(self._database.fold, Batch(moves))
            await self._advance(moves)

    def _check_caught_up(self) -> None:
        if not self.caught_up and all(self.positions.get(p, 0) >= end for p, end in self.ends.items()):
            self.caught_up = True
            log.info("projection.caught_up", records=self.folded_records)

    async def _fold(self, consumer: AIOKafkaConsumer, batches: Mapping[TopicPartition, Sequence[Any]]) -> None:
        batch, stopped = await asyncio.to_thread(self._read, batches)
        await asyncio.to_thread(self._database.fold, batch)
        for partition, reason in stopped.items():
            consumer.pause(TopicPartition(*partition))
            log.error("projection.partition_stopped", topic=partition[0], partition=partition[1], reason=reason)
        self.stopped |= stopped
        self.folded_records += len(batch.folded)
        await self._advance(batch.moves)
        self._publish(batch.folded)

    async def _advance(self, moves: Sequence[Move]) -> None:
        async with self._moved:
            self.positions |= {move.partition: move.after for move in moves}
            self._moved.notify_all()

    def _read(self, batches: Mapping[TopicPartition, Sequence[Any]]) -> tuple[Batch, dict[Partition, str]]:
        """Decode a batch. A partition goes as far as its first record that cannot be read."""
        folded: list[Folded] = []
        moves: list[Move] = []
        stopped: dict[Partition, str] = {}
        for partition, records in batches.items():
            at = (partition.topic, partition.partition)
            if at in self.stopped:
                continue
            after = self.positions[at]
            for record in records:
                try:
                    kind, key = self.kinds[partition.topic], (record.key or b"").decode()
                    with suppress(NotShown):
                        folded.append(kind.fold(key, record.value, record.offset))
                except Exception as error:
                    stopped[at] = _unreadable(Place(*at, record.offset), error)
                    break
                after = record.offset + 1
            if after > self.positions[at]:
                moves.append(Move(at, self.positions[at], after))
        return Batch(moves, folded), stopped

    def health(self) -> dict[str, Any]:
        """Where the projection stands, in words and numbers."""
        return {
            "ready": self.caught_up and not self.stopped,
            "problem": self.problem,
            "stopped": [{"topic": t, "partition": p, "reason": why} for (t, p), why in sorted(self.stopped.items())],
            "lag": self.lag,
            "as_of": timestamp(self.end_read_at) if self.end_read_at else None,
            "positions": [
                {"topic": t, "partition": p, "next_offset": at, "end": self.ends.get((t, p), at)}
                for (t, p), at in sorted(self.positions.items())
            ],
        }


def _first_line(error: SQLAlchemyError) -> str:
    """What the database says: neither the statement nor the details, in which it shows a row."""
    said = str(getattr(error, "orig", None) or error).strip() or "nothing"
    return f"{type(error).__name__}: {said.splitlines()[0][:300]}"


def _unreadable(place: Place, error: Exception) -> str:
    where = f"offset {place.offset}"
    if isinstance(error, StopWorker):
        return f"{where}: {error}"
    return (
        f"{where} cannot be read ({type(error).__name__}: {error}): find out what wrote it; write the key again in the "
        "right form or update the console, then restart it. Nothing has been skipped"
    )
