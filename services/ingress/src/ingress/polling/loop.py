"""One poller's endless loop: poll, wait, poll again; whatever goes wrong is logged once and tried again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from aiokafka.errors import KafkaError
from shared.apps.polling import PollOnce
from shared.connections import Connection
from shared.errors import Blocked, ConnectionClosed, SyncError
from shared.log import get_logger
from shared.polls import PollKind
from shared.runtime.clients import Clients
from shared.runtime.registry import Registry
from shared.tasks import unless_cancelled

from shared import metrics

log = get_logger(__name__)

FIRST_RETRY, LAST_RETRY = 1.0, 30.0
"""Seconds after a failed poll; they double up to the last ones, or the interval. After an outage of an hour what waits
for a poll goes on within a minute.
"""


def chosen(registry: Registry, app_account: str) -> Connection | None:
    """The connection to poll an app account with: an open one, and always the same as long as it stays so."""
    own = [c for c in registry.connections.values() if c.app_account == app_account and c.state != "removed"]
    return min(own, key=lambda c: (not registry.is_open(c.id), c.id), default=None)


class PollLoop:
    """One poller of an app account. `problem` is what is wrong now, for people; `wake` ends a wait.

    `stretched` gives the seconds until the next poll, of those that the poller wants: longer where few reads are left.
    """

    def __init__(
        self,
        app_account: str,
        kinds: tuple[PollKind, ...],
        interval: float,
        registry: Registry,
        clients: Clients,
        stretched: Callable[[float], float] = lambda seconds: seconds,
    ) -> None:
        self.app_account = app_account
        self.kinds = kinds
        self.interval = interval
        self.problem = ""
        self.stopping = False
        self._stretched = stretched
        self._registry = registry
        self._clients = clients
        self._wake = asyncio.Event()

    def wake(self) -> None:
        """Poll at once: the account's connections have changed."""
        self._wake.set()

    async def run(self, poll_once: PollOnce) -> None:
        """Poll until stopped."""
        loop, failed = asyncio.get_running_loop(), 0
        while not self.stopping:
            began = loop.time()
            self._wake.clear()
            try:
                wait = self._stretched(await unless_cancelled(self._poll(poll_once))) - (loop.time() - began)
                failed = 0
                self._report("")
            except (ConnectionClosed, Blocked) as error:
                self._report(error.message)
                wait = self.interval
            except Exception as error:
                if not isinstance(error, (SyncError, KafkaError)):
                    log.error("poll.bug", app_account=self.app_account, exc_info=error)
                failed += 1
                wait = self._failed(str(error) or repr(error), failed)
            await self._wait(wait)

    async def _poll(self, poll_once: PollOnce) -> float:
        connection = chosen(self._registry, self.app_account)
        if connection is None:
            return self.interval
        async with self._clients.keep_refusals():
            return await poll_once(connection, await self._clients.of(connection.id))

    def _failed(self, reason: str, times: int) -> float:
        metrics.POLL_FAILED.labels(self.app_account).inc()
        self._report(reason)
        return min(self.interval, LAST_RETRY, FIRST_RETRY * 2.0 ** min(times - 1, 16))

    def _report(self, problem: str) -> None:
        """A new problem is logged once, and its end."""
        if problem and problem != self.problem:
            log.warning("poll.failed", app_account=self.app_account, lists=self.kinds, reason=problem)
        elif self.problem and not problem:
            log.info("poll.again", app_account=self.app_account, lists=self.kinds)
        self.problem = problem

    async def _wait(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(max(0.0, seconds)):
                await self._wake.wait()
        except TimeoutError:
            return
