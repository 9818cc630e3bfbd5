"""One Tandem whose processes die at a point that a test names."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self, cast

from console.http import own_machine
from shared.connections import encryption_keys
from shared.runtime.admin import ensure_topics

from tests.reliability.crash import begin
from tests.reliability.crash.ledger import Ledger
from tests.reliability.crash.points import EXIT, Passing, Plan, call_label, end_of, passings
from tests.stack.forked import First, Forked
from tests.stack.points import Point
from tests.stack.processes import QUICK, UNLIMITED, Stack
from tests.stack.tenants import Tenant

WORKER = "worker-1"
Wrong = Callable[[], Awaitable[list[str]]]
PATIENCE = 60.0
"""Seconds for a Tandem to come to rest: a life takes about two, and a dozen of them share two cores."""
LAST_BREATH = 2.0
"""Seconds between what the outside sees and the death of the process that did it."""
GLANCE = 0.1
"""Seconds between two checks of what is still on its way."""
FEW = {"TANDEM_TOPIC_PARTITIONS": "2", "TANDEM_STRIPE_POLL_INTERVAL": "3600", "TANDEM_TOGAI_POLL_INTERVAL": "3600"}
EAGER = {"TANDEM_STRIPE_POLL_INTERVAL": "0.5", "TANDEM_TOGAI_POLL_INTERVAL": "0.5"}
TOGAI_POLLED = {"TANDEM_TOGAI_POLL_INTERVAL": "1"}


async def open_sandbox(home: Path, bootstrap: str) -> Stack:
    """The sandbox that all Tandems share, each with accounts of its own."""
    stack = Stack.bare(home, bootstrap)
    stack._launch("sandbox", "sandbox", "--port", str(stack.ports["sandbox"]), "--state", str(home / "sandbox"))
    await stack._ready("sandbox", "/healthz")
    await stack.control("PATCH", "/settings", json=UNLIMITED | QUICK)
    return stack


class Bred(Stack):
    """A stack of processes with crash points, beside a sandbox that runs already."""

    mutation: str = ""

    @classmethod
    def beside(cls, sandbox: Stack, home: Path, mutation: str, **extra: str) -> Bred:
        """Names and ports of its own; nothing runs."""
        home.mkdir()
        made = cast(Bred, cls.bare(home, sandbox.bootstrap, **(FEW | extra)))
        made.ports["sandbox"] = sandbox.ports["sandbox"]
        made.mutation = mutation
        return made

    def first(self, name: str) -> First:
        """Its points, and its mutation."""
        return [(f"{begin.__name__}:begin", [name, str(self.home), self.prefix, self.mutation])]


@dataclass
class Person(Tenant):
    """The tenant's own hands; `calls_made` are their calls to the vendors, by label."""

    calls_made: Counter[str] = field(default_factory=Counter)

    async def stripe(self, method: str, path: str, **arguments: Any) -> dict[str, Any]:
        """A call to Stripe by hand."""
        self.calls_made[call_label(method, f"/stripe{path}")] += 1
        return await super().stripe(method, path, **arguments)

    async def togai(self, method: str, path: str, **arguments: Any) -> dict[str, Any]:
        """A call to Togai by hand."""
        self.calls_made[call_label(method, f"/togai{path}")] += 1
        return await super().togai(method, path, **arguments)

    async def switch_all(self, *flows: str, enabled: bool) -> None:
        """Switch flow links on or off by their records: there is no console here."""
        await self.link(*flows, enabled=enabled)


