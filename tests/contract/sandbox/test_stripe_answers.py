"""Every operation that the sandbox serves answers what Stripe's own schema describes, and nothing beside it."""

from __future__ import annotations

from pathlib import Path

from sandbox.stripe_api.operations import OPERATIONS

from tests.contract.sandbox.inside import inside
from tests.contract.sandbox.shop import Shop
from tests.contract.sandbox.stripe_schema import problem


def basics(shop: Shop) -> None:
    """Customers, webhook endpoints, events and the account."""
    customer = f"customers/{shop.customer()}"
    shop.post(customer, name="Other", address={"city": "Berlin"}, shipping={"name": "x", "address": {"line1": "y"}})
    shop.get(customer, expand=["tax_ids", "cash_balance", "sources", "subscriptions"])
    shop.get("customers")
    shop.post(f"{customer}/balance_transactions", amount=-5, currency="usd")
    shop.get(f"{customer}/balance_transactions", expand=["data.customer"])
    method = shop.post("payment_methods/pm_card_visa/attach", customer=customer.partition("/")[2])["id"]
    shop.get(f"payment_methods/{method}", expand=["customer"])
    shop.post(customer, invoice_settings={"default_payment_method": method})
    shop.get(customer, expand=["invoice_settings.default_payment_method"])
    shop.delete(customer)
    endpoint = shop.post("webhook_endpoints", url="http://127.0.0.1:9/x", enabled_events=["*"])["id"]
    shop.post(f"webhook_endpoints/{endpoint}", disabled=True)
    shop.get(f"webhook_endpoints/{endpoint}")
    shop.get("webhook_endpoints")
    shop.delete(f"webhook_endpoints/{endpoint}")
    shop.get("account")
    shop.get(f"accounts/{shop.account.partition('/')[0]}")


def sales(shop: Shop) -> None:
    """Products, prices, links, sessions, what was paid by them, and subscriptions."""
    price = shop.price(recurring={"interval": "month"}, currency_options={"eur": {"unit_amount": 900}})
    shop.get(f"products/{price['product']}")
    shop.post(f"products/{price['product']}", default_price=price["id"], images=["http://127.0.0.1:9/i"],
              package_dimensions={"height": 1.5, "length": 2, "weight": 3, "width": 4}, shippable=True,
              marketing_features=[{"name": "fast"}])  # fmt: skip
    shop.get("products", expand=["data.default_price"])
    shop.delete(f"products/{shop.post('products', name='x')['id']}")
    meter = f"billing/meters/{shop.meter()}"
    shop.post(meter, display_name="y")
    shop.post(f"{meter}/deactivate")
    shop.post(f"{meter}/reactivate")
    shop.get("billing/meters", status="active")
    shop.price(recurring={"interval": "month", "usage_type": "metered", "meter": shop.get(meter)["id"]})
    shop.get(f"prices/{price['id']}", expand=["product", "currency_options"])
    shop.get("prices", expand=["data.product", "data.tiers"])
    shop.post(f"prices/{price['id']}", nickname="x", currency_options={"gbp": {"unit_amount": 800}})
    field = {"key": "size", "label": {"type": "custom", "custom": "Size"}, "type": "dropdown",
             "dropdown": {"options": [{"label": "S", "value": "s"}]}}  # fmt: skip
    item = {"price": price["id"], "quantity": 1, "adjustable_quantity": {"enabled": True, "minimum": 1}}
    link = shop.post(
        "payment_links", line_items=[item], custom_fields=[field], phone_number_collection={"enabled": True},
        restrictions={"completed_sessions": {"limit": 9}}, subscription_data={"metadata": {"a": "1"}},
        custom_text={"submit": {"message": "x"}}, after_completion={"type": "hosted_confirmation"},
    )  # fmt: skip
    shop.post(f"payment_links/{link['id']}", metadata={"b": "2"})
    shop.get(f"payment_links/{link['id']}", expand=["line_items.data.price.product"])
    shop.get("payment_links")
    shop.get(f"payment_links/{link['id']}/line_items")
    once = shop.price()["id"]
    for outcome in ("paid", "unpaid", "async_failed", "expired", "no_payment_required"):
        shop.control("POST", "/stripe/checkout", payment_link=link["id"], outcome=outcome)
        single = shop.post("payment_links", line_items=[{"price": once, "quantity": 1}], customer_creation="always")[
            "id"
        ]
        shop.control("POST", "/stripe/checkout", payment_link=single, outcome=outcome)
    more = {"success_url": "http://127.0.0.1:9/x", "line_items": [{"price": once, "quantity": 1}]}
    session = shop.post("checkout/sessions", mode="payment", **more)
    shop.post(f"checkout/sessions/{session['id']}", metadata={"c": "3"})
    shop.get(f"checkout/sessions/{session['id']}", expand=["line_items", "payment_intent"])
    shop.get(f"checkout/sessions/{session['id']}/line_items")
    shop.post(f"checkout/sessions/{session['id']}/expire")
    expand = [
        "data.payment_intent.latest_charge",
        "data.customer",
        "data.subscription.latest_invoice",
        "data.payment_link",
    ]
    shop.get("checkout/sessions", expand=expand, limit=100)
    charge = shop.get("charges", expand=["data.payment_intent"])["data"][0]["id"]
    shop.get(f"charges/{charge}")
    intent = shop.get("payment_intents", expand=["data.latest_charge"])["data"][0]["id"]
    shop.get(f"payment_intents/{intent}")
    subscription = shop.get("subscriptions", expand=["data.latest_invoice.payments"])["data"][0]["id"]
    shop.get(f"subscriptions/{subscription}", expand=["customer"])
    trial = {"items": [{"price": price["id"], "quantity": 2}], "trial_period_days": 3, "metadata": {"a": "1"}}
    started = shop.post("subscriptions", customer=shop.customer(), **trial)
    assert started["status"] == "trialing"
    shop.post(f"subscriptions/{started['id']}", cancel_at_period_end=True)
    assert shop.delete(f"subscriptions/{started['id']}")["status"] == "canceled"


