"""Every Togai operation that the sandbox serves: each documented status, with the shape of its body."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from sandbox.settings import Settings
from sandbox.togai_api.operations import OPERATIONS

from tests.contract.sandbox.inside import UNLIMITED, Inside, inside
from tests.contract.sandbox.togai_invoices import NEW_INVOICE, NEW_PAYMENT
from tests.contract.sandbox.togai_plans import ASSOCIATION, BILLABLES, PLAN_ID, RATES
from tests.contract.sandbox.togai_plans_v2 import ACTIVE_V2, DRAFT_V2, EDITS_V2
from tests.contract.sandbox.togai_table import NEW_GROUP, ROWS, UNKNOWN_ID, WRONG, Row

METHODS = {operation.name: operation.method for operation in OPERATIONS}
WITH_BODY = [name for name, row in ROWS.items() if row.body is not None]
WITH_ID = [operation.name for operation in OPERATIONS if "{id}" in operation.path]
LISTS = [name for name in ROWS if name.endswith(".list")]
TIMES = ("createdAt", "updatedAt", "effectiveFrom", "effectiveUntil")
RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
NO_OFFSET = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d")
EVERY = pytest.mark.parametrize("name", ROWS)


def named(body: Any, names: dict[str, str]) -> Any:
    """The body with ids in place of the table's names for them."""
    if isinstance(body, dict):
        return {
            key: names.get(value, value) if key == "togaiId" else named(value, names) for key, value in body.items()
        }
    return [named(item, names) for item in body] if isinstance(body, list) else body


class Org:
    """A fresh organization with one of everything that the table's requests name."""

    def __init__(self, app: Inside) -> None:
        self.app = app
        made = app.account("togai")
        self.account, self.token = made["account"], made["key"]
        account = {"id": "A1", "name": "First account", "aliases": ["first"]}
        customer = {"id": "C1", "name": "First customer", "primaryEmail": "a@example.com", "address": {}}
        setting = {"id": "kept", "value": "v", "namespace": "USER", "name": "Kept", "dataType": "STRING"}
        for path, body in (
            ("/customers", {**customer, "account": account}),
            ("/aliases", {"aliases": [{"value": "free"}]}),
            ("/settings", {**setting, "entityType": "ACCOUNT", "entityId": "A1"}),
        ):
            assert self.call("POST", path, json=body).status_code == 201
        app.control("POST", "/togai/billables", {"account": self.account, **BILLABLES})
        for api, id, active in (
            ("v1", PLAN_ID, True), ("v1", "P2", False), ("v2", ACTIVE_V2, True), ("v2", DRAFT_V2, False),
        ):  # fmt: skip
            plan = {"account": self.account, "id": id, "name": "Starter", "rates": RATES, "active": active, "api": api}
            app.control("POST", "/togai/price_plans", plan)
        today = {**ASSOCIATION, "effectiveFrom": f"{datetime.now(UTC).date()}"}
        [schedule] = self.call("POST", "/accounts/A1/price_plans", json=today).json()["pricingSchedules"]
        assert self.call("POST", "/v2/accounts/A1/edit_schedules", json=EDITS_V2).is_success
        self.names = {"SCHEDULE": schedule["id"], **self._invoices()}

    def _invoices(self) -> dict[str, str]:
        """What the table calls DUE, DRAFT and PAID: Togai itself gives these ids."""
        lines = [{"name": "Fee", "amount": "100.00"}]
        due = self.app.control(
            "POST", "/togai/invoices", {"account": self.account, "togai_account": "A1", "status": "DUE", "lines": lines}
        )
        draft = self.call("POST", "/invoices", json={**NEW_INVOICE, "idempotencyKey": "key-0"}).json()
        names = {"DUE": due["id"], "DRAFT": draft["id"]}
        paid = self.call("POST", "/payments", json=named(NEW_PAYMENT, names))
        assert paid.status_code == 201, paid.text
        group = self.call("POST", "/invoice_groups", json=NEW_GROUP).json()["id"]
        return {**names, "PAID": paid.json()["id"], "G1": group}

    def call(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        """A call with the organization's token, unless the headers say otherwise."""
        return self.app.call(method, f"/togai{path}", arguments.pop("token", self.token), **arguments)

    def do(self, name: str, body: Any = None, **arguments: Any) -> httpx.Response:
        """An operation by name, with the table's body unless another is given."""
        row = ROWS[name]
        if row.body is not None and not {"content", "json"} & set(arguments):
            arguments["json"] = named(row.sent() if body is None else body, self.names)
        path = "/".join(self.names.get(part, part) for part in arguments.pop("path", row.path).split("/"))
        return self.call(METHODS[name], path, **arguments)

    def state(self) -> dict[str, Any]:
        """Everything that the organization has."""
        return self.app.control("GET", "/state", account=self.account)


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Inside]:
    """One application for all cases."""
    with inside(tmp_path_factory.mktemp("togai")) as made:
        yield made


