"""The sandbox's Togai beside a small model in memory: whatever is done in whatever order, both hold the same."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tests.contract.sandbox.inside import Inside

CUSTOMERS = st.sampled_from(["C1", "C2", "C.3"])
ACCOUNTS = st.sampled_from(["A1", "A2", "A3", "A.4"])
NAMES = st.sampled_from(["First name", "Other name"])
ADDRESSES = st.fixed_dictionaries({}, optional={"city": st.sampled_from(["Paris", "Lyon"]), "country": st.just("FR")})
MAPS = st.dictionaries(st.sampled_from(["a", "b"]), st.sampled_from(["1", "2"]))
TAGS = st.lists(st.sampled_from(["One", "TWO", "three"]), unique=True)
ACCOUNT_CHANGES = st.fixed_dictionaries(
    {},
    optional={
        "name": NAMES, "address": ADDRESSES, "metadata": MAPS, "tags": TAGS, "netTermDays": st.integers(0, 60),
        "status": st.sampled_from(["ACTIVE", "DRAFT"]), "primaryEmail": st.just("b@b.co"),
    },
)  # fmt: skip
CUSTOMER_CHANGES = st.fixed_dictionaries(
    {}, optional={"name": NAMES, "address": ADDRESSES, "primaryEmail": st.just("c@c.co")}
)
WRONG = st.sampled_from(
    [{"id": "C9"}, {"name": "ab"}, {"status": "ARCHIVED"}, {"noSuchField": 1}, {"address": {"x": "y"}}]
)
ENTITIES = st.sampled_from([("ACCOUNT", "A1"), ("ACCOUNT", "A.4"), ("CUSTOMER", "C.3")])
STATUSES = st.sampled_from(["ACTIVE", "DRAFT", "ARCHIVED"])


@dataclass
class Thing:
    """A customer, an account or a setting of the model, and when it changed last."""

    body: dict[str, Any]
    changed: int = 0


@dataclass
class Model:
    """What Togai should hold, by kind and id."""

    things: dict[str, dict[str, Thing]] = field(
        default_factory=lambda: {"customers": {}, "accounts": {}, "settings": {}}
    )
    moment: int = 0

    def put(self, kind: str, id: str, body: dict[str, Any]) -> None:
        """Writes a thing: it is the newest now. What one call writes may come in any order of its own."""
        self.things[kind][id] = Thing(body, self.moment)

    def status(self, kind: str, id: str) -> str | None:
        """A customer's or an account's status; None when there is none."""
        thing = self.things[kind].get(id)
        return thing.body["status"] if thing else None


class TogaiMachine(RuleBasedStateMachine):
    """Customers, accounts, settings, and the archive."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.app = Inside(Path(self.folder.name))
        self.model = Model()
        self.account = self.token = ""

    def teardown(self) -> None:
        """Closes the application."""
        self.app.close()
        self.folder.cleanup()

    @initialize()
    def organization(self) -> None:
        """A fresh organization."""
        made = self.app.account("togai")
        self.account, self.token = made["account"], made["key"]

    def do(self, method: str, path: str, status: int, body: Any = None) -> httpx.Response:
        """A call whose status the model foretells."""
        self.model.moment += 1
        answer = self.app.call(method, f"/togai{path}", self.token, json=body)
        assert answer.status_code == status, answer.text
        assert status < 300 or list(answer.json()) == ["message"]
        return answer

    def new_account(self, id: str, customer: str, given: dict[str, Any]) -> None:
        """Writes an account as Togai completes it."""
        own = {"id": id, "customerId": customer, "status": "ACTIVE", "invoiceCurrency": "USD", "tags": [], **given}
        self.model.put("accounts", id, {**own, "tags": [tag.lower() for tag in own["tags"]]})

    @rule(id=CUSTOMERS, name=NAMES, address=ADDRESSES, account=ACCOUNTS, change=ACCOUNT_CHANGES)
    def create_customer(self, id: str, name: str, address: Any, account: str, change: dict[str, Any]) -> None:
        """With its first account; a taken id of either takes back both."""
        taken = self.model.status("customers", id) or self.model.status("accounts", account)
        body = {"id": id, "name": name, "primaryEmail": "a@b.co", "address": address}
        nested = {"id": account, "name": "Nested name", **change}
        self.do("POST", "/customers", 400 if taken else 201, {**body, "account": nested})
        if not taken:
            self.model.put("customers", id, {**body, "status": "ACTIVE"})
            self.new_account(account, id, nested)

    @rule(id=ACCOUNTS, customer=CUSTOMERS, change=ACCOUNT_CHANGES)
    def create_account(self, id: str, customer: str, change: dict[str, Any]) -> None:
        """For a customer that is there and not archived, under an id that is free."""
        status = self.model.status("customers", customer)
        taken = self.model.status("accounts", id)
        expected = 404 if status is None else 400 if status == "ARCHIVED" or taken else 201
        body = {"id": id, "name": "Plain name", **change}
        self.do("POST", "/accounts", expected, {**body, "customerId": customer})
        if expected == 201:
            self.new_account(id, customer, body)

    def patch(self, kind: str, id: str, change: dict[str, Any]) -> None:
        """A change of what is there and not archived; what is named is replaced whole."""
        status = self.model.status(kind, id)
        expected = 404 if status is None else 400 if status == "ARCHIVED" else 200
        self.do("PATCH", f"/{kind}/{id}", expected, change)
        if expected == 200:
            new = {**self.model.things[kind][id].body, **change}
            if "tags" in new:
                new["tags"] = [tag.lower() for tag in new["tags"]]
            self.model.put(kind, id, new)

    @rule(id=CUSTOMERS, change=CUSTOMER_CHANGES)
    def patch_customer(self, id: str, change: dict[str, Any]) -> None:
        """A change of a customer."""
        self.patch("customers", id, change)

    @rule(id=ACCOUNTS, change=ACCOUNT_CHANGES)
    def patch_account(self, id: str, change: dict[str, Any]) -> None:
        """A change of an account."""
        self.patch("accounts", id, change)

    @rule(kind=st.sampled_from(["customers", "accounts"]), number=st.integers(0, 2), change=WRONG)
    def wrong_patch(self, kind: str, number: int, change: dict[str, Any]) -> None:
        """What is refused changes nothing."""
        id = (["C1", "C2", "C.3"] if kind == "customers" else ["A1", "A2", "A3"])[number]
        self.do("PATCH", f"/{kind}/{id}", 404 if self.model.status(kind, id) is None else 400, change)

    @rule(id=CUSTOMERS, by_hand=st.booleans())
    def archive_customer(self, id: str, by_hand: bool) -> None:
        """By the API or by a person: with all its accounts."""
        there = self.model.status("customers", id)
        if by_hand:
            self.by_hand("archive", 200 if there else 404, customer=id)
        else:
            self.do("DELETE", f"/customers/{id}", 200 if there else 404)
        if there:
            self.model.put("customers", id, {**self.model.things["customers"][id].body, "status": "ARCHIVED"})
            for account, thing in self.model.things["accounts"].items():
                if thing.body["customerId"] == id and thing.body["status"] != "ARCHIVED":
                    self.model.put("accounts", account, {**thing.body, "status": "ARCHIVED"})

    @rule(id=ACCOUNTS)
    def archive_account(self, id: str) -> None:
        """An account alone."""
        there = self.model.status("accounts", id)
        self.do("DELETE", f"/accounts/{id}", 200 if there else 404)
        if there:
            self.model.put("accounts", id, {**self.model.things["accounts"][id].body, "status": "ARCHIVED"})

    def by_hand(self, what: str, status: int, **named: str) -> None:
        """What a person does in Togai's pages."""
        self.model.moment += 1
        body = {"account": self.account, **named}
        assert self.app.call("POST", f"/control/togai/{what}", json=body).status_code == status

    @rule(id=CUSTOMERS)
    def unarchive_customer(self, id: str) -> None:
        """The customer alone."""
        there = self.model.status("customers", id)
        self.by_hand("unarchive", 200 if there else 404, customer=id)
        if there:
            self.model.put("customers", id, {**self.model.things["customers"][id].body, "status": "ACTIVE"})

    @rule(id=ACCOUNTS)
    def unarchive_account(self, id: str) -> None:
        """An account, unless its customer is archived."""
        thing = self.model.things["accounts"].get(id)
        closed = thing and self.model.status("customers", thing.body["customerId"]) == "ARCHIVED"
        self.by_hand("unarchive", 400 if closed else 200 if thing else 404, togai_account=id)
        if thing and not closed:
            self.model.put("accounts", id, {**thing.body, "status": "ACTIVE"})

    @rule(entity=ENTITIES, value=st.sampled_from(["", "cus_1", "cus_2"]), by_patch=st.booleans())
    def write_setting(self, entity: tuple[str, str], value: str, by_patch: bool) -> None:
        """A setting of an entity, new, written over, or patched: the id in the path holds dots."""
        body = {"id": "StripeCustomerId", "namespace": "USER", "name": "Stripe id", "dataType": "STRING"}
        full = f"setting.USER.StripeCustomerId.{'.'.join(entity)}"
        new = {**body, "value": value, "entityType": entity[0], "entityId": entity[1]}
        there = full in self.model.things["settings"]
        if by_patch:
            self.do("PATCH", f"/settings/{full}", 201 if there else 404, {"value": value})
        else:
            self.do("POST", "/settings", 204 if there else 201, new)
        if there or not by_patch:
            self.model.put("settings", full, new)

    @rule(kind=st.sampled_from(["customers", "accounts"]), size=st.integers(1, 3), status=st.none() | STATUSES)
    def page_through(self, kind: str, size: int, status: str | None) -> None:
        """Every one of a status once, the last change first, and an empty page at the end."""
        found: list[str] = []
        query: dict[str, Any] = {"pageSize": size, **({"status": status} if status else {})}
        while True:
            page = self.app.call("GET", f"/togai/{kind}", self.token, params=query).json()
            found += [item["id"] for item in page["data"]]
            assert len(page["data"]) <= size
            if not page["nextToken"]:
                break
            query = {"nextToken": page["nextToken"]}
        self.agree_in_order(kind, found, status)

    def agree_in_order(self, kind: str, found: list[str], status: str | None = None) -> None:
        """The list has what the model has, and never something older before something newer."""
        things = self.model.things[kind]
        assert sorted(found) == sorted(id for id, thing in things.items() if status in (None, thing.body["status"]))
        moments = [things[id].changed for id in found]
        assert moments == sorted(moments, reverse=True)

    @invariant()
    def customers_and_accounts_agree(self) -> None:
        """Each is as the model has it, in the list and alone, in the order of the last change."""
        if not self.token:
            return
        for kind in ("customers", "accounts"):
            listed = self.app.call("GET", f"/togai/{kind}?pageSize=100", self.token).json()["data"]
            self.agree_in_order(kind, [item["id"] for item in listed])
            for item in listed:
                wanted = self.model.things[kind][item["id"]].body
                assert {name: item[name] for name in wanted} == wanted
                assert self.app.call("GET", f"/togai/{kind}/{item['id']}", self.token).json() == item

    @invariant()
    def settings_agree(self) -> None:
        """Each setting is as the model has it, found by its entity."""
        for full, thing in self.model.things["settings"].items():
            assert self.app.call("GET", f"/togai/settings/{full}", self.token).json() == thing.body
            query = {"entity_type": thing.body["entityType"], "entity_id": thing.body["entityId"]}
            found = self.app.call("GET", "/togai/settings", self.token, params=query).json()["data"]
            assert found == [thing.body]


TogaiMachine.TestCase.settings = settings(
    max_examples=settings().max_examples // 2,
    stateful_step_count=30,
    report_multiple_bugs=False,
)


class TestTogai(TogaiMachine.TestCase):  # type: ignore[misc, valid-type]
    """Runs of thirty steps."""
