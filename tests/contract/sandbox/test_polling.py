"""What a poller relies on: the order and cursors of lists, what an event says of a change, and times that move."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from tests.contract.sandbox.inside import Inside, inside

ADDRESS = {"city": "Paris", "country": "FR", "line1": "1 Rue", "line2": None, "postal_code": None, "state": None}
FORM = {
    "name": "A", "address[city]": "Paris", "address[country]": "FR", "address[line1]": "1 Rue", "metadata[a]": "1",
    "metadata[b]": "2", "preferred_locales[0]": "en", "shipping[name]": "Dock", "shipping[address][line1]": "9 Quay",
}  # fmt: skip
# What is sent, and the former values of exactly what it changes.
CHANGES: list[tuple[dict[str, str], dict[str, Any]]] = [
    ({"name": "B"}, {"name": "A"}),
    ({"name": ""}, {"name": "A"}),
    ({"email": "a@b.co", "name": "A"}, {"email": None}),
    ({"address[city]": "Lyon"}, {"address": {"city": "Paris"}}),
    ({"address[city]": "Lyon", "address[line2]": "2nd"}, {"address": {"city": "Paris", "line2": None}}),
    ({"address[line1]": "", "address[country]": "FR"}, {"address": {"line1": "1 Rue"}}),
    ({"address": ""}, {"address": ADDRESS}),
    ({"metadata[a]": "9"}, {"metadata": {"a": "1"}}),
    ({"metadata[a]": "1", "metadata[c]": "3"}, {"metadata": {"c": None}}),
    ({"metadata[a]": "", "metadata[b]": "0", "metadata[c]": "3"}, {"metadata": {"a": "1", "b": "2", "c": None}}),
    ({"metadata": ""}, {"metadata": {"a": "1", "b": "2"}}),
    ({"preferred_locales[0]": "fr", "preferred_locales[1]": "en"}, {"preferred_locales": ["en"]}),
    ({"shipping[name]": "Dock", "shipping[address][line1]": "8 Quay"}, {"shipping": {"address": {"line1": "9 Quay"}}}),
    ({"invoice_settings[footer]": "Thanks"}, {"invoice_settings": {"footer": None}}),
    ({"phone": "1", "description": "d", "tax_exempt": "exempt"},
     {"phone": None, "description": None, "tax_exempt": "none"}),
    ({"name": "B", "address[city]": "Lyon", "metadata[b]": ""},
     {"name": "A", "address": {"city": "Paris"}, "metadata": {"b": "2"}}),
]  # fmt: skip
SAME: list[dict[str, str]] = [
    {}, {"name": "A"}, {"email": ""}, {"address[city]": "Paris"}, {"address[state]": ""}, {"metadata[a]": "1"},
    {"metadata[none]": ""}, {"preferred_locales[0]": "en"}, {"tax_exempt": "none"}, {"tax_exempt": ""},
    {"shipping[name]": "Dock", "shipping[address][line1]": "9 Quay"},
]  # fmt: skip


@dataclass
class Side:
    """One account of one application."""

    app: Inside
    account: str
    key: str
    prefix: str

    def call(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        """A call to the account's vendor."""
        return self.app.call(method, f"{self.prefix}{path}", self.key, **arguments)

    def get(self, path: str, **query: Any) -> dict[str, Any]:
        """A page or an object."""
        answer = self.call("GET", path, params=query)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Inside]:
    """One application for all tests here."""
    with inside(tmp_path_factory.mktemp("polling")) as made:
        yield made


@pytest.fixture
def stripe(app: Inside) -> Side:
    """A Stripe account."""
    made = app.account("stripe")
    return Side(app, made["account"], made["key"], "/stripe")


@pytest.fixture
def togai(app: Inside) -> Side:
    """A Togai organization."""
    made = app.account("togai")
    return Side(app, made["account"], made["key"], "/togai")


def customer(stripe: Side, **form: str) -> str:
    """A new Stripe customer."""
    return str(stripe.call("POST", "/v1/customers", data=form).json()["id"])


@pytest.mark.parametrize(("form", "previous"), CHANGES)
def test_an_update_tells_exactly_the_former_values(stripe: Side, form: dict[str, str], previous: Any) -> None:
    """In hashes by key, null for what was not there, and a list whole; with the key of the request that did it."""
    id = customer(stripe, **FORM)
    changed = stripe.call("POST", f"/v1/customers/{id}", data=form, headers={"Idempotency-Key": f"tandem-{id}"})
    newest, created = stripe.get("/v1/events")["data"]
    assert (newest["type"], created["type"]) == ("customer.updated", "customer.created")
    assert newest["data"]["previous_attributes"] == previous
    assert newest["data"]["object"] == changed.json()
    assert newest["request"] == {"id": changed.headers["Request-Id"], "idempotency_key": f"tandem-{id}"}


