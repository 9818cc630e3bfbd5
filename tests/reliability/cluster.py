"""The processes of the run: a broker of its own, the sandbox, a Tandem; whoever dies is started again."""

from __future__ import annotations

import asyncio
import signal
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import time
from typing import Any

import httpx
from console.http import own_machine
from console.local.errors import LocalError
from console.local.kafka import EmbeddedKafka
from console.local.ports import free_port
from console.setup import prepare

from tests.engines.access import own_kafka
from tests.stack.broker import freeze, thaw
from tests.stack.processes import QUICK, UNLIMITED, Stack
from tests.stack.tenants import Tenant

CHECK_CLUSTER_EVERY = 0.2
BROKER_PATIENCE = 600.0
"""Seconds for a broker that was killed to read its logs again, on a machine that is busy."""
CHARGES = "togai-invoice-to-stripe-payment-intent"
"""The flow that collects invoices of whoever has a payment method: it comes before that of Stripe invoices."""
SCALE = 0.005
"""How delays are stretched: parkings last 0.3, 3 and 18 s, and a closed connection is probed every 3 s."""

QUOTAS = {"TANDEM_STRIPE_QUOTA": "200", "TANDEM_STRIPE_OPERATION_QUOTA": "150", "TANDEM_TOGAI_QUOTA": "150"}
"""Three times what the story needs, for what a death repeats; and all calls go by leased leases: a 429 to one process
must silence the others.
"""


@dataclass
class Cluster:
    """A running Tandem that can be hurt. `pauses` are the spells in which some process stood still or was away, in
    epoch seconds; `done` counts the process_faults.
    """

    stack: Stack
    broker: EmbeddedKafka | None
    tenant: Tenant
    keys: dict[str, str]
    mutation: str = ""
    services: dict[str, str] = field(default_factory=dict)
    wanted: set[str] = field(default_factory=set)
    pauses: list[tuple[float, float, str]] = field(default_factory=list)
    done: Counter[str] = field(default_factory=Counter)
    restarts: Counter[str] = field(default_factory=Counter)
    _held: set[str] = field(default_factory=set)
    _broker_kills: int = 0

    # --- life ---

    def launch(self, name: str) -> None:
        """Start a process (again), broken by the mutation if there is one."""
        is_worker = name.startswith("worker-")
        module = self.services.get(name, self.services["worker-1"]) if is_worker else name
        words = ["tests.reliability.mutant", self.mutation, module] if self.mutation else [module]
        if is_worker:
            self.stack.launch_service(name, *words)
        else:
            self.stack.launch_as(name, words, self.stack.environment())
        self.wanted.add(name)

    async def keep_alive(self) -> None:
        """Start again whoever died and is wanted, until cancelled."""
        while True:
            if self.broker and "broker" not in self._held and self.broker.pid is None:
                self.restarts["broker"] += 1
                began = self._broker_kills
                try:
                    await self.broker.start(patience=BROKER_PATIENCE)
                except LocalError:
                    if self._broker_kills == began:  # else it was killed before it was up
                        raise
            for name in sorted(self.wanted - self._held):
                if not self.stack.children[name].alive:
                    self.restarts[name.partition("-")[0]] += 1
                    self.launch(name)
            await asyncio.sleep(CHECK_CLUSTER_EVERY)

    async def scale(self, workers: int) -> None:
        """As many workers; those that are too many are stopped in good order."""
        for number in range(1, workers + 1):
            if f"worker-{number}" not in self.wanted:
                self.launch(f"worker-{number}")
        for name in [n for n in self._workers if n[7:].isdigit() and int(n[7:]) > workers]:
            await self.leave(name)
        self.done["scale"] += 1

    async def leave(self, name: str) -> None:
        """Stop a process in good order: it is not wanted any more."""
        self.wanted.discard(name)
        await self.stack.children.pop(name).stop(15)

    # --- process faults ---

    async def kill(self, target: str) -> None:
        """kill -9. `workers` is all of them at once."""
        began = time()
        names = self._workers if target == "workers" else [self._one(target)]
        if target == "broker":
            assert self.broker, "the broker is others' too"
            self._broker_kills += 1
            await self.broker.kill()
        else:
            await asyncio.gather(*(self.stack.children[name].kill() for name in names))
        self.done[f"kill {target.partition('-')[0]}"] += 1
        self.pauses.append((began, time(), f"kill {target}"))

    async def pause(self, target: str, seconds: float) -> None:
        """SIGSTOP, and after so many seconds SIGCONT."""
        name, began = self._one(target), time()
        self._held.add(name)
        if name == "broker":
            if self.broker and self.broker.pid:
                freeze(self.broker)
        else:
            self.stack.children[name].send(signal.SIGSTOP)
        await asyncio.sleep(seconds)
        if name == "broker":
            if self.broker and self.broker.pid:
                thaw(self.broker)
        else:
            self.stack.children[name].send(signal.SIGCONT)
        self._held.discard(name)
        self.done[f"pause {target.partition('-')[0]}"] += 1
        self.pauses.append((began, time(), f"pause {name}"))

    @property
    def _workers(self) -> list[str]:
        return [name for name in sorted(self.wanted) if name.startswith("worker-")]

    def _one(self, target: str) -> str:
        """A worker that was meant and is not there is replaced by another one."""
        return target if not target.startswith("worker") or target in self.wanted else self._workers[0]

    # --- ends ---

    async def pollers(self) -> list[dict[str, Any]]:
        """What ingress says of its pollers; nothing while it is away."""
        try:
            async with own_machine(timeout=5) as http:
                return list((await http.get(self.stack.url("ingress", "/pollers"))).json()["items"])
        except (httpx.HTTPError, ValueError, KeyError):
            return []