def bills(shop: Shop) -> None:
    """Invoices with everything that belongs to them."""
    draft = f"invoices/{shop.draft(1000, metadata={'a': '1'})['id']}"
    line = shop.get(f"{draft}/lines")["data"][0]["id"]
    shop.post(f"{draft}/update_lines", lines=[{"id": line, "amount": 2000, "quantity": 3}])
    extra = shop.post(f"{draft}/add_lines", lines=[{"amount": 5}, {"amount": 7}])["lines"]["data"]
    shop.post(f"{draft}/remove_lines", lines=[{"id": extra[1]["id"], "behavior": "unassign"}])
    shop.post(draft, description="x", custom_fields=[{"name": "n", "value": "v"}], footer="f")
    shop.post(f"{draft}/finalize")
    shop.post(f"{draft}/send")
    for outcome, amount in (("failed", 100), ("processing", 100), ("succeeded", None), ("overpaid", 99_999)):
        body = {} if amount is None else {"amount": amount}
        shop.control("POST", f"/stripe/{draft}/pay", outcome=outcome, **body)
    shop.get(draft, expand=["payments.data.payment.payment_intent", "customer", "amount_paid_off_stripe"])
    shop.get("invoices", expand=["data.payments"])
    payment = shop.get("invoice_payments", expand=["data.invoice"])["data"][0]
    shop.get(f"invoice_payments/{payment['id']}")
    refund = shop.post("refunds", payment_intent=payment["payment"]["payment_intent"], amount=50)["id"]
    shop.get(f"refunds/{refund}", expand=["charge"])
    shop.post(f"refunds/{refund}", metadata={"a": "1"})
    shop.get("refunds")
    charge = shop.get(f"refunds/{refund}")["charge"]
    dispute = shop.control("POST", "/stripe/disputes", charge=charge)["dispute"]
    shop.get(f"disputes/{dispute}", expand=["charge", "payment_intent"])
    shop.get("disputes", charge=charge)
    shop.post(f"disputes/{dispute}/close")
    debit = shop.open_invoice()["id"]
    for outcome in ("processing", "succeeded"):
        shop.control("POST", f"/stripe/invoices/{debit}/pay", outcome=outcome)
    intent = shop.get("invoice_payments", invoice=debit)["data"][0]["payment"]["payment_intent"]
    shop.control(
        "POST", f"/stripe/refunds/{shop.post('refunds', payment_intent=intent, amount=5)['id']}", status="succeeded"
    )
    shop.control("POST", f"/stripe/refunds/{shop.post('refunds', payment_intent=intent)['id']}", status="failed")
    lines = [{"type": "custom_line_item", "description": "x", "unit_amount": 30, "quantity": 2}]
    note = shop.post("credit_notes", invoice=draft.partition("/")[2], lines=lines, refund_amount=20, credit_amount=40)[
        "id"
    ]
    shop.post(f"credit_notes/{note}", memo="x")
    shop.get(f"credit_notes/{note}", expand=["invoice", "customer_balance_transaction"])
    shop.get(f"credit_notes/{note}/lines")
    shop.get("credit_notes")
    shop.post(f"invoices/{shop.open_invoice()['id']}/mark_uncollectible")
    shop.post(f"invoices/{shop.open_invoice()['id']}/pay", paid_out_of_band=True)
    lower = shop.open_invoice()
    shop.post(f"credit_notes/{shop.post('credit_notes', invoice=lower['id'], amount=10)['id']}/void")
    shop.post(f"invoices/{lower['id']}/void")
    link = shop.post("payment_links", line_items=[{"price": shop.price()["id"], "quantity": 1}])["id"]
    session = shop.control("POST", "/stripe/checkout", payment_link=link, outcome="paid")["session"]
    intent = shop.get(f"checkout/sessions/{session}")["payment_intent"]
    shop.post(f"invoices/{shop.open_invoice()['id']}/attach_payment", payment_intent=intent)
    shop.delete(f"invoices/{shop.draft(5)['id']}")
    item = shop.post("invoiceitems", customer=shop.customer(), currency="usd", amount=5)["id"]
    shop.post(f"invoiceitems/{item}", description="x")
    shop.get(f"invoiceitems/{item}", expand=["customer"])
    shop.get("invoiceitems")
    shop.delete(f"invoiceitems/{item}")


