"""Payment links and checkout sessions: who visits, what becomes of it, and what Stripe tells of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.contract.sandbox.inside import Inside, inside
from tests.contract.sandbox.shop import Json, Shop


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Inside]:
    """One application for all tests."""
    with inside(tmp_path_factory.mktemp("checkout")) as made:
        yield made


@pytest.fixture
def shop(app: Inside) -> Shop:
    """A fresh account."""
    return Shop(app)


def link_of(shop: Shop, amount: int = 1000, price: Json | None = None, **more: Any) -> Json:
    """A payment link for one piece of a price."""
    item = {"price": (price or shop.price(amount))["id"], "quantity": 1}
    return shop.post("payment_links", **{"line_items": [item], **more})


def visit(shop: Shop, outcome: str, **more: Any) -> Json:
    """What somebody does at a checkout page, and the session afterwards."""
    done = shop.control("POST", "/stripe/checkout", outcome=outcome, **more)
    return shop.get(f"checkout/sessions/{done['session']}")


def since(shop: Shop, before: int) -> list[str]:
    """The types of the events that came later."""
    return shop.types()[before:]


def test_life_of_a_link(shop: Shop) -> None:
    """A link is made, changed, closed and listed; its items show on request and by themselves."""
    link = link_of(shop, 700, metadata={"account": "acme/42"}, inactive_message="Sold out")
    assert (link["active"], link["currency"], link["customer_creation"]) == (True, "usd", "if_required")
    changed = shop.post(f"payment_links/{link['id']}", active=False, metadata={"more": "1"}, inactive_message="")
    assert (changed["metadata"], changed["inactive_message"]) == ({"account": "acme/42", "more": "1"}, None)
    shop.post(f"payment_links/{link['id']}", active=False)
    items = shop.get(f"payment_links/{link['id']}/line_items")["data"]
    assert [(item["amount_total"], item["quantity"], item["description"]) for item in items] == [(700, 1, "Starter")]
    found = shop.get("payment_links", active=False, expand=["data.line_items.data.price.product"])["data"]
    assert found[0]["line_items"]["data"][0]["price"]["product"]["name"] == "Starter"
    more = shop.post(
        f"payment_links/{link['id']}", line_items=[{"id": items[0]["id"], "quantity": 3}], expand=["line_items"]
    )
    assert more["line_items"]["data"][0]["amount_total"] == 2100
    assert shop.types()[2:] == ["payment_link.created", "payment_link.updated"]


def test_a_paid_link(shop: Shop) -> None:
    """A session with the link's metadata, its payment and a guest; events in Stripe's usual order, in one account."""
    data = {"metadata": {"plan": "pp.1"}, "description": "Plan"}
    link = link_of(shop, metadata={"account": "acme/42"}, payment_intent_data=data)
    before = len(shop.types())
    session = visit(
        shop, "paid", payment_link=link["id"], email="ada@example.com", name="Ada", client_reference_id="r-1"
    )
    assert (session["status"], session["payment_status"], session["payment_link"]) == ("complete", "paid", link["id"])
    assert (session["metadata"], session["client_reference_id"]) == ({"account": "acme/42"}, "r-1")
    assert (session["customer"], session["customer_details"]["email"]) == (None, "ada@example.com")
    intent = shop.get(f"payment_intents/{session['payment_intent']}", expand=["latest_charge"])
    assert (intent["status"], intent["amount_received"], intent["metadata"]) == ("succeeded", 1000, {"plan": "pp.1"})
    assert (intent["latest_charge"]["paid"], intent["latest_charge"]["billing_details"]["name"]) == (True, "Ada")
    assert since(shop, before) == [
        "payment_intent.created", "charge.succeeded", "payment_intent.succeeded", "checkout.session.completed"
    ]  # fmt: skip
    assert [s["id"] for s in shop.get("checkout/sessions", payment_link=link["id"])["data"]] == [session["id"]]
    assert shop.get("charges", payment_intent=intent["id"])["data"][0]["id"] == intent["latest_charge"]["id"]
    assert shop.get(f"checkout/sessions/{session['id']}/line_items")["data"][0]["amount_total"] == 1000


def test_a_link_that_wants_customers(shop: Shop) -> None:
    """The payer becomes a customer that carries nothing of the link, before the session's own event."""
    link = link_of(shop, customer_creation="always", metadata={"account": "A1"})
    session = visit(shop, "paid", payment_link=link["id"], email="ada@example.com", name="Ada")
    customer = shop.get(f"customers/{session['customer']}")
    assert (customer["email"], customer["name"], customer["metadata"]) == ("ada@example.com", "Ada", {})
    order = shop.types()
    assert order.index("customer.created") < order.index("checkout.session.completed")


