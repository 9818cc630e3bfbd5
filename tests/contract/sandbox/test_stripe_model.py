"""The sandbox's Stripe beside a small model in memory: whatever is done in whatever order, both hold the same."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, multiple, rule
from sandbox.clock import Clock

from tests.contract.sandbox.inside import Inside

DAY = 86_400
WORDS = st.sampled_from(["", "a", "b"])
FIELDS = ("name", "email", "description")
FORMS = st.fixed_dictionaries(
    {},
    optional={
        "name": WORDS, "description": WORDS, "email": st.sampled_from(["", "a@b.co", "c@d.co"]), "metadata[k]": WORDS,
        "metadata[n]": WORDS, "address[city]": WORDS, "address[line1]": WORDS,
    },
)  # fmt: skip
WRONG = st.sampled_from([{"emial": "a"}, {"balance": "x"}, {"email": "no-address"}, {"metadata[k]": "v" * 501}])
KEYS = st.sampled_from(["key-1", "key-2", "key-3"])
MAYBE_KEYS = st.none() | KEYS
LIMITS = st.integers(1, 4)


class StillClock(Clock):
    """Stands still but for what is advanced, so that a run is the same every time."""

    def now(self) -> float:
        return 1_795_428_000.0 + self.advance


@dataclass
class Customer:
    """What the model knows of a customer."""

    id: str
    fields: dict[str, str] = field(default_factory=dict)
    metadata: dict[str, str] = field(default_factory=dict)
    address: dict[str, str] = field(default_factory=dict)
    deleted: bool = False

    def after(self, form: dict[str, str]) -> Customer:
        """The customer after an update: '' takes away, in metadata and address by key."""
        new = Customer(self.id, dict(self.fields), dict(self.metadata), dict(self.address))
        for name, value in form.items():
            outer, _, inner = name.rstrip("]").partition("[")
            place = {"metadata": new.metadata, "address": new.address}.get(outer, new.fields)
            place.pop(inner or outer, None)
            if value:
                place[inner or outer] = value
        return new

    def state(self) -> tuple[dict[str, str], dict[str, str], dict[str, str]]:
        """What can change."""
        return self.fields, self.metadata, self.address


@dataclass
class Event:
    """What the model knows of an event."""

    type: str
    customer: str
    created: float
    key: str | None
    previous: dict[str, Any] | None = None


@dataclass
class Kept:
    """The first answer of an idempotency key."""

    path: str
    form: dict[str, str]
    at: float
    status: int
    body: bytes


def former(old: Customer, new: Customer) -> dict[str, Any]:
    """The model's own idea of `previous_attributes`."""
    found: dict[str, Any] = {
        name: old.fields.get(name) for name in FIELDS if old.fields.get(name) != new.fields.get(name)
    }
    for name, before, after in (("metadata", old.metadata, new.metadata), ("address", old.address, new.address)):
        keys = [key for key in {**before, **after} if before.get(key) != after.get(key)]
        if keys:
            found[name] = {key: before.get(key) for key in keys}
    if old.address != new.address and not (old.address and new.address):
        # Without any line there is no address at all: null, not a hash of nulls.
        found["address"] = address(old)
    return found


def address(customer: Customer) -> dict[str, Any] | None:
    """The address as Stripe shows it."""
    names = ("city", "country", "line1", "line2", "postal_code", "state")
    return {name: customer.address.get(name) for name in names} if customer.address else None