@pytest.fixture
def org(app: Inside) -> Iterator[Org]:
    """An organization; the switches are back afterwards."""
    yield Org(app)
    switch_back(app)


@pytest.fixture(scope="module")
def lasting(app: Inside) -> Org:
    """An organization that refuses whatever it is asked: one for all tests."""
    return Org(app)


@pytest.fixture
def kept(lasting: Org) -> Iterator[Org]:
    """The same. Nothing of it is changed by a test; the switches are back afterwards."""
    before = lasting.state()
    yield lasting
    switch_back(lasting.app)
    assert lasting.state() == before


def switch_back(app: Inside) -> None:
    """As it was made."""
    app.world.keep_settings(Settings(**UNLIMITED))
    app.world.unauthenticated.clear()


def switch(org: Org, **changes: Any) -> None:
    """Turns the sandbox's switches."""
    org.app.control("PATCH", "/settings", changes)


def assert_error(answer: httpx.Response, status: int) -> str:
    """Togai's error body: a message of at most 500 characters, and nothing else."""
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/json"), answer.text
    assert list(answer.json()) == ["message"]
    message = answer.json()["message"]
    assert isinstance(message, str)
    assert 0 < len(message) <= 500
    return message


def assert_shape(found: dict[str, Any], keys: frozenset[str], more: frozenset[str]) -> None:
    """Every key that must be there, none that may not, and times in the vendor's form."""
    assert keys <= set(found) <= keys | more
    # A payment's time has no offset in Togai's own examples.
    form = NO_OFFSET if "externalPaymentReferences" in found else RFC3339
    assert all(form.fullmatch(found[name]) for name in TIMES if name in found)


def changed(body: Any, place: str, value: Any) -> Any:
    """The body with another value at a place; without it for a value that is `...`."""
    *path, last = place.split(".")
    node = body
    for key in path:
        node = node[int(key)] if isinstance(node, list) else node.setdefault(key, {})
    if value is ...:
        del node[last]
    else:
        node[last] = value
    return body


def test_the_table_has_every_operation() -> None:
    """An operation that the sandbox learns needs a row here."""
    assert set(ROWS) == set(METHODS)


@EVERY
def test_a_good_request_is_answered_in_the_documented_shape(org: Org, name: str) -> None:
    """Status, every required field and no unknown one, in the answer and in each item of a page."""
    row = ROWS[name]
    answer = org.do(name)
    assert answer.status_code == row.status, answer.text
    found = answer.json()
    assert_shape(found, row.keys, row.more)
    if row.items:
        assert found["data"]
        for item in found["data"]:
            assert_shape(item, *row.items)


@EVERY
def test_401_without_a_good_token(kept: Org, name: str) -> None:
    """No token, another scheme, an unknown token and a Stripe key are all the same to Togai; nothing is done."""
    for header in ({}, {"Authorization": f"Basic {kept.token}"}, {"Authorization": "Bearer unknown"},
                   {"Authorization": "Bearer sk_test_sandbox"}, {"X-API-Key": kept.token}):  # fmt: skip
        assert_error(kept.do(name, token="", headers=header), 401)


@EVERY
def test_429_over_the_limit(kept: Org, name: str) -> None:
    """Over the rate, and while an address is locked, nothing is done; Retry-After stands only where switched on."""
    switch(kept, togai_rate=0)
    assert "Retry-After" not in kept.do(name).headers
    switch(kept, togai_retry_after=3)
    answer = kept.do(name)
    assert_error(answer, 429)
    assert answer.headers["Retry-After"] == "3"
    switch(kept, togai_rate=None, togai_unauthenticated=0)
    assert_error(kept.do(name), 429)
    switch(kept, togai_unauthenticated=None)


@EVERY
def test_500_has_the_same_body(kept: Org, name: str) -> None:
    """Even Togai's own failures are a message; before the commit nothing is done."""
    rule = {"app": "togai", "kind": "error_before", "times": 1, "match": {"account": kept.account, "operation": name}}
    kept.app.control("POST", "/faults", rule)
    assert_error(kept.do(name), 500)


