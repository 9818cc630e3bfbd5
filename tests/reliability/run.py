"""One whole run: the story is played while things break, everything comes to rest, and the checker looks."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from console.http import own_machine

from tests.engines import access
from tests.reliability.chaos import ProcessFault, VendorFault, process_faults, vendor_faults
from tests.reliability.checker.again import once_more, refolded, rows, second_pass
from tests.reliability.checker.broken import Broken
from tests.reliability.checker.facts import Facts, RunFacts, calls_since, gather
from tests.reliability.checker.laws import Laws
from tests.reliability.checker.log import Log
from tests.reliability.checker.verdict import at_rest
from tests.reliability.cluster import Cluster, staged
from tests.reliability.domain import DOMAINS, Domain
from tests.reliability.domain import Part as DomainPart
from tests.reliability.folding import folded
from tests.reliability.quiet import NotQuiet, Watch
from tests.reliability.scenario_runner import Played, ScenarioRunner

Part = Literal["rest", "second pass", "sql"]
Say = Callable[[str], None]
WHOLE = 10_000
"""Events of a whole run."""
PATIENCE = 460.0
"""Seconds for coming to rest: a run that only fails is given up on within 435 s, so what can end has ended by then. So
long a person waits for the other side of what they made, too.
"""


@dataclass(frozen=True)
class Plan:
    """What is to be played. Without `hurt` nothing breaks; `mutation` breaks the product itself. `patience` is for
    coming to rest, `person_patience` for the other side of what a person wants to change; `last` is the part to end
    with. `parts` share the events.
    """

    seed: int
    events: int
    rate: float = 8.0
    hurt: bool = True
    mutation: str = ""
    process_faults: list[ProcessFault] | None = None
    vendor_faults: list[VendorFault] | None = None
    patience: float = PATIENCE
    person_patience: float = PATIENCE
    last: Part = "sql"

    @classmethod
    def of(cls, seed: int, events: int) -> Plan:
        """A run of so many events. A long one has many pairs, whose lists the pollers cannot read every second."""
        return cls(seed, events, poll_every=1.0 if events <= 1000 else 5.0)

    poll_every: float = 1.0
    parts: Sequence[DomainPart] = DOMAINS


@dataclass
class Result:
    """What came of a run; seconds by part, counts by name."""

    plan: Plan
    broken: list[Broken] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    faults: Counter[str] = field(default_factory=Counter)
    process_faults: Counter[str] = field(default_factory=Counter)
    restarts: Counter[str] = field(default_factory=Counter)
    counts: Counter[str] = field(default_factory=Counter)

    @property
    def good(self) -> bool:
        return not self.broken


def shared_out(plan: Plan) -> list[tuple[DomainPart, int]]:
    """How many events each part has."""
    whole = sum(part.share for part in plan.parts)
    return [(part, plan.events * part.share // whole) for part in plan.parts]


async def perform(plan: Plan, home: Path, say: Say = lambda text: None, bootstrap: str = "") -> Result:
    """Run the stories and check, on a broker of the run's own unless one is given.

    What is wrong stands in the result; an error of the run itself is raised.
    """
    result = Result(plan)
    began = time.monotonic()
    services = {part.noun: part.service for part in plan.parts}
    modules = [service.replace("-", "_") for service in services.values()]
    async with staged(home, modules, bootstrap, plan.mutation, plan.poll_every) as cluster:
        domains = [part.make(plan.seed, events, cluster, plan.person_patience) for part, events in shared_out(plan)]
        async with Log(access.options(cluster.stack.bootstrap), cluster.stack.prefix, services) as log:
            run = _Run(plan, cluster, domains, log, result, say)
            result.seconds["start"] = time.monotonic() - began
            try:
                await run.run_stories()
                await run.check()
            finally:
                for domain in domains:
                    await domain.people.close()
                result.process_faults, result.restarts = cluster.done, cluster.restarts
                result.seconds["all"] = time.monotonic() - began
    return result


class _Run:
    """The parts of one run, in order."""

    def __init__(
        self, plan: Plan, cluster: Cluster, domains: Sequence[Domain], log: Log, result: Result, say: Say
    ) -> None:
        self._plan = plan
        self._cluster = cluster
        self._domains = domains
        self._log = log
        self._result = result
        self._report = say
        tenant = cluster.tenant
        self._keys = (tenant.stripe_key, tenant.togai_token)
        self._watch = Watch(cluster, log, self._keys, plan.patience)

    async def run_stories(self) -> None:
        """The stories of all domains, and what breaks in them."""
        began, plan = time.monotonic(), self._plan
        runner = ScenarioRunner(self._cluster, self._domains, plan.rate)
        telling = asyncio.create_task(
            self._announce(runner.played, sum(len(domain.actions) for domain in self._domains))
        )
        hits, spells = plan.process_faults, plan.vendor_faults
        # What breaks is placed by the number of actions begun: the longest story's.
        longest = max(events for _, events in shared_out(plan))
        if hits is None:
            hits = process_faults(plan.seed, longest) if plan.hurt else []
        if spells is None:
            spells = vendor_faults(plan.seed, longest) if plan.hurt else []
        try:
            played = await runner.run(hits, spells)
        finally:
            telling.cancel()
        self._result.broken += [Broken("lost", what.partition(":")[0], what) for what in played.failed]
        self._result.faults = played.fired
        self._result.counts["events"] = played.done
        self._result.seconds["story"] = time.monotonic() - began

    async def _announce(self, played: Played, whole: int) -> None:
        while True:
            await asyncio.sleep(15)
            self._report(f"{played.done} of {whole} events, {sum(self._cluster.done.values())} process faults")

    async def check(self) -> None:
        """Rest, check; handle everything once more, rest, check; fold the tables again, check."""
        await self._rest("rest")
        facts = await self._facts()
        laws = [domain.laws(facts) for domain in self._domains]
        self._result.broken += at_rest(facts, laws)
        self._count(facts, laws)
        self._report(f"at rest: {len(self._result.broken)} broken")
        if self._plan.last == "rest":
            return
        began = time.monotonic()
        await self._second_pass(facts)
        self._result.seconds["second pass"] = time.monotonic() - began
        if self._plan.last == "sql":
            began = time.monotonic()
            self._result.broken += await self._refold()
            self._result.seconds["refold"] = time.monotonic() - began

    async def _rest(self, part: str) -> None:
        """Wait for quiet. If it does not come that is broken, and what else is broken is looked for all the same."""
        began = time.monotonic()
        try:
            await self._watch.quiet()
        except NotQuiet as error:
            self._result.broken.append(Broken("ended", "the run", f"does not come to rest: {error}"))
        self._result.seconds[part] = time.monotonic() - began

    async def _facts(self) -> Facts:
        tenant = self._cluster.tenant
        run = RunFacts(tenant.stripe_account, tenant.togai_org, *self._keys, pauses=self._cluster.pauses)
        return await gather(self._cluster.stack.url("sandbox"), self._log, run)

    def _count(self, facts: Facts, laws: Sequence[Laws]) -> None:
        counts = self._result.counts
        counts["calls of Tandem"] = len([c for c in facts.calls if c["caller"] in self._keys])
        counts["events in the log"] = len(facts.events)
        counts["runs"] = len(facts.runs)
        counts["pairs"] = len([m for m in facts.mappings.values() if m["state"] in ("linked", "deleted")])
        for domain in laws:
            counts.update(domain.counts())

    async def _second_pass(self, facts: Facts) -> None:
        """New workers, which remember nothing, get every entity's events again; people touch every account."""
        control = self._cluster.stack.control
        await self._cluster.kill("workers")
        mark = (await control("GET", "/calls", params={"limit": "1"}))["mark"]
        for domain in self._domains:
            await domain.people.touch(facts)
        await self._log.replay(once_more(facts.events))
        await self._rest("rest after second pass")
        async with own_machine(base_url=self._cluster.stack.url("sandbox", "/control"), timeout=120) as http:
            self._result.broken += second_pass(await calls_since(http, mark), self._keys)

    async def _refold(self) -> list[Broken]:
        """Stop everybody who writes, and the console; take its tables, let it fold new ones, compare."""
        cluster = self._cluster
        database = cluster.stack.home / "console.sqlite3"
        for name in [n for n in sorted(cluster.wanted) if n != "console"]:
            await cluster.leave(name)
        await folded(cluster.stack.bootstrap, database)
        await cluster.leave("console")
        before = rows(database)
        for file in database.parent.glob("console.sqlite3*"):
            file.unlink()
        cluster.launch("console")
        await cluster.stack.ready("console")
        await folded(cluster.stack.bootstrap, database)
        return list(refolded(before, rows(database)))
