"""The processes of one Tandem under a topic prefix of its own."""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from console.http import own_machine
from console.local.ports import free_port
from console.setup import prepare
from shared.settings import Settings

from tests.engines import access
from tests.stack.forked import First, Forked, fork
from tests.stack.tls import TRUST_NOBODY

PATIENCE = 150.0
"""Seconds a test waits for an outcome: longer than the longest parking of a scaled run, which is 72 s."""
SOONEST, LATEST, LONGER = 0.03, 0.3, 1.2
"""Seconds between two checks, and by how much each is later than the one before: whoever waits long looks seldom, since
looking takes as much processor time as what is waited for.
"""
UNLIMITED = {"stripe_test_rate": None, "stripe_live_rate": None, "stripe_operation_rate": None, "togai_rate": None}
QUICK = {"webhook_delays": [0.05, 0.1, 0.2, 0.5, 1, 1, 2, 2, 5, 5], "webhook_timeout": 10.0}


async def until(condition: Any, what: str, patience: float = PATIENCE, *, every: float = SOONEST) -> Any:
    """Poll an async condition until it is true, less and less often; raises AssertionError that says what did not
    come.
    """
    deadline, pause = asyncio.get_running_loop().time() + patience, every
    while not (found := await condition()):
        if asyncio.get_running_loop().time() > deadline:
            raise AssertionError(f"did not come within {patience:.0f} s: {what}")
        await asyncio.sleep(pause)
        pause = max(every, min(LATEST, pause * LONGER))
    return found


async def until_none(condition: Any, what: str, patience: float = PATIENCE, *, every: float = SOONEST) -> None:
    """Poll for what is wrong until nothing is; raises AssertionError that says what was left."""
    found: list[Any] = []

    async def none() -> bool:
        found[:] = await condition()
        return not found

    try:
        await until(none, what, patience, every=every)
    except AssertionError as error:
        raise AssertionError(f"{error}; {len(found)} left: {found[:5]}") from None


