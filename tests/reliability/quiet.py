"""Waiting for the end by looking: nothing is on its way any more, and nothing is to be expected but from people."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Collection, Mapping
from typing import Any

import httpx
from shared.polls import epoch

from tests.reliability.checker.log import RUNS, Log
from tests.reliability.checker.runs import waits_for_people
from tests.reliability.cluster import Cluster

CHECK_EVERY = 1.0
CALM = 3
"""Looks one after the other that must find it quiet."""
LOOK = 6.0
"""Seconds that a poll may take: what happens meanwhile it may not show."""
LISTS = {"stripe-events", "togai-customers", "togai-accounts", "togai-invoices", "togai-price-plans"}


class NotQuiet(AssertionError):
    """The run did not come to rest; the message tells what still moves."""


class Watch:
    """Looks at one cluster again and again. `keys` are Tandem's own, whose calls must have ended."""

    def __init__(self, cluster: Cluster, log: Log, keys: Collection[str], patience: float) -> None:
        self._cluster = cluster
        self._keys = keys
        self._patience = patience
        self._log = log
        self._mark = 0
        self._moved = 0.0

    async def quiet(self) -> None:
        """Return when it is. Raises NotQuiet with an account of what is not."""
        clock, calm = asyncio.get_running_loop(), 0
        deadline = clock.time() + self._patience
        self._moved = time.time()
        while calm < CALM:
            await asyncio.sleep(CHECK_EVERY)
            moving = await self._moving()
            calm = 0 if moving else calm + 1
            if clock.time() > deadline:
                raise NotQuiet("; ".join(moving) or "it comes to rest and moves again")

    async def _moving(self) -> list[str]:
        """What still moves, in words."""
        try:
            return [*await self._deliveries(), *await self._writes(), *await self._runs(), *await self._pollers()]
        except (httpx.HTTPError, OSError) as error:
            return [f"a part does not answer: {error!r}"]

    async def _deliveries(self) -> list[str]:
        control = self._cluster.stack.control
        found = [
            len((await control("GET", "/deliveries", params={"state": s}))["deliveries"]) for s in ("pending", "held")
        ]
        return [f"{sum(found)} webhooks on their way"] if sum(found) else []

    async def _writes(self) -> list[str]:
        """Calls of ours that change something, since the last check."""
        found = await self._cluster.stack.control("GET", "/calls", params={"since": self._mark, "limit": "100000"})
        self._mark = found["mark"]
        own = [c for c in found["calls"] if c["caller"] in self._keys and c["method"] != "GET"]
        if own:
            self._moved = time.time()
        return [f"{len(own)} writing calls"] if own else []

    async def _runs(self) -> list[str]:
        await self._log.read_on()
        lag = await self._log.lag()
        open_ = [
            r
            for r in self._log.newest(RUNS).values()
            if r["state"] == "running" or (r["state"] == "parked" and not waits_for_people(r))
        ]
        shown = [f"{r['state']} {r['aggregate'].rpartition('/')[2]} ({r.get('reason', '')[:80]})" for r in open_[:3]]
        return ([f"{lag} events not taken"] if lag else []) + (
            [f"{len(open_)} open runs: {json.dumps(shown)}"] if open_ else []
        )

    async def _pollers(self) -> list[str]:
        items = await self._cluster.pollers()
        if not items:
            return ["ingress does not tell of its pollers"]
        late = [i["kind"] for i in items if i["kind"] in LISTS and shown_until(i) <= self._moved]
        return [f"not looked since the last write: {', '.join(late)}"] if late else []


def shown_until(poll: Mapping[str, Any]) -> float:
    """Up to when a poll has brought all that happened, in epoch seconds: for so long as the next one is away it leaves
    Stripe's newest events to webhooks that may be on their way.
    """
    return epoch(poll["at"]) - LOOK - float(poll["interval"])
