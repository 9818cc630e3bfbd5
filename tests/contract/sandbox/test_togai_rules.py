"""What Togai's documentation says beyond shapes: rules on bodies, pages, limits, the lock, and webhooks."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from shared.tls import trusted

from tests.contract.sandbox import tools
from tests.contract.sandbox.conftest import TogaiSide

ACCOUNT: dict[str, Any] = {"id": "A1", "name": "Account"}
CUSTOMER: dict[str, Any] = {"id": "C1", "name": "ACME", "primaryEmail": "a@example.com", "address": {}}
SETTING: dict[str, Any] = {"id": "s", "value": "v", "namespace": "USER", "name": "n", "dataType": "STRING"}

REFUSED: list[tuple[str, dict[str, Any]]] = [
    ("no email", {"primaryEmail": None}),
    ("short name", {"name": "ab"}),
    ("long id", {"id": "i" * 51}),
    ("long email", {"primaryEmail": "e" * 321}),
    ("unknown field", {"phone": "1"}),
    ("unknown field in address", {"address": {"zip": "1"}}),
    ("number for text", {"name": 12345}),
    ("country name", {"address": {"country": "Germany"}}),
    ("eleven settings", {"settings": [{**SETTING, "id": f"s{n}"} for n in range(11)]}),
    ("setting without dataType", {"settings": [{"id": "s", "value": "v", "namespace": "USER", "name": "n"}]}),
    ("account with customerId", {"account": {**ACCOUNT, "customerId": "C1"}}),
    ("eleven aliases", {"account": {**ACCOUNT, "aliases": [f"alias{n}" for n in range(11)]}}),
    ("short alias", {"account": {**ACCOUNT, "aliases": ["ab"]}}),
    ("same alias twice", {"account": {**ACCOUNT, "aliases": ["abc", "abc"]}}),
    ("archived from the start", {"account": {**ACCOUNT, "status": "ARCHIVED"}}),
    ("currency in words", {"account": {**ACCOUNT, "invoiceCurrency": "Euro"}}),
    ("metadata of numbers", {"account": {**ACCOUNT, "metadata": {"a": 1}}}),
]


@pytest.mark.parametrize("change", [row[1] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_create_customer_refuses(org: TogaiSide, control: tools.Control, change: dict[str, Any]) -> None:
    """A body that breaks a rule answers 400 with a message and nothing else, and makes nothing."""
    body = {name: value for name, value in {**CUSTOMER, **change}.items() if value is not None}
    answer = org.http.post("/customers", json=body)
    assert (answer.status_code, list(answer.json())) == (400, ["message"])
    state = control.call("GET", "/state", account=org.account)
    assert (state["customers"], state["accounts"], len(state["settings"])) == ([], [], 1)


def test_account_is_made_when_omitted(org: TogaiSide) -> None:
    """Without an account in the body Togai makes a first one from the customer's details."""
    made = org.http.post("/customers", json=CUSTOMER)
    assert made.status_code == 201
    account = org.http.get("/accounts", params={"customer_id": "C1"}).json()["data"][0]
    assert (account["name"], account["primaryEmail"], account["invoiceCurrency"]) == ("ACME", "a@example.com", "USD")


def test_shapes(org: TogaiSide) -> None:
    """A create shows no status and no times, a customer no settings, an account neither settings nor times."""
    body = {**CUSTOMER, "settings": [SETTING], "account": {**ACCOUNT, "settings": [SETTING]}}
    created = org.http.post("/customers", json=body).json()
    assert not {"status", "createdAt", "updatedAt"} & set(created)
    customer = org.http.get("/customers/C1").json()
    assert {"status", "createdAt", "updatedAt", "billingAddress"} <= set(customer)
    assert "settings" not in customer
    account = org.http.get("/accounts/A1").json()
    assert not {"settings", "createdAt", "updatedAt"} & set(account)
    settings = org.http.get("/settings", params={"setting_id": "s"}).json()["data"]
    assert {(s["entityType"], s["entityId"]) for s in settings} == {("CUSTOMER", "C1"), ("ACCOUNT", "A1")}


def test_a_refused_account_takes_the_customer_back(org: TogaiSide) -> None:
    """When the account's alias is taken, the customer is not made either."""
    org.http.post("/customers", json={**CUSTOMER, "account": {**ACCOUNT, "aliases": ["mine"]}})
    second = {**CUSTOMER, "id": "C2", "account": {"id": "A2", "name": "Second", "aliases": ["mine"]}}
    assert org.http.post("/customers", json=second).status_code == 400
    assert org.http.get("/customers/C2").status_code == 404
    assert org.http.get("/accounts/A2").status_code == 404


