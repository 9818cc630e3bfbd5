"""A worker of customer-sync inside the test's own process: real actions, real clients, the sandbox at the other end.

No Kafka and no worker process: the log is a list that is folded as it is written, and events are handled one after the
other. For what an event does; what happens when processes die has tests of its own.
"""

from __future__ import annotations

import json
import secrets
import time
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, Self, cast

import msgspec
from cryptography.fernet import Fernet
from customer_sync.actions import IMPLEMENTATIONS
from shared.apps import APPS
from shared.apps.stripe.readers.entities import from_event
from shared.apps.stripe.webhooks import stripe_event
from shared.apps.togai.webhooks import togai_event
from shared.connections import Connection, FlowLink, Secrets, Vault
from shared.connections import encode as encode_connection
from shared.domains import aliases_of, noun_of, subject_of
from shared.domains.customers import DOMAIN
from shared.domains.model import Domain
from shared.events import envelope as envelopes
from shared.events.envelope import Envelope
from shared.events.topics import Topics, is_delay
from shared.flows.runs import DeadLetter, Run, decode_dead_letter, decode_run
from shared.identity import CONSOLE_SOURCE, Ref
from shared.linking import mappings
from shared.linking.claims import Links
from shared.linking.index import encode as encode_entity
from shared.linking.mapping_index import RelationIndex
from shared.linking.pair_writes import PairWrites
from shared.polls import Poll
from shared.polls import encode as encode_poll
from shared.runtime.actions import Implementation
from shared.runtime.clients import Clients
from shared.runtime.conflict_watch import ConflictWatch
from shared.runtime.known import Known
from shared.runtime.processor import Processor
from shared.runtime.records import PARKED_HEADER
from shared.runtime.registry import Registry
from shared.runtime.runner import Runner
from shared.settings import Settings

from tests.contract.sandbox.tools import Control
from tests.stack.folding_log import FoldingLog, Waiting
from tests.stack.gate import Gate
from tests.stack.points import Points
from tests.stack.requested_polls import record_poll, requested_at_account
from tests.stack.tls import trusting_nobody
from tests.stack.togai_changes import TogaiChanges
from tests.stack.vendors import ON_HAND, Vendors

Services = tuple[tuple[Domain, Mapping[str, Implementation]], ...]
CUSTOMERS: Services = ((DOMAIN, IMPLEMENTATIONS),)


class _NoWait:
    async def wait_for(self, _topic: str, _offset: int) -> None:
        """The log is folded as it is written."""


