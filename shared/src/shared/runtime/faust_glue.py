"""What knows Faust, but for starting it (`worker`). It reads, assigns and commits; ordering, bounds and acknowledging
are the pool's.

What was learnt the hard way: an agent that raises has its event acknowledged, so agents never raise; with `noack` only
our own acknowledgement counts; acknowledging out of order loses events, so the pool does it in order; with
`table_standby_replicas=1` a worker owns the same partition numbers of all topics; nothing but our drain waits for
running calls; `pause_partitions` drops what was fetched already, `on_buffer_full` does not; a stream may
acknowledge what it skips at a rebalance, `noack` or not.
"""

from __future__ import annotations

import os
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, cast

import faust
from faust.types import TP, EventT, StreamT
from faust.types.tuples import Message

from shared import metrics
from shared.domains.model import Domain
from shared.events.topics import Topics
from shared.kafka.log import ssl_context
from shared.kafka.login import login_of
from shared.log import get_logger
from shared.private import private_folder
from shared.runtime.faust_consumer import AcknowledgedByHand
from shared.runtime.pool import Partition, Pool, contiguous, same_numbers
from shared.runtime.records import work_of
from shared.runtime.stopping import stop_now
from shared.settings import Settings

log = get_logger(__name__)

READ_AT_ONCE = 100
"""Records that are taken up together: what comes after waits for them. Kafka sends up to a megabyte of a partition,
which is thousands of an import's events: live ones waited up to 22 seconds for these.
"""


def make_app(domain: Domain, settings: Settings, topics: Topics) -> faust.App:
    """The Faust app of a service, with every setting that keeps events safe."""
    options: dict[str, Any] = {}
    datadir = settings.home / "faust" / (settings.worker_id or f"worker-{os.getpid()}")
    private_folder(settings.home)
    datadir.mkdir(parents=True, exist_ok=True)
    login = login_of(settings)
    if login.sasl:
        options["broker_credentials"] = faust.SASLCredentials(
            mechanism=login.mechanism,
            username=login.user,
            password=login.password,
            ssl_context=ssl_context(settings),
        )
    elif context := ssl_context(settings):
        options["broker_credentials"] = faust.SSLCredentials(context)
    if settings.worker_id:
        # Static membership: a worker killed with -9 and started again need not wait for its own old session to end.
        options["consumer_group_instance_id"] = f"{settings.topic_prefix}{settings.worker_id}"
    app = faust.App(
        topics.group(domain.service),
        broker=[f"kafka://{server.strip()}" for server in settings.bootstrap_servers.split(",")],
        store="memory://",
        datadir=datadir,
        processing_guarantee="at_least_once",
        stream_wait_empty=False,
        table_standby_replicas=1,
        topic_partitions=topics.partitions,
        topic_allow_declare=False,
        topic_disable_leader=True,
        broker_commit_interval=0.5,
        broker_commit_every=1000,
        broker_session_timeout=settings.session_timeout,
        broker_heartbeat_interval=max(0.5, settings.session_timeout / 10),
        broker_rebalance_timeout=settings.drain_timeout + 20,
        broker_max_poll_records=READ_AT_ONCE,
        consumer_auto_offset_reset="earliest",
        stream_buffer_maxsize=256,
        agent_supervisor="mode.CrashingSupervisor",
        web_enabled=False,
        worker_redirect_stdouts=False,
        **options,
    )
    cast(Any, app.transport).Consumer = AcknowledgedByHand
    return app