@pytest.mark.parametrize("name", WITH_ID)
def test_404_for_an_unknown_id(kept: Org, name: str) -> None:
    """The message names the id; another organization's id is as unknown."""
    path = next(operation.path for operation in OPERATIONS if operation.name == name)
    assert UNKNOWN_ID in assert_error(kept.do(name, path=path.replace("{id}", UNKNOWN_ID)), 404)
    stranger = kept.app.account("togai")["key"]
    assert_error(kept.do(name, token=stranger), 404)


def test_404_for_unknown_addresses_and_other_things_named(kept: Org) -> None:
    """A path or method that Togai does not have, and a customer that a new account names in vain."""
    unknown = [
        ("GET", "/nothing"), ("PUT", "/customers/C1"), ("GET", "/customers/C1/accounts"), ("POST", "/customers/C1"),
        ("GET", "/"), ("DELETE", ROWS["settings.update"].path),
    ]  # fmt: skip
    for method, path in unknown:
        assert_error(kept.call(method, path), 404)
    body = changed(ROWS["accounts.create"].sent(), "customerId", "nobody")
    assert "nobody" in assert_error(kept.do("accounts.create", body), 404)


@pytest.mark.parametrize("name", WITH_BODY)
def test_400_for_a_body_that_is_none(kept: Org, name: str) -> None:
    """No JSON, no object, another content type: a message, and nothing is done."""
    kind = {"Content-Type": "application/json"}
    for content in (b"", b"{", b"[]", b"null", b"5", b'"text"', b"\xff", b"a=1", b'{"a": NaN}', b"[" * 5000):
        assert_error(kept.do(name, content=content, headers=kind), 400)
    assert_error(kept.do(name, content=b"name=x", headers={"Content-Type": "application/x-www-form-urlencoded"}), 400)
    assert_error(kept.do(name, content=b"{}", headers={"Content-Type": "text/plain"}), 400)
    assert_error(kept.do(name, {**ROWS[name].sent(), "noSuchField": "x" * 2000}), 400)


@pytest.mark.parametrize("name", WITH_BODY)
def test_400_for_each_missing_field(kept: Org, name: str) -> None:
    """What is required is required, absent or null, and the message names it."""
    for place in ROWS[name].required:
        for value in (..., None):
            assert place in assert_error(kept.do(name, changed(ROWS[name].sent(), place, value)), 400)


@pytest.mark.parametrize(
    ("name", "place"), [(name, place) for name in WITH_BODY for place in ROWS[name].types]
)  # fmt: skip
def test_400_for_each_field_of_a_wrong_type(kept: Org, name: str, place: str) -> None:
    """Nothing is coerced, and every limit of the documents holds."""
    row = ROWS[name]
    for value in WRONG[row.types[place]]:
        answer = kept.do(name, changed(row.sent(), place, value))
        assert place.partition(".")[0] in assert_error(answer, 400), value


@pytest.mark.parametrize("name", [name for name, row in ROWS.items() if row.quota])
def test_403_over_a_quota(kept: Org, name: str) -> None:
    """An organization is full at its quota: nothing is made, and nothing of what came along."""
    switch(kept, **{ROWS[name].quota: 1})
    assert "quota" in assert_error(kept.do(name), 403)


@pytest.mark.parametrize("duplicate", [200, 400, 409])
@pytest.mark.parametrize("name", ["customers.create", "accounts.create"])
def test_a_taken_id_is_answered_as_switched(org: Org, name: str, duplicate: int) -> None:
    """The documents do not say, so each of the three is served: the present object, 400 or 409; nothing changes."""
    assert org.do(name).status_code == 201
    before = org.state()
    switch(org, togai_duplicate=duplicate)
    answer = org.do(name, changed(ROWS[name].sent(), "name", "Another name"))
    if duplicate == 200:
        assert_shape(answer.json(), ROWS[name].keys, ROWS[name].more)
        assert answer.json()["name"].startswith("Second")
    else:
        assert "already exists" in assert_error(answer, duplicate)
    assert org.state() == before


@pytest.mark.parametrize("name", ["settings.create", "settings.update"])
def test_204_for_a_written_setting(org: Org, name: str) -> None:
    """Where 204 is switched on the body is empty; a create over a present setting is 204 always."""
    switch(org, togai_setting_write=204)
    answer = org.do(name)
    assert (answer.status_code, answer.content) == (204, b"")
    switch(org, togai_setting_write=201)
    again = org.do(name)
    assert again.status_code == (204 if name == "settings.create" else 201)


