"""One Tandem inside the test's own process that dies and lives again, and that vendors fail."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import time_machine
from cryptography.fernet import Fernet
from invoice_sync.actions import IMPLEMENTATIONS as INVOICE_ACTIONS
from plan_sync.actions import IMPLEMENTATIONS as PLAN_ACTIONS
from shared.domains.invoices import DOMAIN as INVOICES
from shared.domains.plans import DOMAIN as PLANS

from tests.contract.sandbox.tools import Control
from tests.integration.invoices.conftest import Invoices
from tests.integration.invoices.test_intents import Intents
from tests.integration.plans.conftest import Plans
from tests.integration.plans.test_subscriptions import Shop
from tests.stack.in_process import CUSTOMERS, InProcess
from tests.stack.points import Died

SERVICES = (*CUSTOMERS, (PLANS, PLAN_ACTIONS), (INVOICES, INVOICE_ACTIONS))
PORTAL_KEY = Fernet.generate_key().decode()
LIVES = 200
LOOKS = 60
"""How often what waits looks again: once for each call that can fail, and more."""


class OneClock:
    """The time of both vendors and of this process."""

    def __init__(self, control: Control, here: time_machine.Traveller) -> None:
        self._control = control
        self._here = here

    def forward(self, seconds: int) -> None:
        """Let time go by for everybody."""
        if seconds:
            self._control.call("POST", "/clock", {"advance": seconds})
            self._here.shift(seconds)


class Mortal(InProcess):
    """Workers of every service. When they die, others take their place `dead_for` seconds later, over the same log."""

    def __init__(self, control: Control, settings: dict[str, Any], clock: OneClock) -> None:
        super().__init__(control, settings, SERVICES)
        self._clock = clock
        self.dead_for = 0

    async def work_off(self) -> None:
        await self._alive(super().work_off)

    async def rest(self) -> None:
        """Bring everything to its end, also what waits: for a minute each time."""
        await self.drain()
        for _ in range(LOOKS):
            if not self.parked:
                return
            self.waited += 60
            for key in list(self.parked):
                await self._alive(lambda key=key: self.go_on(key))  # type: ignore[misc]
            await self.drain()
        raise AssertionError(f"still waiting: {[run.reason for run in self.runs() if run.state == 'parked']}")

    async def _alive(self, work: Callable[[], Awaitable[None]]) -> None:
        standing = asyncio.all_tasks()
        for _ in range(LIVES):
            dead = True
            try:
                await work()
                dead = False
            except* Died:
                await self._end(asyncio.all_tasks() - standing)
                self.points.revive()
                self._clock.forward(self.dead_for)
                await self.restart()
            if not dead:
                return
        raise AssertionError("it dies for ever")

    async def _end(self, tasks: set[asyncio.Task[object]]) -> None:
        """What the dead process was still about ends with it."""
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _poll_stripe(self, name: str) -> None:
        with self.points.others():
            await super()._poll_stripe(name)

    async def _poll_togai(self) -> None:
        with self.points.others():
            await super()._poll_togai()


class World:
    """What people do in a scenario."""

    def __init__(self, tandem: Mortal) -> None:
        self.tandem = tandem
        self.invoices = Invoices(tandem)
        self.intents = Intents(self.invoices, tandem)
        self.plans = Plans(tandem)
        self.shop = Shop(self.plans)
        self.rest = tandem.rest


@asynccontextmanager
async def opened(control: Control) -> AsyncIterator[World]:
    """Fresh accounts at both vendors, whose flows are on."""
    settings = {"default_currency": "USD", "portal_keys": PORTAL_KEY}
    with time_machine.travel(control.call("GET", "/clock")["now"]) as here:
        tandem = Mortal(control, settings, OneClock(control, here))
        with tandem.points.others():
            await tandem.start()
        try:
            yield World(tandem)
        finally:
            await tandem.stop()