class InProcess(Vendors):
    """One worker of each service for one pair of fresh accounts. `services`: what each domain's service implements."""

    def __init__(self, control: Control, settings: dict[str, Any], services: Services) -> None:
        super().__init__(control)
        self._services = services
        self.settings = Settings(
            _env_file=None, stripe_quota=0, togai_quota=0, in_place_limit=1, **({"delay_scale": "0.01"} | settings)
        )
        self.topics = Topics(self.settings)
        self.points = Points()
        self.log = FoldingLog(self.points, self.topics.prefix)
        self.vault = Vault([Fernet.generate_key().decode()])
        self._next: deque[Waiting] = deque()
        self._seen_before: list[Envelope] = []
        self.log.after[self.topics.polls] = self._poll_if_requested
        self.delivered: list[Envelope] = []
        self._read = 0
        self._known: dict[str, set[str]] = {}
        self._newest: dict[str, str] = {}
        self.gate = Gate(self.settings, self.points)
        self._offset = 0
        self.waited = 0.0
        self.parked: dict[str, list[Waiting]] = defaultdict(list)

    # --- set-up ---

    async def start(self, *more_stripe: str) -> Self:
        """Connect fresh accounts as `stripe` and `togai`, and as the further names; link every built-in flow."""
        for name in (*ON_HAND, *more_stripe):
            await self.connect(name, "togai" if name == "togai" else "stripe")
        await self.boot()
        for domain, _ in self._services:
            for flow in domain.flows:
                await self.link(flow.id, enabled=not flow.opt_in)
        return self

    async def connect(self, name: str, app: str) -> None:
        """A fresh account at the sandbox under a connection of this id, whose lists have been read."""
        made = self.accounts[name] = self.control.account(app)
        if app == "togai":
            self._changes = TogaiChanges(self.control, made["id"], self.settings.stripe_customer_setting)
        account = f"{app}:test:{made['id']}"
        base = f"{self.control.url}/{app}"
        connection = Connection(id=name, app=cast(Any, app), app_account=account, mode="test", api_base=base, sealed="")
        sealed = self.vault.seal(connection, Secrets(api_key=made["key"]))
        await self.log.append(self.topics.connections, name, encode_connection(sealed))
        for kind in APPS[app].fills_index:
            poll = Poll(app_account=account, kind=kind, complete=True)
            await self.log.append(self.topics.polls, poll.key, encode_poll(poll))

    async def boot(self) -> None:
        """A new process: everything that it knows comes from the log."""
        registry = self.registry = Registry()
        self.log.folds = registry.folds(self.topics)
        for offset, record in enumerate(self.log.written):
            if fold := self.log.folds.get(record.topic):
                fold(offset, record.key, record.value or None)
        replica = cast(Any, _NoWait())
        links = Links(self.log, replica, registry.mappings, self.topics)
        pairs = PairWrites(self.log, replica, registry.pair_states, self.topics, self.settings, self.now)
        self.clients = Clients(self.settings, registry, self.vault, self.gate, self.log, self.topics)
        with trusting_nobody():
            await self.clients.__aenter__()
        self._processors: dict[str, Processor] = {}
        for domain, does in self._services:
            runner = Runner(
                domain, self.settings, self.topics, registry, links, self.clients, self.log, does, "w", pairs
            )
            watch = ConflictWatch(registry.index)
            made = Processor(domain, self.settings, self.topics, registry, runner, self.log, watch)
            self._processors |= dict.fromkeys(self.topics.inputs(domain.noun), made)

    def now(self) -> float:
        """Epoch seconds: how long ago a write to a pair was announced. A test that lets time pass adds to `waited`."""
        return time.time() + self.waited

    async def stop(self) -> None:
        await self.clients.__aexit__(None, None, None)

    async def restart(self) -> None:
        """The process dies and another takes its place."""
        await self.stop()
        await self.boot()

    def forget(self, topic: str, what: bytes) -> None:
        """The records of a topic that hold something are lost, as with a home: the next process knows nothing of it."""
        kept = [record for record in self.log.written if record.topic != topic or what not in (record.value or b"")]
        self.log.written[:] = kept
        self._read = len(kept)

    async def replace_connection(self, name: str, other: str) -> None:
        """A connection is removed, and a key to the same account is added under another id."""
        former = self.registry.connections[name]
        again = msgspec.structs.replace(former, id=other, sealed="")
        sealed = self.vault.seal(again, Secrets(api_key=self.accounts[name]["key"]))
        for connection in (msgspec.structs.replace(former, state="removed"), sealed):
            await self.log.append(self.topics.connections, connection.id, encode_connection(connection))

    def before_write(self, operation: str, call: Callable[[], Awaitable[None]]) -> None:
        """Do something once, right before a call of an operation (`settings.post`) waits for its turn."""
        self.gate.before[operation] = call

    async def link(
        self,
        flow: str,
        *,
        stripe: str = "stripe",
        enabled: bool = True,
        suffix: str = "",
        changed_at: str = "",
        **options: str,
    ) -> None:
        """A flow link, on or off, bound to what the set-up binds it to."""
        both, aliases = {"stripe": stripe, "togai": "togai"}, aliases_of(self.registry.flows[flow]).items()
        link = FlowLink(
            id=f"{flow}{suffix}",
            flow=flow,
            connections={alias: both[app] for alias, app in aliases if app in both},
            enabled=enabled,
            changed_at=changed_at,
            options=options,
        )
        await self.log.append(self.topics.flow_links, link.id, encode_connection(link))

    async def confirm(self, link: FlowLink) -> None:
        """A person lets first contacts overwrite values."""
        confirmed = msgspec.structs.replace(link, overwrites_confirmed_at=datetime.now(UTC).timestamp())
        await self.log.append(self.topics.flow_links, link.id, encode_connection(confirmed))

    # --- events ---

    def ref(self, entity: str, name: str = "stripe") -> str:
        """The canonical id of a Stripe customer, or with `togai` of an account."""
        app, noun = ("togai", "account") if name == "togai" else ("stripe", "customer")
        return str(Ref(f"{app}:test:{self.accounts[name]['id']}", noun, entity))

    async def drain(self, *names: str) -> None:
        """Bring every event of both sides to its end, as webhooks and pollers find them, with all that they cause."""
        for _ in range(20):
            for name in names or tuple(self.accounts):
                await (self._poll_togai() if name == "togai" else self._poll_stripe(name))
            if not self._next and self._read == len(self.log.written):
                return
            await self.work_off()
        raise AssertionError("events do not come to an end")

    async def _poll_stripe(self, name: str) -> None:
        connection = self.registry.connections[name]
        known = self._known.setdefault(name, set())
        newer = {"ending_before": self._newest[name]} if name in self._newest else {}
        found = self.call(name, "GET", "/v1/events", params={"limit": 100, **newer})["data"]
        if found:
            self._newest[name] = found[0]["id"]
        for body in reversed([event for event in found if event["id"] not in known]):
            known.add(body["id"])
            envelope = stripe_event(json.dumps(body).encode(), connection, subject_of)
            if entity := from_event(connection.app_account, json.dumps(body).encode()):
                await self.log.append(self.topics.index, entity.ref, encode_entity(entity))
            self.deliver(envelope)

    async def _poll_togai(self) -> None:
        self._seen_before, found = [], [*self._seen_before, *await self._index_togai()]
        for envelope in found:
            self.deliver(envelope)

    async def _index_togai(self) -> list[Envelope]:
        """Bring the index up to date. Returns the events of what is new."""
        found, settings = self._changes.poll(self.registry.connections["togai"])
        changed = [setting for setting in settings if self.registry.index.get(setting.ref) != setting]
        for entity in (*(entity for entity, _ in found), *changed):
            await self.log.append(self.topics.index, entity.ref, encode_entity(entity))
        return [envelope for _, news in found for envelope in news]

    async def _poll_if_requested(self, value: bytes) -> None:
        """Ingress polls as soon as a worker requests it; the events of what it finds come with the next poll."""
        if account := requested_at_account(value):
            if account == self.registry.connections["togai"].app_account:
                self._seen_before += await self._index_togai()
            await record_poll(self.control, self.registry.index, self.log, self.topics, account)

    def hold(self, event: str) -> None:
        """One of Stripe's events comes when the test delivers it."""
        self._known.setdefault("stripe", set()).add(event)

    def deliver(self, envelope: Envelope) -> None:
        """An event that comes in, as ingress appends it. Nobody reads those of a service that does not run."""
        topic = self.topics.events(noun_of(envelope.type) or "customer")
        self.delivered.append(envelope)
        if topic in self._processors:
            self._wait(topic, envelope.aggregate, envelopes.encode(envelope), {}, envelope)

    def reported(self, account: str) -> None:
        """Togai's webhook of a new account, whether or not a poller has seen it."""
        body, connection = json.dumps({"accountId": account}).encode(), self.registry.connections["togai"]
        known: Any = {"event_id": f"tgi_{account}", "now": datetime.now(UTC), "subject_of": subject_of}
        self.deliver(togai_event("account.created", body, connection, **known))

    async def stood_before(self) -> None:
        """What is at both sides was there before Tandem: its index knows it, and no event tells of it."""
        await self._poll_stripe("stripe")
        await self._poll_togai()
        self._next.clear()

    def waiting(self) -> list[Envelope]:
        """What was delivered and is not handled yet."""
        return [found.event for found in self._next if found.event]

    def _wait(
        self, topic: str, key: str, value: bytes, headers: dict[str, bytes], event: Envelope | None = None
    ) -> None:
        self._offset += 1
        self._next.append(Waiting(topic, self._offset, key, value, headers, event, time.time()))

    def created_again(self, customer: str) -> Envelope:
        """The event of a customer's creation, as Stripe sends it again."""
        found = self.call("stripe", "GET", "/v1/events", params={"limit": 100, "type": "customer.created"})["data"]
        body = next(event for event in found if event["data"]["object"]["id"] == customer)
        return self.event_of(body)

    def event_of(self, body: dict[str, Any], at: str = "stripe") -> Envelope:
        """One of Stripe's events as ingress makes it."""
        return stripe_event(json.dumps(body).encode(), self.registry.connections[at], subject_of)

    def by_hand(self, change: str, account: str, customer: str, **more: Any) -> None:
        """What a person asks for in the console."""
        body = {
            "change": change,
            "togai_account_id": account,
            "stripe_customer_id": customer,
            "reason": "tested by hand",
        } | more
        connection = self.registry.connections["togai"]
        event_id = f"req_{secrets.token_hex(8)}"
        made = togai_event(
            "account.link_requested",
            json.dumps(body).encode(),
            connection,
            event_id=event_id,
            now=datetime.now(UTC),
            subject_of=subject_of,
        )
        aggregate = self.ref(account, "togai") if account else self.ref(customer)
        self.deliver(msgspec.structs.replace(made, source=CONSOLE_SOURCE, aggregate=aggregate))

    async def work_off(self) -> None:
        """Handle every event that is there. One whose worker died stays the next."""
        while True:
            self._read, appended = len(self.log.written), self.log.written[self._read :]
            for record in appended:
                if record.topic in self._processors:
                    self._wait(*record)
            if not self._next:
                return
            found = self._next[0]
            if is_delay(found.topic):
                self.parked[found.key].append(found)
            else:
                await self._handle(found)
            self._next.popleft()

    async def _handle(self, found: Waiting) -> None:
        work = found.work()
        await self._processors[found.topic].handle(work)
        if PARKED_HEADER not in found.headers and found.key in self.parked and not work.quiet:
            await self.go_on(found.key)

    async def go_on(self, key: str, known: Known | None = Known.CHANGED) -> None:
        """What waits for news of an entity looks again; each stays parked until it was handled."""
        waiting = self.parked[key]
        for _ in range(len(waiting)):
            work = waiting[0].work()
            work.known = known or work.known
            await self._processors[waiting[0].topic].handle(work)
            waiting.pop(0)
        if not waiting:
            self.parked.pop(key, None)

    async def go_on_unchanged(self) -> None:
        """Everything that waits is taken up, with no news of its entity."""
        for key in list(self.parked):
            await self.go_on(key, None)

    async def recheck(self) -> None:
        """Everything that waits looks again, as after a day."""
        await self.work_off()
        for key in list(self.parked):
            await self.go_on(key)
        await self.drain()

    # --- what is there ---

    def pair(self, ref: str) -> mappings.Mapping | None:
        """The finished mapping of an entity."""
        return self.links.pair(ref)

    @property
    def links(self) -> RelationIndex:
        """Which customer is which account."""
        return self.registry.mappings.of("customer")

    def linked(self, customer: str) -> mappings.Mapping:
        """The pair of a Stripe customer that has one."""
        found = self.pair(self.ref(customer))
        assert found is not None
        return found

    def letters(self) -> list[DeadLetter]:
        """What was given up on."""
        return [decode_dead_letter(record.value) for record in self.log.on(self.topics.dead_letters)]

    def runs(self, aggregate: str = "", event_type: str = "") -> list[Run]:
        """The last state of every run, in the order of their begin."""
        last: dict[str, Run] = {}
        for record in self.log.on(self.topics.runs):
            run = decode_run(record.value)
            if aggregate in ("", run.aggregate) and event_type in run.event_type:
                last[run.id] = run
        return list(last.values())


@asynccontextmanager
async def in_process(
    control: Control, *more_stripe: str, services: Services = CUSTOMERS, **settings: Any
) -> AsyncIterator[InProcess]:
    """A worker of each service for a while; `more_stripe` adds further Stripe accounts."""
    made = await InProcess(control, settings, services).start(*more_stripe)
    try:
        yield made
    finally:
        await made.stop()
