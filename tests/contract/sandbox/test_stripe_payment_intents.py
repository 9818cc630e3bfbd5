"""Payment intents that the API makes: charged off session by the method on file, once, whatever becomes of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.contract.sandbox.inside import Inside, inside
from tests.contract.sandbox.shop import Json, Shop
from tests.contract.sandbox.stripe_schema import problem

OFF_SESSION: Json = {"off_session": True}


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Inside]:
    """One application for all tests."""
    with inside(tmp_path_factory.mktemp("intents")) as made:
        yield made


@pytest.fixture
def shop(app: Inside) -> Shop:
    """A fresh account."""
    return Shop(app)


def intent(shop: Shop, method: str = "pm_card_visa", **more: Any) -> Json:
    """An intent of 10.00 for a customer with a method on file, before it is confirmed."""
    customer = shop.customer()
    on_file = {"payment_method": shop.post(f"payment_methods/{method}/attach", customer=customer)["id"]}
    automatic = {"enabled": True, "allow_redirects": "never"}
    wanted = {"amount": 1000, "currency": "usd", "customer": customer, "automatic_payment_methods": automatic}
    return shop.post("payment_intents", **(wanted | on_file | more))


def confirm(shop: Shop, made: Json, **params: Any) -> Json:
    return shop.post(f"payment_intents/{made['id']}/confirm", **(OFF_SESSION | params))


def test_a_card_on_file_is_charged(shop: Shop) -> None:
    """In two calls, with Stripe's usual events; it is not charged again."""
    made = intent(shop, metadata={"togai_invoice_id": "inv.1"})
    done = confirm(shop, made)
    refused = shop.error("POST", f"payment_intents/{made['id']}/confirm", **OFF_SESSION)

    assert (made["status"], made["metadata"]) == ("requires_confirmation", {"togai_invoice_id": "inv.1"})
    assert (done["status"], done["amount_received"]) == ("succeeded", 1000)
    assert [kind for kind in shop.types() if kind.startswith(("payment_intent", "charge"))] == [
        "payment_intent.created", "charge.succeeded", "payment_intent.succeeded",
    ]  # fmt: skip
    assert (refused["code"], refused["payment_intent"]["id"]) == ("payment_intent_unexpected_state", made["id"])


@pytest.mark.parametrize(
    ("method", "code"),
    [("pm_card_chargeCustomerFail", "card_declined"), ("pm_card_authenticationRequired", "authentication_required")],
)
def test_a_charge_that_fails_is_an_error_and_leaves_its_attempt(shop: Shop, method: str, code: str) -> None:
    """The intent says by which method, and takes another one."""
    made = intent(shop, method)
    error = shop.error("POST", f"payment_intents/{made['id']}/confirm", **OFF_SESSION)
    found = shop.get(f"payment_intents/{made['id']}")
    other = shop.post("payment_methods/pm_card_visa/attach", customer=made["customer"])["id"]

    assert problem(error["payment_intent"]) is None
    assert (error["type"], error["code"], error["payment_intent"]["id"]) == ("card_error", code, made["id"])
    assert (found["status"], found["payment_method"]) == ("requires_payment_method", None)
    last = found["last_payment_error"]
    assert (last["code"], last["payment_method"]["id"]) == (code, made["payment_method"])
    assert "payment_intent.payment_failed" in shop.types()
    assert confirm(shop, made, payment_method=other)["status"] == "succeeded"


def test_the_answer_of_a_failed_charge_is_kept_under_its_key(shop: Shop) -> None:
    """Sent again it is the same answer, and no second attempt."""
    made = intent(shop, "pm_card_chargeCustomerFail")
    path, key = f"payment_intents/{made['id']}/confirm", {"Idempotency-Key": "tandem-1"}
    first = shop.call("POST", path, OFF_SESSION, **key)
    second = shop.call("POST", path, OFF_SESSION, **key)

    assert (first.status_code, second.status_code, second.headers["idempotent-replayed"]) == (402, 402, "true")
    assert len(shop.get("charges")["data"]) == 1