@pytest.mark.parametrize("name", LISTS)
def test_422_and_400_for_queries_that_a_list_does_not_know(org: Org, name: str) -> None:
    """Page sizes from 1 to the largest in whole numbers, documented filters only, and tokens of this list only."""
    path = ROWS[name].path
    largest = ROWS[name].sizes[1]
    for size in ("0", f"{largest + 1}", "-1", "x", "1.5", "", "nan", "inf"):
        assert_error(org.call("GET", f"{path}?pageSize={size}"), 422)
    for query in ("no_such_filter=1", "_sort=name", "limit=5", "primary_email=a"):
        assert_error(org.call("GET", f"{path}?{query}"), 422)
    other = next(ROWS[other].path for other in LISTS if other != name)
    foreign = org.call("GET", f"{other}?pageSize=1").json()["nextToken"]
    for token in ("nonsense", "e30=", "W10=", "bnVsbA==", "%ff", foreign):
        assert_error(org.call("GET", f"{path}?nextToken={token}"), 400)
    assert org.call("GET", f"{path}?pageSize=1").status_code == 200
    assert org.call("GET", f"{path}?pageSize={largest}.0").status_code == 200


def test_pages_hold_as_many_as_documented_and_end_with_an_empty_one(org: Org) -> None:
    """A page with items has a token, and the last token leads to an empty page without one; nothing comes twice."""
    for number in range(54):
        customer = {"id": f"c{number}", "name": f"Customer {number}", "primaryEmail": "a@b.co", "address": {}}
        setting = {"id": "s", "value": "v", "namespace": "USER", "name": "n", "dataType": "STRING"}
        account = {"id": f"a{number}", "name": f"Account {number}", "aliases": [f"alias{number}"]}
        body = {**customer, "account": {**account, "settings": [setting]}}
        assert org.call("POST", "/customers", json=body).status_code == 201
        plan = {"account": org.account, "name": f"Plan {number}", "rates": {"USD": "1"}}
        for api in ("v1", "v2"):
            org.app.control("POST", "/togai/price_plans", plan | {"api": api})
        more = {name: [f"{name}.{number}"] for name in BILLABLES}
        org.app.control("POST", "/togai/billables", {"account": org.account, **more})
        org.call("POST", "/invoices", json={**NEW_INVOICE, "idempotencyKey": f"key-{number + 9}"})
        record = [{"type": "WALLET_CREDIT", "amount": 1, "order": 1}]
        assert org.call("POST", "/payments", json={**NEW_PAYMENT, "lineItemRecords": record}).status_code == 201
        assert org.call("POST", "/invoice_groups", json=NEW_GROUP).status_code == 200
    for name in LISTS:
        assert_pages(org, ROWS[name])


def assert_pages(org: Org, row: Row) -> None:
    """Full pages of the usual size, one that is not full, and an empty one."""
    pages: list[dict[str, Any]] = []
    token = ""
    while not pages or token:
        query = {"nextToken": token} if token else {}
        pages.append(org.call("GET", row.path, params=query).json())
        token = pages[-1]["nextToken"]
    counts = [len(page["data"]) for page in pages]
    assert counts[:-2] == [row.sizes[0]] * (len(counts) - 2)
    assert (0 < counts[-2] <= row.sizes[0], counts[-1]) == (True, 0)
    found = [str(item) for page in pages for item in page["data"]]
    assert len(set(found)) == len(found) >= 54
    if "context" in row.more:
        assert {page["context"]["pageSize"] for page in pages} == {row.sizes[0]}


def test_messages_are_cut_at_500_characters(org: Org) -> None:
    """However long the id that the message repeats."""
    assert len(assert_error(org.call("GET", f"/customers/{'x' * 3000}"), 404)) == 500


@pytest.mark.parametrize("row", [ROWS["customers.update"], ROWS["accounts.update"]], ids=["customer", "account"])
def test_400_for_a_change_of_what_is_archived(org: Org, row: Row) -> None:
    """What is archived cannot be changed by the API, nor taken out of the archive by it."""
    assert org.call("DELETE", row.path).status_code == 200
    before = org.state()
    assert "archived" in assert_error(org.call("PATCH", row.path, json={"name": "Other"}), 400)
    assert_error(org.call("PATCH", row.path, json={"status": "ACTIVE"}), 400)
    assert org.state() == before