class StripeMachine(RuleBasedStateMachine):
    """Customers, their events, and idempotency keys."""

    customers: Bundle[str] = Bundle("customers")

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.app = Inside(Path(self.folder.name))
        self.app.world.clock = StillClock()
        self.key = ""
        self.model: dict[str, Customer] = {}
        self.events: list[Event] = []
        self.kept: dict[str, Kept] = {}

    def teardown(self) -> None:
        """Closes the application."""
        self.app.close()
        self.folder.cleanup()

    @initialize()
    def account(self) -> None:
        """A fresh account."""
        self.key = self.app.account("stripe")["key"]

    @property
    def now(self) -> float:
        return self.app.world.clock.now()

    def post(self, path: str, form: dict[str, str], key: str | None) -> tuple[httpx.Response, bool]:
        """A POST, and whether it was executed: a used key answers without that, and is checked here."""
        headers = {"Idempotency-Key": key} if key else {}
        answer = self.app.call("POST", f"/stripe{path}", self.key, data=form, headers=headers)
        kept = self.kept.get(key or "")
        if kept is None or self.now - kept.at >= DAY:
            assert "Idempotent-Replayed" not in answer.headers
            if key:
                self.kept[key] = Kept(path, form, self.now, answer.status_code, answer.content)
            return answer, True
        if (kept.path, kept.form) == (path, form):
            assert answer.headers["Idempotent-Replayed"] == "true"
            assert (answer.status_code, answer.content) == (kept.status, kept.body)
        else:
            assert (answer.status_code, answer.json()["error"]["type"]) == (400, "idempotency_error")
        return answer, False

    @rule(target=customers, form=FORMS, key=MAYBE_KEYS)
    def create(self, form: dict[str, str], key: str | None) -> Any:
        """A new customer, unless the key was used."""
        answer, executed = self.post("/v1/customers", form, key)
        if not executed:
            return multiple()
        made = Customer(answer.json()["id"]).after(form)
        self.model[made.id] = made
        self.events.append(Event("customer.created", made.id, self.now, key))
        return made.id

    @rule(id=customers, form=FORMS, key=MAYBE_KEYS)
    def update(self, id: str, form: dict[str, str], key: str | None) -> None:
        """A change: an event with the former values, or none when nothing changed; 404 for a deleted one."""
        answer, executed = self.post(f"/v1/customers/{id}", form, key)
        old = self.model[id]
        if not executed:
            return
        if old.deleted:
            assert (answer.status_code, answer.json()["error"]["code"]) == (404, "resource_missing")
            return
        new = old.after(form)
        if new.state() != old.state():
            self.events.append(Event("customer.updated", id, self.now, key, former(old, new)))
        self.model[id] = new

    @rule(id=consumes(customers))
    def delete(self, id: str) -> None:
        """A deletion, once."""
        status = self.app.call("DELETE", f"/stripe/v1/customers/{id}", self.key).status_code
        assert status == (404 if self.model[id].deleted else 200)
        if status == 200:
            self.model[id].deleted = True
            self.events.append(Event("customer.deleted", id, self.now, None))

    @rule(target=customers, id=customers)
    def keep(self, id: str) -> str:
        """The same id again, so that deleted customers are asked for too."""
        return id

    @rule(form=WRONG, key=KEYS)
    def refused(self, form: dict[str, str], key: str) -> None:
        """What fails validation changes nothing and leaves a fresh key free."""
        kept = self.kept.get(key)
        answer = self.app.call(
            "POST", "/stripe/v1/customers", self.key, data=form, headers={"Idempotency-Key": key}
        )  # fmt: skip
        first_use = kept is None or self.now - kept.at >= DAY
        assert (answer.status_code, answer.json()["error"]["type"]) == (
            400,
            "invalid_request_error" if first_use else "idempotency_error",
        )

    @rule(seconds=st.sampled_from([1, 3600, DAY - 1, DAY, 8 * DAY, 30 * DAY + 1]))
    def wait(self, seconds: int) -> None:
        """Time goes by: keys expire after a day, events after thirty."""
        self.app.world.advance_clock(seconds)

    @rule(limit=LIMITS, backwards=st.booleans())
    def page_through_customers(self, limit: int, backwards: bool) -> None:
        """Every customer that is not deleted, once, the newest first, from either end."""
        wanted = [customer.id for customer in reversed(self.model.values()) if not customer.deleted]
        assert self.paged("/v1/customers", limit, backwards, wanted) == wanted

    @rule(limit=LIMITS, backwards=st.booleans(), type=st.sampled_from(["customer.*", "customer.updated"]))
    def page_through_events(self, limit: int, backwards: bool, type: str) -> None:
        """Every event of the last thirty days, once, the newest first, from either end."""
        wanted = [event for event in self.recent() if type in ("customer.*", event.type)]
        found = self.paged("/v1/events", limit, backwards, wanted, type=type)
        assert len(set(found)) == len(wanted)

    def paged(self, path: str, limit: int, backwards: bool, wanted: list[Any], **query: str) -> list[str]:
        """The ids of all pages in the list's own order."""
        found: list[str] = []
        while True:
            cursor = "ending_before" if backwards else "starting_after"
            edge = {cursor: found[0 if backwards else -1]} if found else {}
            if backwards and not found:
                oldest = self.app.call("GET", f"/stripe{path}", self.key, params={"limit": 100, **query}).json()["data"]
                if not oldest:
                    return []
                found = [oldest[-1]["id"]]
                continue
            page = self.app.call("GET", f"/stripe{path}", self.key, params={"limit": limit, **query, **edge}).json()
            ids = [item["id"] for item in page["data"]]
            found = ids + found if backwards else found + ids
            assert page["has_more"] == (len(found) < len(wanted))
            if not page["has_more"]:
                return found

    def recent(self) -> list[Event]:
        """The events that are still listed, the newest first."""
        return [event for event in reversed(self.events) if event.created >= self.now - 30 * DAY]

    @invariant()
    def customers_agree(self) -> None:
        """Each customer is as the model has it."""
        for customer in self.model.values():
            found = self.app.call("GET", f"/stripe/v1/customers/{customer.id}", self.key).json()
            if customer.deleted:
                assert found == {"id": customer.id, "object": "customer", "deleted": True}
            else:
                assert {name: found[name] for name in FIELDS} == {n: customer.fields.get(n) for n in FIELDS}
                assert (found["metadata"], found["address"]) == (customer.metadata, address(customer))

    @invariant()
    def events_agree(self) -> None:
        """The list of events tells the model's story."""
        if not self.key:
            return
        found = self.app.call("GET", "/stripe/v1/events?limit=100", self.key).json()["data"]
        reported = [
            (
                event["type"],
                event["data"]["object"]["id"],
                event["created"],
                event["request"]["idempotency_key"],
                event["data"].get("previous_attributes"),
            )
            for event in found
        ]
        wanted = [(e.type, e.customer, e.created, e.key, e.previous) for e in self.recent()]
        assert reported == wanted[:100]


StripeMachine.TestCase.settings = settings(
    max_examples=settings().max_examples // 2,
    stateful_step_count=30,
    report_multiple_bugs=False,
)


class TestStripe(StripeMachine.TestCase):  # type: ignore[misc, valid-type]
    """Runs of thirty steps."""
