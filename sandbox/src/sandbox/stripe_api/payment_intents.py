"""Stripe's payment intents as the API makes them: created, changed, confirmed, canceled.

requires_payment_method > requires_confirmation > requires_action | processing > succeeded; a failed attempt leads back
to the first, canceled is the end of whatever has not succeeded (source: Stripe docs, how intents work).
"""

from __future__ import annotations

from typing import Any, Literal, get_args

from sandbox.stripe_api import currencies, customers, documents, payment_methods, payments
from sandbox.stripe_api.calls import Call
from sandbox.stripe_api.errors import Declined, StripeError
from sandbox.stripe_api.payments import Payer
from sandbox.stripe_api.rules import check_metadata, merged_metadata

Body = dict[str, Any]
Outcome = Literal["succeeded", "failed", "canceled"]
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)
CONFIRMABLE = ("requires_payment_method", "requires_confirmation", "requires_action")
UNAUTHENTICATED = "payment_intent_authentication_failure"
_KEPT = ("description", "receipt_email", "setup_future_usage")
_NOT_SERVED = (
    "transfer_data", "on_behalf_of", "application_fee_amount", "payment_method_data", "confirmation_token", "mandate",
    "mandate_data",
)  # fmt: skip


class Impossible(ValueError):
    """What nobody could do with this payment."""


def check(call: Call) -> None:
    """Refuses values that break a rule, before anything is executed."""
    check_metadata(call.params.get("metadata"))
    for name in _NOT_SERVED:
        if call.params.get(name):
            raise StripeError(400, f"The sandbox does not serve {name}.", param=name)


def check_create(call: Call) -> None:
    """Refuses an amount that cannot be charged, and what goes with a confirmation alone."""
    check(call)
    params = call.params
    code = currencies.currency(params["currency"])
    if params["amount"] < 1:
        raise StripeError(400, "Invalid positive integer", code="parameter_invalid_integer", param="amount")
    currencies.check_charge(params["amount"], code, "Amount", "amount")
    if "off_session" in params and not params.get("confirm"):
        message = "The parameter `off_session` cannot be passed when creating a PaymentIntent unless `confirm` is true."
        raise StripeError(400, message, param="off_session")


def create(call: Call) -> Body:
    """POST /v1/payment_intents."""
    params, customer = call.params, call.params.get("customer")
    if customer:
        documents.named(call, customers.KIND, customers.KIND, customer, "customer")
    method = _method(call, params.get("payment_method"), customer)
    automatic = params.get("automatic_payment_methods") or {"enabled": True}
    made = payments.open_intent(
        call, params["amount"], params["currency"].lower(), customer=customer, later=False,
        status="requires_confirmation" if method else "requires_payment_method", payment_method=method,
        metadata=merged_metadata({}, params.get("metadata")),
        automatic_payment_methods={"allow_redirects": "always", **automatic},
        **{name: params.get(name) or None for name in _KEPT},
    )  # fmt: skip
    return _confirmed(call, made["id"], params) if params.get("confirm") else made


def _method(call: Call, method: str | None, customer: str | None) -> str | None:
    if method in payment_methods.METHODS:
        return payment_methods.of_test_card(call, str(method))
    if method:
        payment_methods.check_usable(call, method, customer or "", "payment_method")
    return method or None


def update(call: Call) -> Body:
    """POST /v1/payment_intents/{id}: nothing of one that is under way or at its end but its metadata."""
    old, params = documents.present(call, payments.INTENT, payments.INTENT), call.params
    if old.body["status"] not in CONFIRMABLE and set(params) - {"metadata", "description", "expand"}:
        raise _unexpected(old.body, "updated")
    new = {**old.body, **{name: params[name] or None for name in _KEPT if name in params}}
    if "amount" in params:
        currencies.check_charge(params["amount"], old.body["currency"], "Amount", "amount")
        new["amount"] = params["amount"]
    if "metadata" in params:
        new["metadata"] = merged_metadata(old.body["metadata"], params["metadata"])
    if params.get("payment_method"):
        new["payment_method"] = _method(call, params["payment_method"], old.body["customer"])
        new["status"] = "requires_confirmation"
    return documents.change(call, old, new)


def confirm(call: Call) -> Body:
    """POST /v1/payment_intents/{id}/confirm."""
    return _confirmed(call, call.id, call.params)