class Tandem:
    """Ingress and one worker, a person at both vendors, and the plan that says who dies where."""

    def __init__(self, stack: Bred, victim: str, *, webhooks: bool = True) -> None:
        self.stack = stack
        self.victim = victim
        self._webhooks = webhooks
        self._exits = AsyncExitStack()
        self._plan = Plan(0)
        self.person: Person
        self.ledger: Ledger

    async def __aenter__(self) -> Self:
        self._exits.push_async_callback(self._stop)
        self.plan()
        encryption_keys(self.stack.settings(), create=True)
        await ensure_topics(self.stack.settings())
        self.stack.launch_worker(1)
        self.stack.launch("ingress")
        await asyncio.gather(self.stack.ready("ingress"), self.stack.ready(WORKER))
        self.person = cast(Person, await Person.make(self.stack, webhooks=self._webhooks))
        self.ledger = await self._exits.enter_async_context(Ledger(self.stack.settings()))
        self._http = await self._exits.enter_async_context(own_machine(timeout=30))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._exits.aclose()

    async def _stop(self) -> None:
        await asyncio.gather(*(child.kill() for child in self.stack.children.values()))

    # --- what the processes shall do, and what they did ---

    def plan(self, die: Point | None = None) -> None:
        """Count from zero from now on, and die at a point if one is given."""
        self._journal_start = end_of(self.stack.home / "journal")
        self._plan = Plan(self._plan.id + 1, die)
        self._plan.write(self.stack.home / "plan.json")

    def passed(self) -> list[Passing]:
        """The points that were passed under the present plan, by every process."""
        found = passings(self.stack.home / "journal", self._journal_start)
        return [passing for passing in found if passing.plan == self._plan.id]

    def done_by_others(self) -> set[str]:
        """Labels of all that other processes than the victim have ever done."""
        return {p.point.label for p in passings(self.stack.home / "journal") if p.process != self.victim}

    @property
    def life(self) -> Forked:
        """The process that shall die."""
        return self.stack.children[self.victim]

    def died_as_planned(self) -> bool:
        """Whether the victim is dead. Raises AssertionError if it died of anything else than its plan."""
        if self.life.alive:
            return False
        assert self.life.code == EXIT, f"{self.victim} {self.life.exit_reason}:\n" + "\n".join(self.life.last_lines)
        return True

    async def death(self) -> bool:
        """Whether the victim dies: the outside may see an operation's outcome a little before its last point."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self.life.ended(), LAST_BREATH)
        return self.died_as_planned()

    def revive(self) -> None:
        """The victim's next life."""
        if self.victim == WORKER:
            self.stack.launch_worker(1)
        else:
            self.stack.launch(self.victim)

    # --- what is there ---

    async def control(self, path: str, **params: Any) -> dict[str, Any]:
        """GET from the sandbox's control API."""
        answer = await self._http.get(self.stack.url("sandbox", f"/control{path}"), params=params)
        answer.raise_for_status()
        return dict(answer.json())

    async def calls(self, since: int) -> tuple[Counter[str], int]:
        """The calls that the sandbox saw at this Tandem's accounts after a mark, by label, and the next mark."""
        labels: Counter[str] = Counter()
        mark = since
        for account in (self.person.stripe_account, self.person.togai_org):
            found = await self.control("/calls", account=account, since=since)
            labels.update(call_label(call["method"], f"/{call['app']}{call['path']}") for call in found["calls"])
            mark = int(found["mark"])
        return labels, mark

    async def at_rest(self) -> bool:
        """Whether nothing is on its way: webhooks were taken, and all that stands in the inputs is acknowledged."""
        # The vendors first: what they have delivered stands in the log by then.
        for account in (self.person.stripe_account, self.person.togai_org):
            if (await self.control("/deliveries", account=account, state="pending"))["deliveries"]:
                return False
        ends = await self.ledger.ends()
        acknowledged = await self.ledger.acknowledged("customer-sync")
        return all(acknowledged.get(partition, 0) >= end for partition, end in ends.items())

    async def rest(self, wrong: Wrong, grace: float, *, or_death: bool = False) -> list[str]:
        """Wait until nothing is on its way and nothing is wrong, or until the victim is dead.

        Where nothing is on its way and something is still wrong after `grace` seconds, it is not waited for any more.
        Returns what is wrong then. Look at that, and not once more: a poller may bring something new at any moment.
        """
        deadline, quiet, problems = time.monotonic() + PATIENCE, 0.0, list[str]()
        while not (or_death and self.died_as_planned()):
            now = time.monotonic()
            if not await self.at_rest():
                quiet = 0.0
            elif not (problems := await wrong()) and await self.at_rest():
                return []
            else:
                quiet = quiet or now
                if problems and now - quiet > grace:
                    return problems
            if now > deadline:
                output = "; ".join([f"no rest within {PATIENCE:.0f} s", *problems, await self.stack.describe()])
                raise AssertionError(output)
            await asyncio.sleep(GLANCE)
        return []
