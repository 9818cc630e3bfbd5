"""The control API, the page, and a restart after kill -9."""

from __future__ import annotations

import threading
from pathlib import Path

import httpx
from console.local.ports import free_port

from tests.contract.sandbox import tools
from tests.contract.sandbox.conftest import StripeSide, TogaiSide


def test_calls_are_logged_and_counted(side: StripeSide, control: tools.Control) -> None:
    """Every call is in the log with operation, status and key, and is counted by operation."""
    side.sdk.v1.customers.create({"name": "x"}, {"idempotency_key": "k"})
    side.http.post("/v1/customers", data={"emial": "x"})
    side.http.get("/v1/nothing")
    log = control.call("GET", "/calls", app="stripe", account=side.account)
    assert log["counts"] == {"customers.create": 2, "unknown": 1}
    shown = [(call["method"], call["path"], call["status"], call["idempotency_key"]) for call in log["calls"]]
    assert shown[0] == ("POST", "/v1/customers", 200, "k")
    assert [row[2] for row in shown] == [200, 400, 404]
    assert control.call("DELETE", "/calls", account=side.account)["removed"] == 3
    assert control.call("GET", "/calls", account=side.account)["calls"] == []


def test_who_called_and_what_was_asked_of_them(side: StripeSide, control: tools.Control) -> None:
    """The log names the key of a call, when it came, and the Retry-After that it got; a fault can be for one key."""
    match = {"account": side.account, "caller": side.key}
    control.call("POST", "/faults", {"app": "stripe", "kind": "rate_limited", "match": match, "retry_after": 3})
    other = control.call("POST", "/keys", {"account": side.account})["key"]
    side.http.get("/v1/customers")
    side.http.get("/v1/customers", headers={"Authorization": f"Bearer {other}"})
    first, second = control.call("GET", "/calls", account=side.account)["calls"]

    assert (first["caller"], first["status"], first["retry_after"]) == (side.key, 429, 3)
    assert (second["caller"], second["status"], second["retry_after"]) == (other, 200, None)
    assert first["began"] <= first["at"] <= second["at"]


def test_a_revoked_key(side: StripeSide, org: TogaiSide, control: tools.Control) -> None:
    """Both vendors can be made to refuse a key that is good."""
    for app, account in (("stripe", side.account), ("togai", org.account)):
        control.call("POST", "/faults", {"app": app, "kind": "unauthorized", "match": {"account": account}})

    assert side.http.get("/v1/customers").status_code == 401
    assert org.http.get("/customers").status_code == 401


def test_history(side: StripeSide, org: TogaiSide, control: tools.Control) -> None:
    """Every version of an object with the key that made it; what a person does in Togai's pages is the control's."""
    made = side.http.post("/v1/customers", data={"name": "one"}).json()["id"]
    side.http.post(f"/v1/customers/{made}", data={"name": "two"})
    side.http.delete(f"/v1/customers/{made}")
    org.http.post("/customers", json={"id": "C1", "name": "ACME", "primaryEmail": "a@example.com", "address": {}})
    control.call("POST", "/togai/archive", {"account": org.account, "customer": "C1"})
    found = control.call("GET", "/history", account=side.account)["versions"]
    first = control.call("GET", "/history", account=side.account, limit="1")
    rest = control.call("GET", "/history", account=side.account, since=str(first["mark"]))
    archived = control.call("GET", "/history", account=org.account)["versions"][-1]

    assert [(v["body"]["name"], v["deleted"]) for v in found] == [("one", False), ("two", False), ("two", True)]
    assert {(v["kind"], v["id"], v["caller"]) for v in found} == {("customer", made, side.key)}
    assert first["versions"] + rest["versions"] == found
    assert (archived["body"]["status"], archived["caller"]) == ("ARCHIVED", "control")


def test_calls_since_a_mark(side: StripeSide, org: TogaiSide, control: tools.Control) -> None:
    """A mark taken before some calls counts them by operation and account afterwards, and nothing older."""
    side.sdk.v1.customers.create({"name": "older"})
    mark = str(control.call("GET", "/calls", account=side.account)["mark"])
    assert control.call("GET", "/calls", account=side.account, since=mark)["counts"] == {}
    side.sdk.v1.customers.list()
    side.sdk.v1.customers.list()
    side.sdk.v1.events.list()
    org.http.get("/customers")
    log = control.call("GET", "/calls", account=side.account, since=mark, limit="1")
    assert log["counts"] == {"customers.list": 2, "events.list": 1}
    assert [call["operation"] for call in log["calls"]] == ["events.list"]
    assert control.call("GET", "/calls", account=org.account, since=mark)["counts"] == {"customers.list": 1}
    assert control.http.get(f"{control.url}/control/calls?since=yesterday").status_code == 400