def _confirmed(call: Call, id: str, params: Body) -> Body:
    old = documents.named(call, payments.INTENT, payments.INTENT, id, "intent")
    if old.body["status"] not in CONFIRMABLE:
        raise _unexpected(old.body, "confirmed")
    method = _method(call, params.get("payment_method"), old.body["customer"]) or old.body["payment_method"]
    if method is None:
        message = (
            "You cannot confirm this PaymentIntent because it's missing a payment method. You can either update the "
            "PaymentIntent with a payment method and then confirm it again, or confirm it again directly with a "
            "payment method or ConfirmationToken."
        )
        raise StripeError(400, message, code="payment_intent_unexpected_state")
    outcome = payment_methods.outcome(call, method)
    kind = "us_bank_account" if outcome == "processing" else "card"
    documents.change(call, old, {**old.body, "payment_method": method, "payment_method_types": [kind]})
    if outcome == "succeeded":
        return payments.succeed(call, id, Payer())
    if outcome == "processing":
        return payments.process(call, id, Payer())
    if outcome == "action" and not params.get("off_session"):
        # Stripe.js shows the bank's page itself.
        return _to_authenticate(call, id, None if params.get("use_stripe_sdk") else params.get("return_url"))
    raise _declined(call, id, method, "authentication_required" if outcome == "action" else "card_declined")


def _to_authenticate(call: Call, id: str, back: str | None) -> Body:
    """The customer is there, and the bank wants to see them."""
    old = documents.named(call, payments.INTENT, payments.INTENT, id, "intent")
    action: Body = {"type": "use_stripe_sdk", "use_stripe_sdk": {"type": "three_d_secure_redirect"}}
    if back:
        url = f"{call.base}authenticate/{old.body['client_secret']}"
        action = {"type": "redirect_to_url", "redirect_to_url": {"return_url": back, "url": url}}
    new = {**old.body, "status": "requires_action", "next_action": action}
    return documents.change(call, old, new, event="payment_intent.requires_action")


def _declined(call: Call, id: str, method: str, code: str) -> Declined:
    """A failed attempt: what it leaves is kept, and the answer is an error (source: Stripe docs, off-session)."""
    shown = documents.shown_by_id(call, payment_methods.KIND, method)
    intent = payments.fail(call, id, Payer(), method=shown, code=code)
    last = intent["last_payment_error"]
    more = {name: last[name] for name in ("charge", "decline_code", "payment_method") if name in last}
    return Declined(last["message"], code=code, payment_intent=intent, **more)


def cancel(call: Call) -> Body:
    """POST /v1/payment_intents/{id}/cancel: of whatever has not succeeded."""
    old = documents.present(call, payments.INTENT, payments.INTENT)
    if old.body["status"] not in (*CONFIRMABLE, "requires_capture"):
        raise _unexpected(old.body, "canceled")
    return payments.cancel(call, call.id, call.params.get("cancellation_reason"))


def end_as(call: Call, id: str, outcome: Outcome) -> Body:
    """What a customer, a bank or somebody in the dashboard does with a payment that is not at its end."""
    found = call.world.store.get(call.scope, payments.INTENT, id)
    if found is None:
        raise LookupError(f"no payment intent {id!r}")
    status = found.body["status"]
    if status in ("succeeded", "canceled") or (status == "processing" and outcome == "canceled"):
        raise Impossible(f"the payment intent {id} is {status}: it cannot be {outcome}")
    if outcome == "canceled":
        return payments.cancel(call, id, None)
    if outcome == "succeeded":
        return payments.succeed(call, id, Payer())
    return _unauthenticated(call, id) if status == "requires_action" else payments.fail(call, id, Payer())


def _unauthenticated(call: Call, id: str) -> Body:
    """The bank does not believe who is there: no charge, and the intent takes another method (source: Stripe docs,
    error codes).
    """
    old, code = documents.named(call, payments.INTENT, payments.INTENT, id, "intent"), UNAUTHENTICATED
    message = (
        "The provided PaymentMethod has failed authentication. You can provide payment_method_data or a new "
        "PaymentMethod to attempt to fulfill this PaymentIntent again."
    )
    error: Body = {
        "code": code, "doc_url": f"https://docs.stripe.com/error-codes/{code.replace('_', '-')}", "message": message,
        "payment_method": documents.shown_by_id(call, payment_methods.KIND, old.body["payment_method"]),
        "type": "invalid_request_error",
    }  # fmt: skip
    new = {
        "status": "requires_payment_method",
        "next_action": None,
        "payment_method": None,
        "last_payment_error": error,
    }
    return documents.change(call, old, {**old.body, **new}, event="payment_intent.payment_failed")


def _unexpected(intent: Body, done: str) -> StripeError:
    message = (
        f"This PaymentIntent's status is {intent['status']}: it could not be {done} because only a PaymentIntent with "
        f"one of the following statuses may be {done}: {', '.join(CONFIRMABLE)}."
    )
    return StripeError(400, message, code="payment_intent_unexpected_state", payment_intent=intent)