@pytest.mark.parametrize("outcome", ["succeeded", "failed"])
def test_a_bank_debit_is_under_way_for_days(shop: Shop, outcome: str) -> None:
    """It is not paid before the bank says so."""
    made = confirm(shop, intent(shop, "pm_usBankAccount_success"))
    shop.control("POST", f"/stripe/payment_intents/{made['id']}", outcome=outcome)
    found = shop.get(f"payment_intents/{made['id']}")

    assert (made["status"], made["amount_received"]) == ("processing", 0)
    assert found["status"] == ("succeeded" if outcome == "succeeded" else "requires_payment_method")
    assert shop.types()[-1] == f"payment_intent.{'succeeded' if outcome == 'succeeded' else 'payment_failed'}"


def test_who_is_there_authenticates(shop: Shop) -> None:
    """Without `off_session` the intent waits for its customer."""
    made = intent(shop, "pm_card_authenticationRequired")
    waiting = shop.post(f"payment_intents/{made['id']}/confirm", return_url="https://example.test/back")
    shop.control("POST", f"/stripe/payment_intents/{made['id']}", outcome="succeeded")

    assert (waiting["status"], waiting["next_action"]["type"]) == ("requires_action", "redirect_to_url")
    assert "payment_intent.requires_action" in shop.types()
    assert shop.get(f"payment_intents/{made['id']}")["next_action"] is None


def test_changed_and_canceled(shop: Shop) -> None:
    """The amount may change until it is confirmed; a canceled one is charged no more."""
    made = intent(shop)
    changed = shop.post(f"payment_intents/{made['id']}", amount=900, metadata={"a": "b"})
    canceled = shop.post(f"payment_intents/{made['id']}/cancel", cancellation_reason="abandoned")

    assert (changed["amount"], changed["metadata"]) == (900, {"a": "b"})
    assert (canceled["status"], canceled["cancellation_reason"]) == ("canceled", "abandoned")
    assert shop.error("POST", f"payment_intents/{made['id']}/confirm")["code"] == "payment_intent_unexpected_state"
    assert shop.types()[-1] == "payment_intent.canceled"


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"amount": 20}, "amount"), ({"amount": 0}, "amount"), ({"currency": "zzz"}, "currency"),
        ({"payment_method": "pm_1"}, "payment_method"), ({"customer": "cus_1"}, "customer"),
        ({"off_session": True}, "off_session"), ({"payment_method_types": ["card"]}, "payment_method_types"),
    ],
)  # fmt: skip
def test_what_is_refused(shop: Shop, change: Json, param: str) -> None:
    """Before anything is made; since 2026-09-30.endive `payment_method_types` has another name."""
    error = shop.error("POST", "payment_intents", **({"amount": 1000, "currency": "usd"} | change))

    assert error["param"] == param
    assert shop.get("payment_intents")["data"] == []


@pytest.mark.parametrize(("right", "status"), [("read", 403), ("write", 200)])
def test_a_restricted_key_needs_the_right(shop: Shop, right: str, status: int) -> None:
    """PaymentIntents: write."""
    key = shop.control("POST", "/keys", rights={"payment_intents": right})["key"]
    answer = shop.call("POST", "payment_intents", {"amount": 1000, "currency": "usd"}, key)

    assert answer.status_code == status


def test_events_come_in_any_order(shop: Shop) -> None:
    """The same ones, for a seed always in the same order."""
    seen = set()
    for seed in range(1, 6):
        made = confirm(shop, intent(shop, "pm_usBankAccount_success"))
        before = len(shop.types())
        shop.control("POST", f"/stripe/payment_intents/{made['id']}", outcome="succeeded", shuffled=seed)
        seen.add(tuple(shop.types()[before:]))

    assert seen == {("charge.succeeded", "payment_intent.succeeded"), ("payment_intent.succeeded", "charge.succeeded")}