@dataclass
class Stack:
    """Sandbox, ingress, console and workers. Use `Stack.start`, then `stop`."""

    home: Path
    bootstrap: str
    prefix: str
    ports: dict[str, int]
    extra: dict[str, str]
    children: dict[str, Forked] = field(default_factory=dict)

    @classmethod
    def bare(cls, home: Path, bootstrap: str, **extra: str) -> Stack:
        """Names and ports under a prefix of its own; nothing runs."""
        ports = {name: free_port() for name in ("ingress", "ingress_admin", "console", "sandbox")}
        return cls(home, bootstrap, f"t{secrets.token_hex(4)}.", ports, extra)

    @classmethod
    async def start(cls, home: Path, bootstrap: str, *, workers: int = 1, **extra: str) -> Stack:
        """Everything up and ready, limits lifted, delays shortened. `extra` are further settings by name."""
        stack = cls.bare(home, bootstrap, **extra)
        await stack.launch_sandbox()
        await stack.control("PATCH", "/settings", json=UNLIMITED | QUICK)
        await prepare(stack.settings())
        for number in range(1, workers + 1):
            stack.launch_worker(number)
        stack.launch("ingress")
        stack.launch("console")
        await asyncio.gather(stack.ready("ingress"), stack.ready("console"), stack.workers_ready())
        return stack

    def settings(self, **changes: Any) -> Settings:
        """The settings that the processes have."""
        own = {name.lower().removeprefix("tandem_"): value for name, value in self._own().items()}
        return Settings(_env_file=None, **(own | changes))

    def _own(self) -> dict[str, str]:
        return {
            "TANDEM_HOME": str(self.home),
            "TANDEM_INGRESS_PORT": str(self.ports["ingress"]),
            "TANDEM_INGRESS_ADMIN_PORT": str(self.ports["ingress_admin"]),
            "TANDEM_CONSOLE_PORT": str(self.ports["console"]),
            "TANDEM_SANDBOX_PORT": str(self.ports["sandbox"]),
            "TANDEM_SANDBOX_MAIL_PORT": "0",
            "TANDEM_TOPIC_PREFIX": self.prefix,
            "TANDEM_TOPIC_PARTITIONS": "3",
            "TANDEM_DELAY_SCALE": "0.02",
            "TANDEM_SESSION_TIMEOUT": "6",
            "TANDEM_DRAIN_TIMEOUT": "3",
            "TANDEM_CALL_TIMEOUT": "3",
            "TANDEM_STRIPE_QUOTA": "0",
            "TANDEM_TOGAI_QUOTA": "0",
            **access.environment(self.bootstrap),
            "TANDEM_ALLOW_FEWER_REPLICAS": "true",
            "TANDEM_ENV_FILE": "",
        } | self.extra

    def environment(self) -> dict[str, str]:
        """What a process of this stack gets; nothing of the machine's own Tandem settings."""
        foreign = ("TANDEM_", "STRIPE_", "TOGAI_", "KAFKA_", "DATABASE_URL")
        return {k: v for k, v in os.environ.items() if not k.startswith(foreign)} | TRUST_NOBODY | self._own()

    def _launch(self, name: str, *module: str, **env: str) -> None:
        self.launch_as(name, module, self.environment() | env)

    def launch_as(self, name: str, module: Sequence[str], environment: dict[str, str]) -> None:
        """Start a process (again) by a module of the caller's, with its arguments."""
        self.children[name] = fork(module, self.home / f"{name}.log", env=environment, first=self.first(name))

    def first(self, name: str) -> First:
        """What is called in a process before its module runs."""
        return ()

    async def launch_sandbox(self) -> None:
        """Start the sandbox and wait until it answers."""
        self._launch("sandbox", "sandbox", "--port", str(self.ports["sandbox"]), "--state", str(self.home / "sandbox"))
        await self._ready("sandbox", "/healthz")

    def launch(self, name: str) -> None:
        """Start ingress or console (again)."""
        self._launch(name, name)

    def launch_worker(self, number: int) -> None:
        """Start a worker of customers (again)."""
        self.launch_service(f"worker-{number}", "customer_sync")

    def launch_service(self, name: str, *module: str) -> None:
        """Start a worker (again) by the module of its service, under its own name and port."""
        self.ports.setdefault(name, free_port())
        self._launch(name, *module, TANDEM_WORKER_PORT=str(self.ports[name]), TANDEM_WORKER_ID=name)

    @property
    def workers(self) -> list[str]:
        return [name for name in self.children if name.startswith("worker-")]

    def url(self, name: str, path: str = "") -> str:
        """Where a process answers: ingress's own pages have a port of their own."""
        own = name == "ingress" and path and not path.startswith("/webhooks/")
        return f"http://127.0.0.1:{self.ports['ingress_admin' if own else name]}{path}"

    async def _ready(self, name: str, path: str) -> None:
        async def answers() -> bool:
            if not self.children[name].alive:
                tail = "\n".join(self.children[name].last_lines)
                raise AssertionError(f"{name} {self.children[name].exit_reason}:\n{tail}")
            async with own_machine(timeout=2) as http:
                try:
                    return (await http.get(self.url(name, path))).status_code == 200
                except httpx.HTTPError:
                    return False

        await until(answers, f"{name} ready")

    async def ready(self, name: str) -> None:
        """Wait until a process says that it is ready."""
        await self._ready(name, "/readyz")

    async def workers_ready(self) -> None:
        """Wait until every worker that lives owns partitions."""
        await asyncio.gather(*(self.ready(name) for name in self.workers if self.children[name].alive))

    async def knows_links(self, link: str, *, enabled: bool = True) -> None:
        """Wait until every worker has read that a flow link is on, or off."""

        async def known() -> bool:
            async with own_machine(timeout=2) as http:
                for name in self.workers:
                    if not self.children[name].alive:
                        continue
                    facts = (await http.get(self.url(name, "/readyz"))).json()
                    if (link in facts["flow_links"]) is not enabled:
                        return False
            return True

        await until(known, f"workers know {link}")

    async def describe(self) -> str:
        """How every worker is, for the message of a failed test."""
        lines = []
        async with own_machine(timeout=2) as http:
            for name in self.workers:
                child = self.children[name]
                try:
                    output: Any = child.exit_reason
                    if child.alive:
                        facts = (await http.get(self.url(name, "/readyz"))).json()
                        output = {key: value for key, value in facts.items() if key != "flow_links"}
                except httpx.HTTPError as error:
                    output = repr(error)
                tail = [line for line in child.last_lines if "aiokafka" not in line][-6:]
                lines += [f"{name}: {output}", *(f"    {line[:300]}" for line in tail)]
        return "\n".join(lines)

    async def control(self, method: str, path: str, **arguments: Any) -> dict[str, Any]:
        """Call the sandbox's control API."""
        async with own_machine(base_url=self.url("sandbox"), timeout=10) as http:
            answer = await http.request(method, f"/control{path}", **arguments)
            answer.raise_for_status()
            return dict(answer.json())

    async def api(self, path: str, **params: Any) -> dict[str, Any]:
        """GET from the console's API."""
        async with own_machine(base_url=self.url("console"), timeout=10) as http:
            answer = await http.get(f"/api{path}", params=params)
            answer.raise_for_status()
            return dict(answer.json())

    async def stop(self) -> None:
        """Stop everything, the sandbox last."""
        order = [name for name in self.children if name != "sandbox"] + ["sandbox"]
        await asyncio.gather(*(self.children[name].stop(15) for name in order if name != "sandbox"))
        await self.children["sandbox"].stop(15)
