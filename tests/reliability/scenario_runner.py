"""The story played on the cluster: people act at a pace, and what the schedule says breaks at its places."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.reliability.action import Action
from tests.reliability.chaos import ProcessFault, VendorFault
from tests.reliability.cluster import Cluster
from tests.reliability.domain import Domain, People

GLANCE = 0.05
FELT_WITHIN = 20.0
"""Seconds in which somebody calls: a fault that nobody felt was none."""


@dataclass
class Played:
    """How far the story is, what failed of it, and how often each fault of the sandbox fired."""

    started: int = 0
    done: int = 0
    failed: list[str] = field(default_factory=list)
    fired: Counter[str] = field(default_factory=Counter)


class ScenarioRunner:
    """One performance. `rate` is actions per second, as far as the machine can."""

    def __init__(self, cluster: Cluster, domains: Sequence[Domain], rate: float) -> None:
        self._cluster = cluster
        self._domains = domains
        self._rate = rate
        self._reported = asyncio.Event()
        self.played = Played()

    async def run(self, hits: list[ProcessFault], spells: list[VendorFault]) -> Played:
        """To the end of every story; faults end with it, and what was killed is up again."""
        storm = [asyncio.create_task(self._strike(hits)), asyncio.create_task(self._rain(spells))]
        turns: dict[tuple[People, str], list[Action]] = defaultdict(list)
        for domain in self._domains:
            for action in domain.actions:
                turns[domain.people, action.subject].append(action)
        start = asyncio.get_running_loop().time()
        await asyncio.gather(*(self._subject(people, own, start) for (people, _), own in turns.items()))
        self._reported.set()
        await asyncio.gather(*storm)
        return self.played

    async def _subject(self, people: People, actions: list[Action], start: float) -> None:
        """One subject's actions, one after the other, none before its time."""
        clock = asyncio.get_running_loop()
        for action in actions:
            await asyncio.sleep(max(0.0, start + action.number / self._rate - clock.time()))
            self.played.started = max(self.played.started, action.number + 1)
            try:
                await people.act(action)
            except AssertionError as error:
                self.played.failed.append(f"{action.unit}: {action.verb}: {error}")
            self.played.done += 1

    async def _until(self, place: int) -> None:
        while self.played.started < place and not self._reported.is_set():  # noqa: ASYNC110
            await asyncio.sleep(GLANCE)

    # --- what breaks ---

    async def _strike(self, process_faults: list[ProcessFault]) -> None:
        for fault in process_faults:
            await self._until(fault.at)
            if fault.kind == "kill":
                await self._cluster.kill(fault.target)
            elif fault.kind == "pause":
                await self._cluster.pause(fault.target, fault.seconds)
            elif fault.kind == "scale":
                await self._cluster.scale(int(fault.target))
            else:
                await self._revoke(fault)
        await self._cluster.scale(1)

    async def _revoke(self, fault: ProcessFault) -> None:
        """The vendor refuses Tandem's key for a while."""
        rule = await self._add_rule(fault.target, {"app": fault.target, "kind": "unauthorized"})
        await self._felt(rule)
        await asyncio.sleep(fault.seconds)
        await self._remove_rule(rule)
        self._cluster.done[f"revoke {fault.target}"] += 1

    async def _rain(self, spells: list[VendorFault]) -> None:
        """Put up the rules of each spell, and take them down with it: one that strikes for certain, once it has."""
        begins = sorted({fault.begin for fault in spells})
        for begin in begins:
            await self._until(begin)
            now = [fault for fault in spells if fault.begin == begin]
            rules = [await self._add_rule(s.app, {"app": s.app, "kind": s.kind} | s.rule) for s in now]
            await self._until(max(fault.end for fault in now))
            for fault, rule in zip(now, rules, strict=True):
                if "probability" not in fault.rule:
                    await self._felt(rule)
                await self._remove_rule(rule)

    async def _add_rule(self, app: str, rule: dict[str, Any]) -> str:
        """A rule for Tandem's calls alone; webhooks know no caller."""
        tenant = self._cluster.tenant
        own = {"stripe": (tenant.stripe_account, tenant.stripe_key), "togai": (tenant.togai_org, tenant.togai_token)}
        account, key = own[app]
        match = {"account": account} | ({} if rule["kind"] in ON_WEBHOOKS else {"caller": key}) | rule.get("match", {})
        return str((await self._cluster.stack.control("POST", "/faults", json=rule | {"match": match}))["id"])

    async def _felt(self, rule: str) -> None:
        """Wait until the rule has struck: how soon somebody calls is the machine's business."""
        started = asyncio.get_running_loop().time()
        while not await self._fired(rule) and asyncio.get_running_loop().time() < started + FELT_WITHIN:  # noqa: ASYNC110
            await asyncio.sleep(GLANCE)

    async def _fired(self, rule: str) -> int:
        found = (await self._cluster.stack.control("GET", "/faults"))["faults"]
        return next(int(f["fired"]) for f in found if f["id"] == rule)

    async def _remove_rule(self, rule: str) -> None:
        control = self._cluster.stack.control
        found = next(f for f in (await control("GET", "/faults"))["faults"] if f["id"] == rule)
        self.played.fired[name_of(found)] += found["fired"]
        await control("DELETE", f"/faults/{rule}")


ON_WEBHOOKS = ("duplicate", "reorder", "delay", "drop", "twin")


def name_of(rule: dict[str, Any]) -> str:
    """A fault's name in the report."""
    kind, app = rule["kind"], rule["app"]
    if kind == "rate_limited":
        asked = " (Retry-After)" if "retry_after" in rule else ""
        detail = f" ({rule['reason'] or 'no reason'})" if "reason" in rule else asked
    elif kind in ("error_before", "error_after") and app == "stripe":
        detail = " (kept under the key)" if rule.get("stored", True) else " (not kept)"
    else:
        detail = ""
    return f"{app}: {kind}{detail}"