def browse(shop: Shop, method: str, path: str, key: str = "pk_test_sandbox", **params: Any) -> tuple[int, Json]:
    """What Stripe.js asks for: no header names a key."""
    place = "data" if method == "POST" else "params"
    answer = shop.app.call(method, f"/stripe/v1/{path}", "", **{place: {"key": key, **params}})
    assert answer.headers["access-control-allow-origin"] == "*"
    return answer.status_code, answer.json()


def test_a_browser_confirms_by_the_client_secret(shop: Shop) -> None:
    """With the publishable key; it sees a part of the intent, and its bank is asked where it asks to be."""
    made = intent(shop, "pm_card_authenticationRequired", metadata={"a": "b"})
    shop.call("POST", f"payment_intents/{made['id']}/confirm", OFF_SESSION)
    path, own = f"payment_intents/{made['id']}", {"client_secret": made["client_secret"]}
    status, seen = browse(shop, "GET", path, **own)
    again = {"payment_method": made["payment_method"], "use_stripe_sdk": "true", "return_url": "https://example.test"}
    _, waiting = browse(shop, "POST", f"{path}/confirm", **own, **again)
    shop.app.call("POST", f"/authenticate/{made['client_secret']}", data={"outcome": "succeeded"})

    assert (status, seen["last_payment_error"]["code"]) == (200, "authentication_required")
    assert seen.keys().isdisjoint({"metadata", "customer", "latest_charge"})
    assert (waiting["status"], waiting["next_action"]["type"]) == ("requires_action", "use_stripe_sdk")
    assert shop.get(path)["status"] == "succeeded"
    assert shop.types()[-1] == "payment_intent.succeeded"


def test_a_bank_that_refuses_leaves_no_charge(shop: Shop) -> None:
    """The intent says by which method, and another card pays it."""
    made = intent(shop, "pm_card_authenticationRequired")
    shop.post(f"payment_intents/{made['id']}/confirm")
    shop.app.call("POST", f"/authenticate/{made['client_secret']}", data={"outcome": "failed"})
    refused, charges = shop.get(f"payment_intents/{made['id']}"), shop.get("charges")["data"]
    own = {"client_secret": made["client_secret"], "payment_method": "pm_card_visa"}
    _, paid = browse(shop, "POST", f"payment_intents/{made['id']}/confirm", **own)
    error = refused["last_payment_error"]

    assert (refused["status"], error["code"], charges) == (
        "requires_payment_method", "payment_intent_authentication_failure", [],
    )  # fmt: skip
    assert error["payment_method"]["id"] == made["payment_method"]
    assert paid["status"] == "succeeded"
    assert [charge["status"] for charge in shop.get("charges")["data"]] == ["succeeded"]


@pytest.mark.parametrize(
    ("method", "path", "secret", "key", "status"),
    [
        ("GET", "payment_intents/{id}", "wrong", "pk_test_sandbox", 404),
        ("GET", "payment_intents/{id}", "", "pk_test_sandbox", 404),
        ("GET", "payment_intents/{id}", "own", "pk_live_sandbox", 404),
        ("POST", "payment_intents/{id}", "own", "pk_test_sandbox", 403),
        ("POST", "payment_intents/{id}/cancel", "own", "pk_test_sandbox", 403),
        ("GET", "customers", "own", "pk_test_sandbox", 403),
        ("GET", "payment_intents/{id}", "own", "sk_test_sandbox", 401),
    ],
)
def test_a_publishable_key_opens_nothing_else(
    shop: Shop, method: str, path: str, secret: str, key: str, status: int
) -> None:
    """No other call, and no intent without its own secret."""
    made = intent(shop)
    given = {"own": made["client_secret"]}.get(secret, secret)
    found, body = browse(shop, method, path.format(id=made["id"]), key, client_secret=given)

    assert (found, "error" in body) == (status, True)
    assert shop.get(f"payment_intents/{made['id']}")["status"] == "requires_confirmation"