def test_pages(org: TogaiSide) -> None:
    """Pages are sorted by the last change; tokens carry filters and size; the last page has one more token."""
    for number in range(5):
        org.http.post("/customers", json={**CUSTOMER, "id": f"C{number}", "account": {**ACCOUNT, "id": f"A{number}"}})
    org.http.patch("/customers/C1", json={"name": "changed"})
    seen: list[str] = []
    page = org.http.get("/customers", params={"pageSize": 3, "status": "ACTIVE"}).json()
    sizes = [len(page["data"])]
    assert page["context"] == {"pageSize": 3, "sortOrder": "DESC"}
    while page["nextToken"]:
        seen += [customer["id"] for customer in page["data"]]
        page = org.http.get("/customers", params={"nextToken": page["nextToken"]}).json()
        sizes.append(len(page["data"]))
    assert seen == ["C1", "C4", "C3", "C2", "C0"]
    assert sizes == [3, 2, 0]


@pytest.mark.parametrize(
    ("path", "status"),
    [("/customers?pageSize=101", 422), ("/customers?pageSize=0", 422), ("/customers?primary_email=a", 422),
     ("/accounts?status=ACTIVE&invoice_currency=USD", 422), ("/accounts?_sort=name", 422),
     ("/customers?nextToken=nonsense", 400), ("/nothing", 404), ("/accounts?_search=acc", 200),
     ("/accounts?customer_id=C1&status=ACTIVE", 200)],
)  # fmt: skip
def test_queries(org: TogaiSide, path: str, status: int) -> None:
    """Only the documented filters and combinations are served."""
    assert org.http.get(path).status_code == status


def test_account_rules(org: TogaiSide) -> None:
    """An account needs its customer; aliases are unique and ten at most; an archived account cannot change."""
    assert org.http.post("/accounts", json={**ACCOUNT, "customerId": "nobody"}).status_code == 404
    org.http.post("/customers", json={**CUSTOMER, "account": ACCOUNT})
    org.http.post("/customers", json={**CUSTOMER, "id": "C2", "account": {**ACCOUNT, "id": "A2"}})
    many = {"aliases": [f"alias{n}" for n in range(10)]}
    assert org.http.post("/accounts/A1/add_aliases", json=many).status_code == 200
    assert org.http.post("/accounts/A1/add_aliases", json={"aliases": ["more"]}).status_code == 400
    assert org.http.post("/accounts/A2/add_aliases", json={"aliases": ["alias1"]}).status_code == 400
    assert org.http.post("/accounts/A2/remove_aliases", json={"aliases": ["alias1"]}).status_code == 400
    assert org.http.patch("/accounts/A2", json={"status": "ARCHIVED"}).status_code == 400
    assert org.http.patch("/accounts/A2", json={"metadata": {}}).json()["metadata"] == {}
    org.http.delete("/accounts/A2")
    assert org.http.patch("/accounts/A2", json={"name": "again"}).status_code == 400


def test_setting_rules(org: TogaiSide, control: tools.Control) -> None:
    """A new setting is 201, one written over 204; 204 can be forced; the system's namespace is closed."""
    body = {**SETTING, "entityType": "ACCOUNT", "entityId": "A1"}
    answers = [org.http.post("/settings", json={**body, "value": value}) for value in ("1", "2")]
    assert [answer.status_code for answer in answers] == [201, 204]
    full = "/settings/setting.USER.s.ACCOUNT.A1"
    assert org.http.get(full).json()["value"] == "2"
    with control.settings(togai_setting_write=204):
        answer = org.http.patch(full, json={"value": "3"})
        assert (answer.status_code, answer.content) == (204, b"")
    assert org.http.post("/settings", json={**body, "namespace": "togai"}).status_code == 400
    assert org.http.post("/settings", json={**body, "entityType": "PLANET"}).status_code == 400
    assert org.http.patch(full, json={"id": "other"}).status_code == 400
    assert org.http.get("/settings/setting.USER.none.ACCOUNT.A1").status_code == 404


def test_rate_limit(org: TogaiSide, control: tools.Control) -> None:
    """Over 10 requests a second the answer is 429 with a message; Retry-After only when switched on."""
    with control.settings(togai_rate=10):
        answers = [org.http.get("/customers") for _ in range(11)]
    assert [answer.status_code for answer in answers] == [200] * 10 + [429]
    assert list(answers[-1].json()) == ["message"]
    assert "Retry-After" not in answers[-1].headers
    with control.settings(togai_rate=0, togai_retry_after=7):
        assert org.http.get("/customers").headers["Retry-After"] == "7"