def test_accounts(side: StripeSide, org: TogaiSide, control: tools.Control) -> None:
    """Accounts are listed with their keys; a taken id, a wrong body and an unknown account are refused."""
    listed = {account["account"]: account for account in control.call("GET", "/accounts")["accounts"]}
    assert listed[side.account]["keys"] == [{"key": side.key, "rights": None}]
    assert listed[org.account]["app"] == "togai"
    url = f"{control.url}/control"
    assert control.http.post(f"{url}/accounts", json={"app": "togai", "id": org.account}).status_code == 409
    assert control.http.post(f"{url}/accounts", json={"app": "zoho"}).status_code == 400
    assert control.http.get(f"{url}/state?account=nobody").status_code == 404
    assert control.http.get(f"{url}/state?account=org_sandbox&lists=prices").status_code == 400
    assert control.http.get(f"{url}/state?account=org_sandbox&lists=aliases,").status_code == 400
    some = control.http.get(f"{url}/state?account=org_sandbox&lists=aliases")
    assert some.json().keys() == {"account", "app", "aliases"}
    assert control.http.patch(f"{url}/settings", json={"no_such": 1}).status_code == 400
    assert control.http.post(f"{url}/clock", json={"advance": -1}).status_code == 400
    assert control.http.post(f"{url}/faults", json={"app": "stripe", "kind": "flood"}).status_code == 400
    assert control.http.post(f"{url}/accounts", content=b"{").status_code == 400


def test_state(org: TogaiSide, control: tools.Control) -> None:
    """The dump has every object of an organization, aliases with their account."""
    body = {"id": "C1", "name": "ACME", "primaryEmail": "a@b.co", "address": {}}
    org.http.post("/customers", json={**body, "account": {"id": "A1", "name": "Acc", "aliases": ["one"]}})
    state = control.call("GET", "/state", account=org.account)
    assert [customer["id"] for customer in state["customers"]] == ["C1"]
    assert [(alias["value"], alias["accountId"]) for alias in state["aliases"]] == [("one", "A1")]
    assert [setting["namespace"] for setting in state["settings"]] == ["togai"]


def test_page(process: tools.Process, control: tools.Control) -> None:
    """The page shows both sides, and its forms make customers as a person in a dashboard does."""
    with httpx.Client(base_url=process.url, trust_env=False, follow_redirects=True) as http:
        form = {"account": "acct_sandbox/test", "name": "<Bob>", "email": "bob@example.com", "phone": ""}
        made = http.post("/page/stripe", data=form)
        assert made.status_code == 200
        assert "&lt;Bob&gt;" in made.text
        assert "<script" not in made.text
        events = control.call("GET", "/state", account="acct_sandbox")["events"]
        assert events[-1]["request"] == {"id": None, "idempotency_key": None}
        form = {
            "account": "org_sandbox",
            "name": "ACME",
            "email": "a@example.com",
            "id": "page-1",
            "account_id": "pa-1",
        }
        assert "page-1" in http.post("/page/togai", data=form).text
        assert control.call("GET", "/state", account="org_sandbox")["accounts"][-1]["id"] == "pa-1"
        refused = http.post("/page/togai", data=form)
        assert (refused.status_code, "already exists" in refused.text) == (400, True)
        assert http.post("/page/stripe", data={"account": "x"}).status_code == 400
        assert 'http-equiv="refresh"' in http.get("/?watch=1").text


def test_clean_stop(state: Path) -> None:
    """SIGTERM ends the sandbox at once, with exit code 0, while a call hangs; a second start on its port works."""
    process = tools.Process(state, free_port())
    process.start()
    control = tools.Control(process.url)
    control.call("POST", "/faults", {"app": "stripe", "kind": "hang_before", "seconds": 60})
    broken: list[bool] = []

    def get() -> None:
        try:
            tools.stripe_http(process.url, "sk_test_sandbox").get("/v1/customers")
        except httpx.TransportError:
            broken.append(True)

    thread = threading.Thread(target=get)
    thread.start()
    tools.until(lambda: control.call("GET", "/faults")["faults"][0]["fired"])
    assert process.stop() == 0
    thread.join(tools.PATIENCE)
    assert broken == [True]
    process.start()
    assert process.stop() == 0
    control.http.close()