@asynccontextmanager
async def own_broker(home: Path) -> AsyncIterator[EmbeddedKafka]:
    """One that can be killed; gone at the end, even if it stands still."""
    broker = own_kafka(home / "kafka-home", free_port(in_a_row=2))
    await broker.start()
    try:
        yield broker
    finally:
        if broker.pid:
            thaw(broker)
        await broker.kill()


@asynccontextmanager
async def staged(
    home: Path, services: Sequence[str], bootstrap: str = "", mutation: str = "", poll_every: float = 1.0
) -> AsyncIterator[Cluster]:
    """Everything up and connected, with one worker of each service, on a broker of its own unless one is given. All is
    gone at the end. Of the first service further workers can come.
    """
    async with AsyncExitStack() as leaving:
        broker = None if bootstrap else await leaving.enter_async_context(own_broker(home))
        every = str(poll_every)
        stack = Stack.bare(
            home / "stack", broker.bootstrap if broker else bootstrap, TANDEM_DELAY_SCALE=str(SCALE),
            TANDEM_STRIPE_POLL_INTERVAL=every, TANDEM_TOGAI_POLL_INTERVAL=every, TANDEM_SYNCED_METADATA="VATN",
            TANDEM_APPEND_TIMEOUT="2", **QUOTAS,
        )  # fmt: skip
        leaving.push_async_callback(_kill_all, stack)
        await stack.launch_sandbox()
        await stack.control("PATCH", "/settings", json=UNLIMITED | QUICK)
        # Set-up is no part of the story: a busy machine may take its time.
        await prepare(stack.settings().model_copy(update={"call_timeout": 30.0}))
        cluster = Cluster(stack, broker, Tenant(stack, "", "", "", "", ""), {}, mutation)
        cluster.services = {"worker-1": services[0]} | {f"worker-{name}": name for name in services[1:]}
        for name in (*cluster.services, "ingress", "console"):
            cluster.launch(name)
        await asyncio.gather(stack.ready("ingress"), stack.ready("console"), stack.workers_ready())
        cluster.tenant = await Tenant.make(stack)
        await cluster.tenant.link(CHARGES, enabled=False)
        await cluster.tenant.link(CHARGES, prefix="first_")
        for app, account in (("stripe", cluster.tenant.stripe_account), ("togai", cluster.tenant.togai_org)):
            made = await stack.control("POST", "/keys", json={"account": account, "key": f"people_{app}_{account}"})
            cluster.keys[app] = str(made["key"])
        # In a group: a supervisor that ends by an error ends the run, which would wait for the dead for ever.
        async with asyncio.TaskGroup() as group:
            keeping = group.create_task(cluster.keep_alive(), name="supervisor")
            yield cluster
            keeping.cancel()


async def _kill_all(stack: Stack) -> None:
    for child in stack.children.values():
        child.send(signal.SIGCONT)
    await asyncio.gather(*(child.kill() for child in stack.children.values()))
