"""The apps' own pollers inside the test's process, as where no webhook comes in: what they find is worked off."""

from __future__ import annotations

from functools import partial
from typing import Any, cast

from ingress.polling.store import PollStore
from shared.apps import APPS
from shared.apps.polling import PollContext, Poller
from shared.domains import subject_of

from tests.fakes.polling import AtOnce, MemoryEventLog
from tests.stack.in_process import InProcess


class Budget:
    """Calls enough."""

    def calls_in(self, app_account: str, seconds: float) -> int:
        return 1000


class Polled:
    """The pollers of both sides. `poll` is what a minute brings."""

    def __init__(self, tandem: InProcess) -> None:
        self._tandem = tandem
        self._log = MemoryEventLog(tandem)
        self._pollers: dict[str, list[Poller]] = {}

    async def poll(self, times: int = 1) -> None:
        """Poll every list, and work off what was found."""
        for _ in range(times):
            for name in self._tandem.accounts:
                await self._poll(name)
            await self._tandem.work_off()

    async def _poll(self, name: str) -> None:
        tandem = self._tandem
        connection = tandem.registry.connections[name]
        if name not in self._pollers:
            store = PollStore(cast(Any, tandem.log), tandem.topics, tandem.registry, AtOnce())
            account, chosen = connection.app_account, partial(tandem.registry.chosen, connection.app_account)
            context = PollContext(account, tandem.settings, store, self._log, Budget(), subject_of, chosen=chosen)
            self._pollers[name] = list(APPS[connection.app].pollers_of(context))
        client = await tandem.clients.of(name)
        for poller in self._pollers[name]:
            for _ in range(20):
                if await poller.poll_once(connection, client):
                    break
            else:
                raise AssertionError("a poll does not come to an end")
