"""A processor with real runner and flow, scripted actions, and a log in memory."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, cast

import msgspec
from shared.connections import Connection, FlowLink
from shared.domains.customers import DOMAIN
from shared.domains.customers.stripe import FieldsSynced, LinkChanged
from shared.domains.customers.stripe import Written as WrittenIds
from shared.domains.customers.togai import CustomerAndAccount
from shared.errors import Blocked, ConnectionClosed, KeyRefused
from shared.events import envelope as envelopes
from shared.events.envelope import Envelope, timestamp
from shared.events.topics import Topics
from shared.flows.runs import DeadLetter, Parked, Run, decode_dead_letter, decode_parked, decode_run
from shared.linking.claims import Links
from shared.linking.pair_writes import PairWrites
from shared.runtime.actions import Context, Result
from shared.runtime.clients import Clients
from shared.runtime.conflict_watch import ConflictWatch
from shared.runtime.outages import Outages
from shared.runtime.pool import Work
from shared.runtime.processor import Processor
from shared.runtime.records import PARKED_HEADER, work_of
from shared.runtime.registry import Registry
from shared.runtime.runner import Runner
from shared.settings import Settings

from tests.fakes.log import FakeLog

STRIPE, TOGAI = "stripe:test:acct_1", "togai:test:org_1"
LINK = FlowLink(
    id="link_1", flow="stripe-customer-to-togai-customer", connections={"stripe": "con_s", "togai": "con_t"}
)


def event(name: str = "evt_1", *, data: Any = None, **changes: Any) -> Envelope:
    """A customer made in Stripe just now."""
    body = data if data is not None else {"data": {"object": {"id": "cus_1", "object": "customer"}}}
    fields: dict[str, Any] = {
        "id": name,
        "source": f"urn:tandem:{STRIPE}",
        "type": "stripe.customer.created",
        "subject": "cus_1",
        "time": timestamp(datetime.now(UTC)),
        "appaccount": STRIPE,
        "connection": "con_s",
        "aggregate": f"{STRIPE}/customer/cus_1",
        "data": msgspec.Raw(body if isinstance(body, bytes) else json.dumps(body).encode()),
    }
    return Envelope(**(fields | changes))


class ScriptedClients(Clients):
    """No clients: remembers what was refused."""

    def __init__(self) -> None:
        self.refused: list[str] = []
        self.outages = Outages()

    async def close(self, error: KeyRefused) -> ConnectionClosed:
        self.refused.append("")
        return ConnectionClosed(error.connection, error.message)

    async def block(self, error: Blocked) -> None:
        self.refused.append(error.operation)


class Harness:
    """`answer` is what the first action does next: an exception is raised, None is a success. `mark_patience` is how
    long it waits for the console's mark of a letter.
    """

    def __init__(self, *, mark_patience: float = 0.0, **settings: Any) -> None:
        given: dict[str, Any] = {"delay_scale": "0.0001", "bugs_in_a_row": 3}
        self.settings = Settings(_env_file=None, **(given | settings))
        self.topics = Topics(self.settings)
        self.log = FakeLog()
        self.registry = Registry()
        for name, account in (("con_s", STRIPE), ("con_t", TOGAI)):
            app: Any = account.partition(":")[0]
            self.registry.connections[name] = Connection(
                id=name, app=app, app_account=account, mode="test", api_base="", sealed=""
            )
        self.registry.links[LINK.id] = LINK
        self.answer: Callable[[], BaseException | None] = lambda: None
        self.called: list[tuple[str, bool]] = []
        self.first: list[bool] = []
        self.now = datetime.now(UTC).timestamp()
        self.offset = 0
        links = Links(self.log, cast(Any, None), self.registry.mappings, self.topics)
        actions = {
            "togai.customer.create": self._create,
            "stripe.customer.write_togai_ids": self._write,
            "togai.account.sync_fields": self._compare,
            "stripe.customer.change_link": self._change_link,
            "stripe.customer.sync_fields": self._compare,
        }
        self.clients = ScriptedClients()
        pairs = PairWrites(self.log, cast(Any, None), self.registry.pair_states, self.topics, self.settings)
        runner = Runner(
            DOMAIN, self.settings, self.topics, self.registry, links, self.clients, self.log, actions, "worker-1", pairs
        )
        self.watch = ConflictWatch(self.registry.index, lambda: self.now)
        self.registry.on_entity.append(self.watch.entity)
        self.processor = Processor(
            DOMAIN,
            self.settings,
            self.topics,
            self.registry,
            runner,
            self.log,
            self.watch,
            clock=lambda: self.now,
            mark_patience=mark_patience,
        )

    async def _create(self, context: Context, _given: Any) -> Result:
        self.called.append(("create", context.shows_present))
        self.first.append(context.is_first)
        if error := self.answer():
            raise error
        output = CustomerAndAccount(togai_customer_id="c", togai_account_id="a", created=True)
        return Result(output, True, ("made",), (f"{TOGAI}/account/a",))

    async def _write(self, context: Context, _given: Any) -> Result:
        self.called.append(("write", context.shows_present))
        self.first.append(context.is_first)
        return Result(WrittenIds(written=True), True)

    async def _compare(self, _context: Context, _given: Any) -> Result:
        return Result(FieldsSynced(), False)

    async def _change_link(self, _context: Context, given: Any) -> Result:
        self.called.append((given.change, True))
        return Result(LinkChanged(mapping="map_1", togai_account_id="a", stripe_customer_id="cus_1"), True)

    def work(
        self, value: Envelope | bytes, *, parked: bytes | None = None, topic: str = "", offset: int = 0, **more: Any
    ) -> Work:
        """A record as the pool gives it; `offset` is that of a record that is read again."""
        self.offset = offset or self.offset + 1
        key = value.aggregate if isinstance(value, Envelope) else f"{STRIPE}/customer/cus_1"
        body = envelopes.encode(value) if isinstance(value, Envelope) else value
        headers = {PARKED_HEADER: parked} if parked else {}
        partition = (topic or self.topics.events("customer"), 2)
        work = work_of(partition, self.offset, key.encode(), body, headers, lambda: None, self.now)
        for name, wanted in more.items():
            setattr(work, name, wanted)
        return work

    async def handle(self, value: Envelope | bytes, **more: Any) -> Work:
        """Work on one record."""
        work = self.work(value, **more)
        await self.processor.handle(work)
        return work

    def runs(self) -> list[Run]:
        """Every state that was recorded, in order."""
        return [decode_run(record.value) for record in self.log.on(self.topics.runs)]

    def letters(self) -> list[DeadLetter]:
        return [decode_dead_letter(record.value) for record in self.log.on(self.topics.dead_letters)]

    def standing(self) -> dict[str, DeadLetter]:
        """The newest state of each letter."""
        return {letter.id: letter for letter in self.letters()}

    def run_states(self) -> dict[str, str]:
        """How the run of each event stands."""
        return {run.event: run.state for run in self.runs()}

    def parked(self) -> list[tuple[str, Parked]]:
        """What waits: the delay topic without its prefix, and the header."""
        found = [r for r in self.log.written if ".delay." in r.topic]
        return [(r.topic.rpartition(".")[2], decode_parked(r.headers[PARKED_HEADER])) for r in found]