def charges(shop: Shop) -> None:
    """Payment intents that the API makes, and the tax of what is sold."""
    customer = shop.customer()
    card, debit = (
        shop.post(f"payment_methods/{name}/attach", customer=customer)["id"]
        for name in ("pm_card_visa", "pm_usBankAccount_success")
    )
    shop.get(f"payment_methods/{debit}")
    wanted = {"amount": 1000, "currency": "usd", "customer": customer, "payment_method": card}
    intent = f"payment_intents/{shop.post('payment_intents', **wanted)['id']}"
    shop.post(intent, metadata={"a": "1"}, amount=900)
    shop.post(f"{intent}/confirm", off_session=True, expand=["latest_charge", "payment_method"])
    later = shop.post("payment_intents", **wanted | {"payment_method": debit, "confirm": True, "off_session": True})
    shop.control("POST", f"/stripe/payment_intents/{later['id']}", outcome="failed")
    shop.post(f"payment_intents/{shop.post('payment_intents', **wanted)['id']}/cancel")
    shop.post(f"customers/{customer}", address={"country": "DE"})
    lines = [{"amount": 1000, "reference": "a"}]
    found = shop.post("tax/calculations", customer=customer, currency="eur", line_items=lines)["id"]
    shop.get(f"tax/calculations/{found}")
    made = shop.post("tax/transactions/create_from_calculation", calculation=found, reference="a")["id"]
    shop.get(f"tax/transactions/{made}")
    shop.post("tax/transactions/create_reversal", mode="full", original_transaction=made, reference="b")


def test_every_answer_and_every_event(tmp_path: Path) -> None:
    """Each operation is asked with success; each answer, expanded too, and each event fits its schema."""
    with inside(tmp_path) as app:
        shop = Shop(app)
        for part in (basics, sales, bills, charges):
            part(shop)
        page = shop.get("events", limit=100)
        shop.get(f"events/{page['data'][0]['id']}")
        while page["data"]:
            for event in page["data"]:
                assert problem(event["data"]["object"]) is None, (event["type"], problem(event["data"]["object"]))
            page = shop.get("events", limit=100, starting_after=page["data"][-1]["id"])
        calls = app.control("GET", "/calls", account=shop.account)["calls"]
        good = {call["operation"] for call in calls if call["status"] == 200}

        assert {operation.name for operation in OPERATIONS} - good == set()
        assert [call for call in calls if call["status"] != 200] == []