def test_a_link_closes_at_its_limit(shop: Shop) -> None:
    """The last session that it allows closes it, and the next visitor is sent away; what only visits does not count."""
    link = link_of(shop, restrictions={"completed_sessions": {"limit": 2}})
    place = f"payment_links/{link['id']}"
    for outcome, count in (("paid", 1), ("declined", 1), ("unpaid", 2)):
        assert shop.get(place)["active"] is True
        visit(shop, outcome, payment_link=link["id"])
        assert shop.get(place)["restrictions"]["completed_sessions"] == {"count": count, "limit": 2}
    assert shop.get(place)["active"] is False
    answer = shop.app.call("POST", "/control/stripe/checkout",
                           json={"account": shop.account, "payment_link": link["id"], "outcome": "paid"})  # fmt: skip
    assert answer.status_code == 409


@pytest.mark.parametrize(
    ("outcome", "status", "event"),
    [("async_succeeded", "paid", "async_payment_succeeded"), ("async_failed", "unpaid", "async_payment_failed")],
)
def test_a_payment_that_comes_later(shop: Shop, outcome: str, status: str, event: str) -> None:
    """The session completes unpaid; a second call ends the waiting, once."""
    link = link_of(shop)
    before = len(shop.types())
    session = visit(shop, "unpaid", payment_link=link["id"])
    assert (session["status"], session["payment_status"]) == ("complete", "unpaid")
    assert shop.get(f"payment_intents/{session['payment_intent']}")["status"] == "processing"
    assert since(shop, before) == [
        "payment_intent.created", "charge.pending", "payment_intent.processing", "checkout.session.completed"
    ]  # fmt: skip
    settled = visit(shop, outcome, session=session["id"])
    assert settled["payment_status"] == status
    assert since(shop, before)[-1] == f"checkout.session.{event}"
    body = {"account": shop.account, "session": session["id"], "outcome": outcome}
    assert shop.app.call("POST", "/control/stripe/checkout", json=body).status_code == 409
    at_once = visit(shop, outcome, payment_link=link["id"])
    assert (at_once["status"], at_once["payment_status"]) == ("complete", status)


def test_a_declined_card_can_be_tried_again(shop: Shop) -> None:
    """The session stays open with its payment intent, which the next card pays."""
    session = visit(shop, "declined", payment_link=link_of(shop)["id"])
    assert (session["status"], session["payment_intent"]) == ("open", None)
    failed = shop.events("charge.failed")[0]["data"]["object"]
    assert (failed["paid"], failed["failure_code"]) == (False, "card_declined")
    paid = visit(shop, "paid", session=session["id"])
    assert paid["payment_intent"] == failed["payment_intent"]
    assert [c["status"] for c in shop.get("charges")["data"]] == ["succeeded", "failed"]


def test_nothing_to_pay(shop: Shop) -> None:
    """With the whole price taken off there is neither payment intent nor charge."""
    session = visit(shop, "no_payment_required", payment_link=link_of(shop)["id"])
    assert (session["payment_status"], session["amount_total"], session["amount_subtotal"]) == (
        "no_payment_required",
        0,
        1000,
    )
    assert (session["payment_intent"], shop.get("payment_intents")["data"]) == (None, [])
    free = visit(shop, "paid", payment_link=link_of(shop, 0)["id"])
    assert free["payment_status"] == "no_payment_required"


