"""How often each account is read, written down: a vendor allows so many reads in 30 days."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Mapping
from typing import NoReturn

from shared.apps import APPS
from shared.apps.model import only_reads
from shared.errors import NotReady, Unavailable
from shared.events.topics import Topics
from shared.identity import AppAccount
from shared.kafka.log import Log
from shared.kafka.replica import Replica
from shared.log import get_logger
from shared.polls import rfc3339
from shared.reads import Reads, counted, day_of, encode
from shared.runtime.registry import Registry

from ingress.ratelimit.accounts import Account

log = get_logger(__name__)

EVERY = 60.0
"""Seconds between two records: what was read since the last one is forgotten if the process dies."""


def is_counted(app_account: str) -> bool:
    """Whether its vendor counts reads."""
    app, mode, _ = AppAccount.parse(app_account)
    return APPS[app].reads_allowed(mode, 0) is not None


def may_read(operation: str) -> bool:
    """Whether a call may have read: one of which no operation is known counts, so that nobody reads too much."""
    return not operation or only_reads(operation)


class ReadCount:
    """Writes down what the allocator leased, every minute; `registry` shows what was written before."""

    def __init__(self, kafka: Log, topics: Topics, registry: Registry, replica: Replica) -> None:
        self._kafka = kafka
        self._topics = topics
        self._registry = registry
        self._replica = replica
        self._due: Counter[str] = Counter()

    async def keep(self, accounts: Mapping[str, Account]) -> NoReturn:
        """Go on until cancelled."""
        await self._replica.wait_ready()
        while True:
            await asyncio.sleep(EVERY)
            await self.write(accounts)

    async def write(self, accounts: Mapping[str, Account]) -> None:
        """Write down what was leased since this was done last. What Kafka does not take waits for the next time."""
        for name, account in list(accounts.items()):
            calls = account.use.take()
            if is_counted(name):
                self._due[name] += sum(n for operation, n in calls.items() if may_read(operation))
        try:
            for name in [name for name, number in self._due.items() if number > 0]:
                await self.add(name, self._due[name])
                del self._due[name]
        except (Unavailable, NotReady) as error:
            log.warning("reads.not_counted", reason=error.message)

    async def add(self, app_account: str, more: int) -> None:
        """So many reads more. Raises Unavailable, NotReady."""
        now = time.time()
        known = self._registry.reads.get(app_account, Reads(app_account=app_account))
        reads = Reads(app_account=app_account, days=counted(known.days, {day_of(now): more}, now), at=rfc3339(now))
        place = await self._kafka.append(self._topics.reads, app_account, encode(reads))
        await self._replica.wait_for(self._topics.reads, place.offset)