def test_kill_and_restart(state: Path, receiver: tools.Receiver) -> None:
    """After kill -9 every object, key and setting is there, and pending deliveries go on."""
    process = tools.Process(state, free_port())
    process.start()
    control = tools.Control(process.url)
    sdk = tools.stripe_client(process.url, "sk_test_sandbox")
    sdk.v1.webhook_endpoints.create({"url": f"{receiver.url}/x", "enabled_events": ["*"]})
    control.call("PATCH", "/settings", {"webhook_delays": [0.5, 0.1], "stripe_test_rate": None})
    receiver.answers = [500]
    made = sdk.v1.customers.create({"name": "kept"}, {"idempotency_key": "k"})
    tools.until(lambda: any(d["attempts"] for d in control.deliveries("acct_sandbox")))
    process.kill()
    assert len(receiver.got) == 1
    process.start()
    try:
        tools.until(lambda: len(receiver.got) == 2)
        assert receiver.got[0].body == receiver.got[1].body
        assert sdk.v1.customers.create({"name": "kept"}, {"idempotency_key": "k"}).id == made.id
        assert [customer.id for customer in sdk.v1.customers.list().data] == [made.id]
        assert control.call("GET", "/settings")["stripe_test_rate"] is None
        assert control.call("GET", "/calls")["counts"]["customers.create"] == 2
        control.call("POST", "/reset")
        assert sdk.v1.customers.list().data == []
    finally:
        assert process.stop() == 0
        control.http.close()


def test_a_payment_page(side: StripeSide) -> None:
    """A person visits a link, is declined, pays, and comes back to where the link says; then it is closed."""
    product = side.sdk.v1.products.create({"name": "<Starter>"})
    price = side.sdk.v1.prices.create({"product": product.id, "currency": "eur", "unit_amount": 1234})
    back = "http://127.0.0.1:9/thanks?session={CHECKOUT_SESSION_ID}"
    link = side.sdk.v1.payment_links.create({
        "line_items": [{"price": price.id, "quantity": 1}], "restrictions": {"completed_sessions": {"limit": 1}},
        "after_completion": {"type": "redirect", "redirect": {"url": back}}, "inactive_message": "Sold out",
    })  # fmt: skip
    with httpx.Client(trust_env=False) as http:
        visit = http.get(f"{link.url}?client_reference_id=A1&prefilled_email=a@example.com")
        page = http.get(visit.headers["location"])
        assert "&lt;Starter&gt;" in page.text
        assert "Pay 12.34 eur" in page.text
        assert "a@example.com" in page.text
        declined = http.post(page.url, data={"outcome": "declined"})
        assert (declined.status_code, "declined" in declined.text) == (409, True)
        paid = http.post(page.url, data={"outcome": "paid", "email": "b@example.com", "name": "Bob"})
        session = side.sdk.v1.checkout.sessions.list({"payment_link": link.id}).data[0]
        assert paid.headers["location"] == back.replace("{CHECKOUT_SESSION_ID}", session.id)
        assert (session.payment_status, session.client_reference_id) == ("paid", "A1")
        assert session.customer_details is not None
        assert session.customer_details.email == "b@example.com"
        closed = http.get(link.url)
        assert (closed.status_code, "Sold out" in closed.text) == (404, True)
        assert http.get(f"{link.url}x").status_code == 404


def test_an_embedded_page(side: StripeSide) -> None:
    """By its client secret a session can be paid inside another page; a bank debit is waited for."""
    product = side.sdk.v1.products.create({"name": "Starter"})
    price = side.sdk.v1.prices.create({"product": product.id, "currency": "eur", "unit_amount": 1234})
    session = side.sdk.v1.checkout.sessions.create({
        "mode": "payment", "ui_mode": "embedded_page", "redirect_on_completion": "never",
        "line_items": [{"price": price.id, "quantity": 1}],
    })  # fmt: skip
    place = f"{side.url}/embedded/{session.client_secret}"
    with httpx.Client(trust_env=False) as http:
        assert "createEmbeddedCheckoutPage" in http.get(f"{side.url}/js/v3/").text
        assert http.get(f"{place}x").status_code == 404
        assert "Pay 12.34 eur" in http.get(place).text
        assert "bank debit arrives" in http.post(place, data={"outcome": "unpaid"}).text
        assert "Payment: paid" in http.post(place, data={"outcome": "async_succeeded"}).text
    assert side.sdk.v1.checkout.sessions.retrieve(session.id).payment_status == "paid"


def test_a_demo_has_a_plan(process: tools.Process, control: tools.Control) -> None:
    """The first organization has one active price plan with one fixed fee in two currencies."""
    plan = control.call("GET", "/state", account="org_sandbox")["price_plans"][0]
    assert (plan["status"], plan["name"]) == ("ACTIVE", "Starter")
    fee = plan["pricingSchedule"][0]["pricePlanDetails"]["fixedFeeRateCards"][0]
    assert [(value["currency"], value["rate"]) for value in fee["rateValues"]] == [("USD", 49.0), ("EUR", 45.0)]