def test_sessions_expire(shop: Shop) -> None:
    """When asked, when the API says so, and by themselves after a day; then nobody can pay."""
    link = link_of(shop)
    session = visit(shop, "expired", payment_link=link["id"])
    assert (session["status"], session["payment_status"], session["url"]) == ("expired", "unpaid", None)
    item = [{"price": shop.price()["id"], "quantity": 1}]
    made = shop.post("checkout/sessions", mode="payment", success_url="http://127.0.0.1:9/done", line_items=item)
    assert shop.post(f"checkout/sessions/{made['id']}/expire")["status"] == "expired"
    assert "open" in shop.error("POST", f"checkout/sessions/{made['id']}/expire")["message"]
    waiting = shop.post("checkout/sessions", mode="payment", success_url="http://127.0.0.1:9/done", line_items=item)
    shop.app.control("POST", "/clock", {"advance": 24 * 3600 + 1})
    assert len(shop.events("checkout.session.expired")) == 3
    assert shop.get(f"checkout/sessions/{waiting['id']}")["status"] == "expired"


def test_a_session_of_the_api(shop: Shop) -> None:
    """It is for the customer that it names, goes back where it says, and copies its own metadata."""
    customer = shop.post("customers", name="ACME", email="a@example.com")["id"]
    made = shop.post(
        "checkout/sessions", mode="payment", customer=customer, success_url="http://127.0.0.1:9/done?s={CHECKOUT_SESSION_ID}",
        line_items=[{"price": shop.price()["id"], "quantity": 2}], metadata={"k": "v"}, client_reference_id="A1",
        payment_intent_data={"metadata": {"p": "1"}}, expand=["line_items", "customer"],
    )  # fmt: skip
    assert (made["amount_total"], made["status"], made["customer"]["name"]) == (2000, "open", "ACME")
    assert made["line_items"]["data"][0]["quantity"] == 2
    paid = visit(shop, "paid", session=made["id"])
    assert (paid["customer"], paid["customer_details"]["email"]) == (customer, "a@example.com")
    assert shop.get("checkout/sessions", customer=customer)["data"][0]["id"] == made["id"]
    assert shop.get("checkout/sessions", payment_intent=paid["payment_intent"])["data"][0]["id"] == made["id"]
    assert shop.get("payment_intents", customer=customer)["data"][0]["metadata"] == {"p": "1"}


def test_an_embedded_session(shop: Shop) -> None:
    """It has a client secret and no address, and goes back to its own return address."""
    item = [{"price": shop.price()["id"], "quantity": 1}]
    made = shop.post("checkout/sessions", mode="payment", ui_mode="embedded_page", return_url="http://127.0.0.1:9/back",
                     line_items=item)  # fmt: skip
    assert (made["url"], made["client_secret"].startswith(made["id"])) == (None, True)
    assert (
        shop.error("POST", "checkout/sessions", mode="payment", ui_mode="embedded_page", line_items=item)["param"]
        == "return_url"
    )


def test_a_recurring_link(shop: Shop) -> None:
    """It begins a subscription with the metadata that is meant for it, for a customer of its own."""
    price = shop.price(recurring={"interval": "month"})
    link = link_of(shop, price=price, subscription_data={"metadata": {"plan": "pp.1"}})
    session = visit(shop, "paid", payment_link=link["id"])
    assert (session["mode"], session["payment_intent"]) == ("subscription", None)
    subscription = shop.get(f"subscriptions/{session['subscription']}")
    assert (subscription["status"], subscription["metadata"]) == ("active", {"plan": "pp.1"})
    assert subscription["customer"] == session["customer"] is not None
    assert shop.get("subscriptions", customer=session["customer"])["data"][0]["id"] == subscription["id"]
    invoice = shop.get(f"invoices/{session['invoice']}", expand=["payments"])
    assert (invoice["status"], invoice["amount_paid"], invoice["billing_reason"]) == (
        "paid",
        1000,
        "subscription_create",
    )
    assert invoice["parent"]["subscription_details"]["subscription"] == subscription["id"]
    assert invoice["payments"]["data"][0]["status"] == "paid"
    order = [type for type in shop.types() if type != "customer.updated"]
    assert order[order.index("customer.created") :] == [
        "customer.created", "customer.subscription.created", "invoice.created", "invoice.finalized",
        "payment_intent.created", "charge.succeeded", "payment_intent.succeeded", "invoice_payment.paid",
        "invoice.updated", "invoice.paid", "invoice.payment_succeeded", "checkout.session.completed",
    ]  # fmt: skip