@pytest.mark.parametrize("form", SAME)
def test_an_update_that_changes_nothing_is_no_event(stripe: Side, form: dict[str, str]) -> None:
    """Whatever it names, the object and the list of events stay as they were."""
    id = customer(stripe, **FORM)
    before = stripe.get(f"/v1/customers/{id}")
    assert stripe.call("POST", f"/v1/customers/{id}", data=form).json() == before
    assert [event["type"] for event in stripe.get("/v1/events")["data"]] == ["customer.created"]


def test_a_deletion_is_an_event_with_the_last_state(stripe: Side) -> None:
    """The event carries the customer as it was; a second deletion is a 404 and no event."""
    id = customer(stripe, **FORM)
    before = stripe.get(f"/v1/customers/{id}")
    stripe.call("DELETE", f"/v1/customers/{id}", headers={"Idempotency-Key": "ignored-on-delete"})
    assert stripe.call("DELETE", f"/v1/customers/{id}").status_code == 404
    deleted, _ = stripe.get("/v1/events")["data"]
    assert (deleted["type"], deleted["data"]) == ("customer.deleted", {"object": before})
    assert deleted["request"]["idempotency_key"] is None


def test_pages_of_events_in_both_directions(stripe: Side) -> None:
    """Newest first; `starting_after` goes to the older, `ending_before` to the newer ones next to the cursor."""
    ids = [customer(stripe, name=f"n{number}") for number in range(7)][::-1]
    page = stripe.get("/v1/events", limit=100)
    events = [event["id"] for event in page["data"]]
    assert ([event["data"]["object"]["id"] for event in page["data"]], page["has_more"]) == (ids, False)

    def some(**query: Any) -> tuple[list[str], bool]:
        found = stripe.get("/v1/events", limit=3, **query)
        return [event["id"] for event in found["data"]], found["has_more"]

    assert some() == (events[:3], True)
    assert some(starting_after=events[2]) == (events[3:6], True)
    assert some(starting_after=events[3]) == (events[4:], False)
    assert some(starting_after=events[6]) == ([], False)
    assert some(ending_before=events[6]) == (events[3:6], True)
    assert some(ending_before=events[3]) == (events[:3], False)
    assert some(ending_before=events[0]) == ([], False)


def test_created_selects_events_by_their_second(stripe: Side) -> None:
    """`gte` and `lte` take the second itself, `gt` and `lt` do not; together with a cursor and with types."""
    customer(stripe, name="old")
    stripe.app.control("POST", "/clock", {"advance": 100})
    id = customer(stripe, name="new")
    stripe.app.control("POST", "/clock", {"advance": 100})
    stripe.call("POST", f"/v1/customers/{id}", data={"name": "newer"})
    newest, middle, oldest = stripe.get("/v1/events")["data"]

    def found(**query: Any) -> list[str]:
        return [event["id"] for event in stripe.get("/v1/events", **query)["data"]]

    moment = middle["created"]
    assert found(**{"created[gte]": moment}) == [newest["id"], middle["id"]]
    assert found(**{"created[gt]": moment}) == [newest["id"]]
    assert found(**{"created[lte]": moment}) == [middle["id"], oldest["id"]]
    assert found(**{"created[lt]": moment}) == [oldest["id"]]
    assert found(created=moment) == [middle["id"]]
    assert found(**{"created[gte]": moment}, starting_after=newest["id"]) == [middle["id"]]
    assert found(**{"created[gte]": moment, "types[0]": "customer.updated"}) == [newest["id"]]
    assert found(**{"created[gte]": moment, "types[0]": "customer.updated", "types[1]": "customer.created"}) == [
        newest["id"],
        middle["id"],
    ]


def test_after_thirty_days_events_are_gone_as_cursors_too(stripe: Side) -> None:
    """A poller that slept for a month learns that its cursor is no more, and does not get a silent empty page."""
    customer(stripe, name="old")
    gone = stripe.get("/v1/events")["data"][0]["id"]
    stripe.app.control("POST", "/clock", {"advance": 30 * 86_400 + 1})
    customer(stripe, name="new")
    assert len(stripe.get("/v1/events")["data"]) == 1
    assert stripe.call("GET", f"/v1/events/{gone}").status_code == 404
    for name in ("ending_before", "starting_after"):
        answer = stripe.call("GET", "/v1/events", params={name: gone})
        error = answer.json()["error"]
        assert (answer.status_code, error["code"], error["param"]) == (400, "resource_missing", name)


