"""What reads in a worker, with Faust and a real Kafka, without the rest of it."""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar, cast

import pytest
from faust.types import TP
from shared.domains.customers import DOMAIN
from shared.events.topics import Topics
from shared.kafka.log import Log
from shared.runtime.faust_glue import Consuming, make_app
from shared.runtime.pool import Pool, Work
from shared.settings import Settings

from tests.stack.processes import until


class Reader:
    """A worker's reading, and a pool whose work is to note what it got. `rejoin` makes the group rebalance.

    What is in `slow` takes so many seconds once: to `resume` reading after an assignment, to hand partitions to
    `agents`, to take the `answer` of a fetch. No record comes to its end before it `works_off`.
    """

    running: ClassVar[dict[Any, Reader]] = {}

    def __init__(self, settings: Settings, log: Log) -> None:
        topics = Topics(settings)
        self.settings = settings
        self.topic = topics.events("customer")
        self.partition = TP(self.topic, 0)
        self.app = make_app(DOMAIN, settings, topics)
        self.read: list[tuple[int, str]] = []
        self.slow: dict[str, float] = {}
        self.took: list[str] = []
        self.misplaced: int | None = None
        self.fetching = asyncio.Event()
        self.works_off = asyncio.Event()
        self.works_off.set()
        self._log = log
        inputs = topics.inputs(DOMAIN.noun)
        self.consuming = Consuming(self.app, inputs, settings, pool_ready=self._ready, closing=self._nothing)
        self.pool = Pool(
            self._handle,
            pause=self.consuming.pause,
            resume=self.consuming.resume,
            on_fatal=lambda error: pytest.fail(str(error)),
            flush=self._nothing,
        )
        self.app.on_rebalance_complete.connect(self._resume)

    async def _ready(self) -> Pool:
        return self.pool

    async def _nothing(self) -> None:
        pass

    async def _resume(self, *_: Any, **__: Any) -> None:
        await self.take_time("resume")

    async def take_time(self, part: str) -> None:
        """As long as the part takes."""
        if seconds := self.slow.pop(part, 0.0):
            await asyncio.sleep(seconds)
            self.took.append(part)

    async def _handle(self, work: Work) -> None:
        self.read.append((work.offset, work.value.decode()))
        await self.works_off.wait()

    @property
    def thread(self) -> Any:
        """What Faust reads with."""
        return cast(Any, self.app.consumer)._thread

    async def start(self) -> None:
        """Begin, and wait until it is a member of the group."""
        self.running[self.app] = self
        await self.app.start()
        await self.settled()

    async def stop(self) -> None:
        """Leave the group, with everything committed."""
        if self.running.pop(self.app, None):
            await self.app.stop()

    async def settled(self) -> None:
        """Wait until it has an assignment, which may be empty."""

        async def assigned() -> bool:
            return self.consuming.assignment is not None and not self.app.rebalancing

        await until(assigned, "an assignment")

    async def reads(self) -> None:
        """Wait until a fetch has just begun."""
        self.fetching.clear()
        async with asyncio.timeout(20):
            await self.fetching.wait()

    def rejoin(self) -> None:
        """Have the group rebalance."""
        coordinator = self.thread._ensure_consumer()._coordinator
        self.thread.thread_loop.call_soon_threadsafe(coordinator.request_rejoin)

    async def append(self, *texts: str) -> None:
        """Events, in this order."""
        for text in texts:
            await self._log.append(self.topic, "one", text.encode())

    async def got(self, number: int) -> list[tuple[int, str]]:
        """Wait for so many records, and then for more that should not come."""

        async def enough() -> bool:
            return len(self.read) >= number

        await until(enough, f"{number} records, not {self.read}", patience=20)
        await asyncio.sleep(1.5)
        return self.read

    def again(self) -> Reader:
        """Another worker, or the next life of this one."""
        return Reader(self.settings, self._log)