@pytest.mark.parametrize(("outcome", "status"), [("async_succeeded", "paid"), ("async_failed", "unpaid")])
def test_a_recurring_link_paid_later(shop: Shop, outcome: str, status: str) -> None:
    """The first invoice waits for the bank debit, and ends as that does."""
    session = visit(shop, "unpaid", payment_link=link_of(shop, price=shop.price(recurring={"interval": "month"}))["id"])
    assert shop.get(f"invoices/{session['invoice']}")["status"] == "open"
    assert visit(shop, outcome, session=session["id"])["payment_status"] == status
    assert shop.get(f"invoices/{session['invoice']}")["status"] == ("paid" if status == "paid" else "open")
    body = {"account": shop.account, "session": session["id"], "outcome": outcome}
    assert shop.app.call("POST", "/control/stripe/checkout", json=body).status_code == 409


def test_a_chosen_quantity(shop: Shop) -> None:
    """Where the link lets the payer choose, within its limits; tiers are counted as Stripe counts them."""
    tiers = [{"up_to": 2, "unit_amount": 500, "flat_amount": 100}, {"up_to": "inf", "unit_amount_decimal": "250.5"}]
    product = shop.post("products", name="Seats")["id"]
    price = shop.post(
        "prices", product=product, currency="usd", billing_scheme="tiered", tiers_mode="graduated", tiers=tiers
    )
    adjustable = {"enabled": True, "minimum": 1, "maximum": 5}
    item = {"price": price["id"], "quantity": 1, "adjustable_quantity": adjustable}
    link = shop.post("payment_links", line_items=[item])
    session = visit(shop, "paid", payment_link=link["id"], quantity=3)
    assert session["amount_total"] == 100 + 2 * 500 + 251
    for quantity, place in ((6, link["id"]), (2, link_of(shop)["id"])):
        body = {"account": shop.account, "payment_link": place, "outcome": "paid", "quantity": quantity}
        assert shop.app.call("POST", "/control/stripe/checkout", json=body).status_code == 409


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"line_items": []}, "line_items"),
    ({"line_items": [{"price": "price_none", "quantity": 1}]}, "line_items[0][price]"),
    ({"line_items": [{"quantity": 1}]}, "line_items[0]"),
    ({"line_items": [{"price": "GOOD"}]}, "line_items[0][quantity]"),
    ({"line_items": [{"price": "GOOD", "quantity": 0}]}, "line_items[0][quantity]"),
    ({"currency": "eur"}, "line_items[0][price]"),
    ({"automatic_tax": {"enabled": True}}, "automatic_tax[enabled]"),
    ({"invoice_creation": {"enabled": True}}, "invoice_creation[enabled]"),
    ({"subscription_data": {"trial_period_days": 7}}, "subscription_data[trial_period_days]"),
    ({"subscription_data": {"metadata": {"a": "1"}}}, "subscription_data"),
    ({"after_completion": {"type": "redirect"}}, "after_completion[redirect]"),
    (
        {"after_completion": {"type": "redirect", "redirect": {"url": "javascript:alert(1)"}}},
        "after_completion[redirect][url]",
    ),
    ({"restrictions": {"completed_sessions": {"limit": 0}}}, "restrictions[completed_sessions][limit]"),
    ({"line_items": [{"price": "CHEAP", "quantity": 1}]}, "line_items"),
]


@pytest.mark.parametrize(("params", "param"), REFUSED)
def test_refused_links(shop: Shop, params: dict[str, Any], param: str) -> None:
    """What could not be sold makes no link; the error names the parameter."""
    ids = {"GOOD": shop.price()["id"], "CHEAP": shop.price(49)["id"]}
    given = {"line_items": [{"price": "GOOD", "quantity": 1}], **params}
    items = [
        {**item, **({"price": ids.get(item["price"], item["price"])} if "price" in item else {})}
        for item in given["line_items"]
    ]
    assert shop.error("POST", "payment_links", **{**given, "line_items": items})["param"] == param
    assert shop.get("payment_links")["data"] == []