class Consuming:
    """A service's input topics, read by Faust into the pool. `assignment` is None between two assignments.

    `pool_ready` waits until the worker may begin; `closing` is called at shutdown, when nothing is in hand any more.
    """

    def __init__(
        self,
        app: faust.App,
        inputs: list[str],
        settings: Settings,
        *,
        pool_ready: Callable[[], Awaitable[Pool]],
        closing: Callable[[], Awaitable[None]],
    ) -> None:
        self.app = app
        self.inputs = inputs
        self._pool_ready = pool_ready
        self._closing = closing
        self._settings = settings
        self._pool: Pool | None = None
        self._last: dict[Partition, int] = {}
        self.assignment: set[Partition] | None = None
        self.progress_at = time.monotonic()
        self.problem = ""
        app.on_partitions_revoked.connect(self._revoked)
        app.on_partitions_assigned.connect(self._assigned)
        app.on_before_shutdown.connect(self._before_shutdown)
        for name in self.inputs:
            self._read(name)

    def _read(self, name: str) -> None:
        topic = self.app.topic(name, key_serializer="raw", value_serializer="raw", value_type=bytes)

        async def reader(stream: StreamT[Any]) -> None:
            pool = await self._pool_ready()
            self._pool = pool
            async for event in cast(faust.Stream[bytes], stream).noack().events():
                await self._take(pool, event)

        self.app.agent(topic, name=f"reader.{name}", concurrency=1)(reader)

    async def _take(self, pool: Pool, event: EventT[Any]) -> None:
        message = event.message
        partition = (message.topic, message.partition)
        if self._is_present(message) and partition not in self._last:
            await self._check_begin(message)
        if not self._is_present(message):
            return  # of an assignment that is gone: whoever has the partition now reads it again
        if not contiguous(self._last.get(partition), message.offset):
            _skipped(message, self._last[partition])
        self._last[partition] = message.offset
        self.progress_at = time.monotonic()
        key, value, headers = message.key or b"", message.value or b"", dict(message.headers or {})
        done = partial(self._consumer.done, message)
        pool.submit(work_of(partition, message.offset, key, value, headers, done, message.timestamp or 0.0))

    def _is_present(self, message: Message) -> bool:
        return bool(message.generation_id == self.app.consumer_generation_id)

    async def _check_begin(self, message: Message) -> None:
        """The first record of an assignment follows the last one that was done, wherever that was done."""
        begin = self._consumer.begins.get(message.tp, 0)
        if message.offset <= begin:
            return
        first = (await self._consumer.earliest_offsets(message.tp))[message.tp]
        if not self._is_present(message):
            return
        if message.offset > first:
            _skipped(message, begin - 1)
        last = message.offset - 1
        log.error("events.expired", topic=message.topic, partition=message.partition, first=begin, last=last)

    @property
    def _consumer(self) -> AcknowledgedByHand:
        return cast(AcknowledgedByHand, self.app.consumer)

    def pause(self, partition: Partition) -> None:
        """Stop reading a partition; what was fetched already still comes."""
        self.app.consumer.on_buffer_full(TP(*partition))

    def resume(self, partition: Partition) -> None:
        """Read a partition again."""
        self.app.consumer.on_buffer_drop(TP(*partition))

    async def _revoked(self, _app: Any, /, *_args: Any, signal: Any, **_: Any) -> None:
        if self.assignment and self._consumer.evicted:
            stop_now("was put out of its group: others have the partitions already")
        self.assignment = None
        self._last.clear()
        metrics.ASSIGNED.set(0)
        await self._finish()

    async def _assigned(self, _app: Any, /, *args: Any, signal: Any, **_: Any) -> None:
        assigned: set[TP] = args[0]
        owned = {(tp.topic, tp.partition) for tp in assigned if tp.topic in self.inputs}
        self._last.clear()
        if not same_numbers(owned, self.inputs):
            self.problem = "the assignment gives different partition numbers of the input topics: not working on it"
            log.error("assignment.not_co_partitioned", assignment=sorted(owned))
            return
        self.problem = ""
        self.assignment = owned
        metrics.ASSIGNED.set(len(owned))
        log.info("assignment", partitions=len(owned), numbers=sorted({number for _, number in owned}))
        if self._pool:
            self._pool.restart()

    async def _before_shutdown(self, _app: Any, /, *_args: Any, signal: Any, **_: Any) -> None:
        await self._finish()
        await self._closing()

    async def _finish(self) -> None:
        if self._pool:
            await self._pool.drain(self._settings.drain_timeout)
            await self._consumer.commit_done()


def _skipped(message: Message, last: int) -> None:
    stop_now(
        f"{message.topic}/{message.partition}: read offset {message.offset} after {last}; records were skipped, "
        "starting again from the last acknowledged one"
    )
