"""Ingress, customer-sync, entry-sync and the console as real processes that know the made-up app and domain."""

from __future__ import annotations

import asyncio
import secrets
from contextlib import suppress
from typing import Any

import httpx
from console.connect import connect
from console.http import own_machine
from shared.apps.connecting import Wanted
from shared.connections import FlowLink, Vault, encode, encryption_keys
from shared.events.topics import Topics
from shared.kafka.log import Log
from shared.runtime.admin import ensure_topics

from tests.made_up import entry_sync, registration
from tests.made_up.vendor import Book
from tests.reliability.crash import begin
from tests.reliability.crash.points import EXIT, Plan, passings
from tests.reliability.crash.tandem import Bred
from tests.stack.forked import First
from tests.stack.points import Point
from tests.stack.processes import until

ENTRY_WORKER, CUSTOMER_WORKER, INGRESS = "worker-entry", "worker-1", "ingress"
PROCESSES = (INGRESS, "console", CUSTOMER_WORKER, ENTRY_WORKER)
TOKEN = "a-token-of-the-ledgers-webhooks"
LINK = FlowLink(id="note-entries", flow="note-entries", connections={"ledger": "led", "togai": "tog"})
DIES_WITHIN = 20.0
"""Seconds in which a point that a recording has shown is met again."""
ENDED = {"succeeded", "in_sync"}


class Household(Bred):
    """All of Tandem, without Stripe. `act` is one entry of the book, from the webhook to the note."""

    book: Book
    togai: dict[str, Any]
    _plan: int
    _acts: int

    def first(self, name: str) -> First:
        """Before a process begins: crash points with a plan of its own, and the lines of the registries."""
        points = [name, str(self.home / name), self.prefix, ""]
        return [(f"{begin.__name__}:begin", points), (f"{registration.__name__}:register", [])]

    async def open(self, book: Book, url: str) -> None:
        """Start everything, and connect a Togai organization and a book."""
        self.book, self._plan, self._acts = book, 0, 0
        for name in PROCESSES:
            (self.home / name).mkdir()
        self.plan()
        encryption_keys(self.settings(), create=True)
        await ensure_topics(self.settings())
        for name in PROCESSES:
            self.start_again(name)
        await asyncio.gather(self.ready(INGRESS), self.ready("console"), self.workers_ready())
        self.togai = await self.control("POST", "/accounts", json={"app": "togai", "key": f"togai_{book.name}"})
        base = self.url("sandbox", "/togai")
        await self._keep(
            Wanted("tog", "togai", self.togai["key"], base, webhook_token=secrets.token_urlsafe(24), mode="test"),
            Wanted("led", "ledger", book.key, url, webhook_secrets=(TOKEN,), mode="test"),
        )
        await self.knows_links(LINK.id)
        # Togai's lists are read once an hour here: an act beside the first read would differ from all others.
        await until(self._polled, "Togai's lists were read")

    async def _polled(self) -> bool:
        async with own_machine(timeout=5) as http:
            items = (await http.get(self.url(INGRESS, "/pollers"))).json()["items"]
        return {"togai-customers", "togai-accounts"} <= {item["kind"] for item in items if item["at"]}

    async def _keep(self, *connections: Wanted) -> None:
        settings = self.settings()
        topics, vault = Topics(settings), Vault(encryption_keys(settings))
        async with Log(settings) as log:
            for wanted in connections:
                made = await connect(wanted, settings, vault)
                await log.append(topics.connections, made.id, encode(made))
            await log.append(topics.flow_links, LINK.id, encode(LINK))

    def start_again(self, name: str) -> None:
        """A process, or its next life."""
        if name == CUSTOMER_WORKER:
            self.launch_worker(1)
        elif name == ENTRY_WORKER:
            self.launch_service(name, entry_sync.__name__)
        else:
            self.launch(name)

    async def close(self) -> None:
        await asyncio.gather(*(child.kill() for child in self.children.values()))

    # --- where they die ---

    def plan(self, process: str = "", die: Point | None = None) -> None:
        """Count from zero from now on; a process may have to die at a point: two of them do things of one name."""
        self._plan += 1
        for name in PROCESSES:
            Plan(self._plan, die if name == process else None).write(self.home / name / "plan.json")

    def passed(self, process: str) -> set[Point]:
        """The points that a process has passed under the present plan."""
        return {p.point for p in passings(self.home / process / "journal") if p.plan == self._plan}

    async def died(self, process: str) -> bool:
        """Whether a process dies at its point."""
        child = self.children[process]
        with suppress(TimeoutError):
            await asyncio.wait_for(child.ended(), DIES_WITHIN)
        assert child.alive or child.code == EXIT, f"{process} {child.exit_reason}:\n" + "\n".join(child.last_lines)
        return not child.alive

    # --- what happens ---

    async def act(self, *, webhook: bool = True) -> tuple[str, str]:
        """Somebody makes an entry that names a new account. The ledger posts it once, whatever it is answered."""
        self._acts += 1
        account, entry = f"acc{self._acts}", f"ent{self._acts}"
        body = {"id": f"c-{account}", "name": f"Customer {account}", "primaryEmail": f"{account}@x.test", "address": {}}
        own = {"id": account, "name": f"Account {account}", "invoiceCurrency": "USD"}
        async with own_machine(timeout=10) as http:
            headers = {"Authorization": f"Bearer {self.togai['key']}"}
            url = self.url("sandbox", "/togai/customers")
            (await http.post(url, json=body | {"account": own}, headers=headers)).raise_for_status()
            made = self.book.enter(entry, account)
            if webhook:
                with suppress(httpx.HTTPError):
                    address = self.url(INGRESS, "/webhooks/ledger/led/entry.made")
                    await http.post(address, json=made, headers={"x-ledger-token": TOKEN})
        return entry, account

    async def problems(self, entry: str, account: str) -> list[str]:
        """What is not yet as it must be in the end, as the console and the vendor show it."""
        runs = (await self.api("/runs", id=entry))["items"]
        mappings = (await self.api("/mappings", id=entry))["items"]
        found = [f"run {run['id']} is {run['state']}: {run.get('reason')}" for run in runs if run["state"] not in ENDED]
        if not runs:
            found.append("no run")
        if [mapping["state"] for mapping in mappings] != ["linked"]:
            found.append(f"mappings: {mappings}")
        if self.book.notes.get(entry) != f"{account}@x.test":
            found.append(f"the note is {self.book.notes.get(entry)!r}")
        return found

    async def rest(self, entry: str, account: str) -> None:
        """Wait until an act has come to its end. Raises AssertionError with what is wrong."""
        found: list[str] = []

        async def well() -> bool:
            found[:] = await self.problems(entry, account)
            return not found

        try:
            await until(well, f"entry {entry} noted", 60)
        except AssertionError as error:
            raise AssertionError(f"{error}: {found}\n{await self.describe()}") from None