SESSIONS: list[tuple[dict[str, Any], str]] = [
    ({"mode": None}, "mode"),
    ({"line_items": None}, "line_items"),
    ({"success_url": None}, "success_url"),
    ({"success_url": "done"}, "success_url"),
    ({"cancel_url": "javascript:alert(1)"}, "cancel_url"),
    ({"return_url": "http://127.0.0.1:9/x"}, "return_url"),
    ({"mode": "subscription"}, "mode"),
    ({"customer": "cus_none"}, "customer"),
    ({"customer": "cus_1", "customer_email": "a@example.com"}, "customer"),
    ({"customer_email": "nobody"}, "customer_email"),
    ({"subscription_data": {"metadata": {"a": "1"}}}, "subscription_data"),
    ({"expires_at": 1}, "expires_at"),
    ({"ui_mode": "embedded_page"}, "return_url"),
]


@pytest.mark.parametrize(("params", "param"), SESSIONS)
def test_refused_sessions(shop: Shop, params: dict[str, Any], param: str) -> None:
    """What nobody could pay, or come back from, makes no session; the error names the parameter."""
    item = [{"price": shop.price()["id"], "quantity": 1}]
    given = {"mode": "payment", "success_url": "http://127.0.0.1:9/x", "line_items": item, **params}
    sent = {name: value for name, value in given.items() if value is not None}
    assert shop.error("POST", "checkout/sessions", **sent)["param"] == param
    assert shop.get("checkout/sessions")["data"] == []


def test_what_is_archived_cannot_be_sold(shop: Shop) -> None:
    """Neither an archived price nor an active one of an archived product."""
    old, orphan = shop.price(), shop.price()
    shop.post(f"prices/{old['id']}", active=False)
    shop.post(f"products/{orphan['product']}", active=False)
    for price, words in ((old, "inactive"), (orphan, "not active")):
        item = [{"price": price["id"], "quantity": 1}]
        assert words in shop.error("POST", "payment_links", line_items=item)["message"]


def test_a_price_that_comes_along(shop: Shop) -> None:
    """Inline prices and products are made, and lists leave them out."""
    data = {"currency": "eur", "unit_amount": 900, "product_data": {"name": "Once"}}
    link = shop.post("payment_links", line_items=[{"price_data": data, "quantity": 1}], expand=["line_items"])
    assert (link["currency"], link["line_items"]["data"][0]["description"]) == ("eur", "Once")
    assert (shop.get("prices")["data"], shop.get("products", active=True)["data"]) == ([], [])


def test_events_in_another_order(shop: Shop) -> None:
    """By control the same events come in an order that a seed fixes; every snapshot is what it was."""
    link = link_of(shop, customer_creation="always")
    before = len(shop.types())
    visit(shop, "paid", payment_link=link["id"])
    usual = since(shop, before)
    orders = []
    for seed in range(4):
        before = len(shop.types())
        visit(shop, "paid", payment_link=link["id"], shuffled=seed)
        orders.append(since(shop, before))
    assert all(sorted(order) == sorted(usual) for order in orders)
    assert any(order.index("checkout.session.completed") < order.index("customer.created") for order in orders)


def test_rights_on_links_and_sessions(shop: Shop) -> None:
    """Each resource has a right of its own."""
    key = shop.control("POST", "/keys", rights={"payment_links": "write", "payment_intents": "read"})["key"]
    assert shop.call("GET", "payment_links", {}, key).status_code == 200
    assert shop.call("GET", "payment_intents", {}, key).status_code == 200
    for path, right in (("checkout/sessions", "rak_checkout_session_read"), ("charges", "rak_charge_read"),
                        ("subscriptions", "rak_subscription_read")):  # fmt: skip
        answer = shop.call("GET", path, {}, key)
        assert answer.status_code == 403
        assert right in answer.json()["error"]["message"]