def make(togai: Side, number: int) -> None:
    """A Togai customer C<number> with the account A<number>."""
    account = {"id": f"A{number}", "name": f"Account {number}", "metadata": {"a": "1", "b": "2"}}
    address = {"line1": "1 Rue", "city": "Paris", "country": "FR"}
    body = {"id": f"C{number}", "name": f"Customer {number}", "primaryEmail": "a@b.co", "address": address}
    made = togai.call("POST", "/customers", json={**body, "account": {**account, "address": address}})
    assert made.status_code == 201, made.text


def ids(togai: Side, path: str, **query: Any) -> list[str]:
    """The ids of a list."""
    return [item["id"] for item in togai.get(path, **query)["data"]]


def test_togais_lists_show_what_changed_last_first(togai: Side) -> None:
    """Customers and accounts come in the order of their last change, filtered by status."""
    for number in range(4):
        make(togai, number)
    togai.call("PATCH", "/customers/C1", json={"name": "Changed"})
    togai.call("PATCH", "/accounts/A0", json={"name": "Changed"})
    assert ids(togai, "/customers") == ["C1", "C3", "C2", "C0"]
    assert ids(togai, "/accounts") == ["A0", "A3", "A2", "A1"]
    togai.call("DELETE", "/customers/C0")
    togai.call("DELETE", "/accounts/A3")
    assert ids(togai, "/customers") == ["C0", "C1", "C3", "C2"]
    assert ids(togai, "/customers", status="ACTIVE") == ["C1", "C3", "C2"]
    assert ids(togai, "/customers", status="ARCHIVED") == ["C0"]
    assert ids(togai, "/accounts", status="ARCHIVED") == ["A3", "A0"]
    assert ids(togai, "/accounts", status="ACTIVE", customer_id="C2") == ["A2"]
    togai.app.control("POST", "/togai/unarchive", {"account": togai.account, "customer": "C0"})
    assert ids(togai, "/customers", status="ACTIVE")[0] == "C0"


def test_updated_at_of_a_customer_moves_with_every_change(togai: Side) -> None:
    """A patch, archiving and taking out of the archive move it; reading, its account and its settings do not."""
    make(togai, 1)

    def at() -> str:
        return str(togai.get("/customers/C1")["updatedAt"])

    first = at()
    togai.call("PATCH", "/accounts/A1", json={"name": "Other"})
    setting = {"id": "s", "value": "v", "namespace": "USER", "name": "n", "dataType": "STRING"}
    togai.call("POST", "/settings", json={**setting, "entityType": "CUSTOMER", "entityId": "C1"})
    assert at() == first
    seen = [first]
    for method, path, body in (
        ("PATCH", "/togai/customers/C1", {"primaryEmail": "b@b.co"}),
        ("DELETE", "/togai/customers/C1", None),
        ("POST", "/control/togai/unarchive", {"account": togai.account, "customer": "C1"}),
    ):
        togai.app.control("POST", "/clock", {"advance": 1})
        assert togai.app.call(method, path, togai.key, json=body).status_code == 200
        seen.append(at())
    assert seen == sorted(set(seen))


def test_a_patch_replaces_address_and_metadata_whole(togai: Side) -> None:
    """What the new address or the new map does not name is gone; what the patch does not name stays."""
    make(togai, 1)
    changed = togai.call("PATCH", "/accounts/A1", json={"address": {"city": "Lyon"}}).json()
    assert (changed["address"], changed["metadata"]) == ({"city": "Lyon"}, {"a": "1", "b": "2"})
    changed = togai.call("PATCH", "/accounts/A1", json={"metadata": {"b": "3", "c": "4"}}).json()
    assert (changed["address"], changed["metadata"]) == ({"city": "Lyon"}, {"b": "3", "c": "4"})
    changed = togai.call("PATCH", "/accounts/A1", json={"metadata": {}, "address": {}}).json()
    assert (changed["address"], changed["metadata"], changed["name"]) == ({}, {}, "Account 1")
    assert togai.get("/accounts/A1") == changed
    assert togai.call("PATCH", "/customers/C1", json={"address": {"city": "Lyon"}}).json()["address"] == {
        "city": "Lyon"
    }