def test_lock(org: TogaiSide, control: tools.Control) -> None:
    """After 5 unauthenticated calls every call from the address is refused, until 30 minutes have passed."""
    try:
        wrong = [
            httpx.get(f"{org.url}/togai/customers", verify=trusted(), trust_env=False).status_code for _ in range(6)
        ]
        assert wrong == [401] * 5 + [429]
        assert org.http.get("/customers").status_code == 429
        control.call("POST", "/clock", {"advance": 30 * 60 + 1})
        assert org.http.get("/customers").status_code == 200
    finally:
        control.call("POST", "/togai/unlock")


def test_quotas(org: TogaiSide, control: tools.Control) -> None:
    """Resource quotas answer 403 once they are switched on."""
    with control.settings(togai_customer_quota=1):
        assert org.http.post("/customers", json=CUSTOMER).status_code == 201
        assert org.http.post("/customers", json={**CUSTOMER, "id": "C2"}).status_code == 403


def test_webhooks(org: TogaiSide, control: tools.Control, receiver: tools.Receiver) -> None:
    """Account creation is sent unsigned for nested, automatic and plain accounts, once; changes send nothing."""
    subscription = {"account": org.account, "event": "Account creation", "url": f"{receiver.url}/t"}
    control.call("POST", "/subscriptions", subscription)
    receiver.answers = [500]
    org.http.post("/customers", json={**CUSTOMER, "account": ACCOUNT})
    tools.until(lambda: control.deliveries(org.account, state="failed"))
    org.http.post("/customers", json={**CUSTOMER, "id": "C2"})
    org.http.patch("/accounts/A1", json={"name": "changed"})
    org.http.patch("/customers/C1", json={"name": "changed"})
    org.http.post("/accounts", json={"id": "A3", "name": "Third", "customerId": "C2"})
    tools.until(lambda: len(receiver.got) == 3)
    bodies = [received.json for received in receiver.got]
    assert all(list(body) == ["payload"] for body in bodies)
    assert [body["payload"]["customerId"] for body in bodies if body["payload"]["id"] != "A3"] == ["C1", "C2"]
    assert not any("signature" in name for name in receiver.got[0].headers)
    assert len(control.deliveries(org.account)) == 3


def test_subscriptions(org: TogaiSide, control: tools.Control) -> None:
    """Subscriptions are listed and removed; an undocumented event is refused."""
    made = control.call("POST", "/subscriptions", {"account": org.account, "url": "http://127.0.0.1:9/"})
    assert control.call("GET", "/subscriptions", account=org.account)["subscriptions"] == [made]
    assert control.call("DELETE", f"/subscriptions/{made['id']}")["removed"] == 1
    body = {"account": org.account, "event": "Customer creation", "url": "http://127.0.0.1:9/"}
    assert control.http.post(f"{control.url}/control/subscriptions", json=body).status_code == 409


def test_archiving_by_control(org: TogaiSide, control: tools.Control) -> None:
    """A person's archiving of a customer archives its accounts, and nothing new can be added to it."""
    org.http.post("/customers", json={**CUSTOMER, "account": ACCOUNT})
    control.call("POST", "/togai/archive", {"account": org.account, "customer": "C1"})
    assert org.http.get("/customers", params={"status": "ARCHIVED"}).json()["data"][0]["id"] == "C1"
    assert org.http.get("/accounts/A1").json()["status"] == "ARCHIVED"
    assert org.http.post("/accounts", json={"id": "A2", "name": "New", "customerId": "C1"}).status_code == 400


def test_unarchiving_by_control(org: TogaiSide, control: tools.Control) -> None:
    """A person takes a customer alone, then its account, out of the archive; both can be changed again."""

    def unarchive(**named: str) -> int:
        body = {"account": org.account, **named}
        return control.http.post(f"{control.url}/control/togai/unarchive", json=body).status_code

    org.http.post("/customers", json={**CUSTOMER, "account": ACCOUNT})
    org.http.delete("/customers/C1")
    archived_at = org.http.get("/customers/C1").json()["updatedAt"]
    assert unarchive(togai_account="A1") == 400
    assert unarchive(customer="C1") == 200
    assert org.http.get("/accounts/A1").json()["status"] == "ARCHIVED"
    assert unarchive(togai_account="A1") == 200
    assert org.http.get("/customers", params={"status": "ACTIVE"}).json()["data"][0]["updatedAt"] > archived_at
    assert org.http.get("/accounts", params={"status": "ACTIVE"}).json()["data"][0]["id"] == "A1"
    assert org.http.patch("/accounts/A1", json={"name": "again"}).status_code == 200
    assert [unarchive(customer="nobody"), unarchive(), unarchive(customer="C1", togai_account="A1")] == [404, 400, 400]
