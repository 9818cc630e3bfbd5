"""The control API's part of people who pay at Stripe's pages."""

from __future__ import annotations

import random
from decimal import Decimal
from typing import Any

from starlette.requests import Request
from starlette.routing import Route

from sandbox import mail
from sandbox.control import bodies
from sandbox.control.requests import ControlError, Run, answering, read, tenant_of
from sandbox.identifiers import stripe_id
from sandbox.store import Json
from sandbox.stripe_api import (
    checkout,
    currencies,
    discounts,
    disputes,
    invoice_payments,
    invoices,
    outbox,
    payment_intents,
    refunds,
    sessions,
    subscriptions,
)
from sandbox.stripe_api.calls import Call
from sandbox.stripe_api.checkout import Visitor
from sandbox.stripe_api.events import shuffled
from sandbox.tenants import Tenant
from sandbox.world import World


def catch_up(world: World, base: str) -> None:
    """Does what Stripe does by itself as time goes by: sessions expire, drafts that advance are finalized."""
    for tenant in world.tenants.all():
        if tenant.app == "stripe":
            with world.store.transaction():
                sessions.expire_due(call_of(world, tenant, base))
                invoices.advance_due(call_of(world, tenant, base))
                subscriptions.end_due(call_of(world, tenant, base))


def call_of(world: World, tenant: Tenant, base: str, id: str = "") -> Call:
    """A call that no request of the API makes: its events name no request."""
    return Call(world, tenant, {}, id, None, None, base)


def chance(shuffle: bool | int) -> random.Random | None:
    """The order in which events are sent: None for the usual one; a number is the seed of another one."""
    return None if shuffle is False else random.Random(None if shuffle is True else shuffle)


class Payments:
    """Answers what people do at payment pages."""

    def __init__(self, world: World) -> None:
        self._world = world

    def routes(self) -> list[Route]:
        """The routes below `/control`."""
        table: list[tuple[str, str, Run]] = [
            ("POST", "/stripe/checkout", self.checkout), ("POST", "/stripe/invoices/{id}/pay", self.pay_invoice),
            ("POST", "/stripe/disputes", self.dispute), ("POST", "/stripe/refunds/{id}", self.end_refund),
            ("POST", "/stripe/payment_intents/{id}", self.end_payment),
            ("POST", "/stripe/subscriptions/{id}", self.put_subscription), ("GET", "/outbox", self.show_outbox),
            ("POST", "/stripe/customers/{id}", self.put_discount), ("GET", "/mails", self.show_mails),
        ]  # fmt: skip
        return [Route(path, answering(run), methods=[method]) for method, path, run in table]

    def _call(self, request: Request, account: str) -> Call:
        return call_of(self._world, tenant_of(self._world, account, "stripe"), self._world.address(request))

    async def checkout(self, request: Request) -> Json:
        """Plays what somebody does at a checkout page."""
        body = await read(request, bodies.Checkout)
        call = self._call(request, body.account)
        try:
            with self._world.store.transaction(), shuffled(call, chance(body.shuffled)):
                session: dict[str, Any] = {"id": body.session}
                if body.payment_link:
                    session = checkout.visited(call, body.payment_link, body.client_reference_id, body.email)
                visitor = Visitor(body.email, body.name, body.quantity)
                session = checkout.resolve(call, str(session["id"]), body.outcome, visitor)
        except LookupError as error:
            raise ControlError(404, str(error)) from error
        return {"session": session["id"], "status": session["status"], "payment_status": session["payment_status"]}

    async def pay_invoice(self, request: Request) -> Json:
        """Plays what a customer does at the page of an invoice."""
        body, id = await read(request, bodies.InvoicePayment), request.path_params["id"]
        call = self._call(request, body.account)
        try:
            with self._world.store.transaction(), shuffled(call, chance(body.shuffled)):
                invoice = invoice_payments.pay_as(call, id, body.outcome, minor(call, id, body.amount))
        except LookupError as error:
            raise ControlError(404, str(error)) from error
        names = ("status", "amount_paid", "amount_remaining", "amount_overpaid")
        return {"invoice": id, **{name: invoice[name] for name in names}}

    async def end_payment(self, request: Request) -> Json:
        """Plays what becomes of a payment intent without a call of the API."""
        body, id = await read(request, bodies.PaymentEnd), request.path_params["id"]
        call = self._call(request, body.account)
        try:
            with self._world.store.transaction(), shuffled(call, chance(body.shuffled)):
                return {"payment_intent": id, "status": payment_intents.end_as(call, id, body.outcome)["status"]}
        except LookupError as error:
            raise ControlError(404, str(error)) from error

    async def dispute(self, request: Request) -> Json:
        """Plays what the payer's bank does."""
        body = await read(request, bodies.Dispute)
        call = self._call(request, body.account)
        try:
            with self._world.store.transaction(), shuffled(call, chance(body.shuffled)):
                found = disputes.act(call, body.charge, body.outcome)
        except LookupError as error:
            raise ControlError(404, str(error)) from error
        return {"dispute": found["id"], "status": found["status"], "amount": found["amount"]}

    async def end_refund(self, request: Request) -> Json:
        """Plays what becomes of a refund at the bank."""
        body, id = await read(request, bodies.RefundEnd), request.path_params["id"]
        call = self._call(request, body.account)
        try:
            with self._world.store.transaction():
                return {"refund": id, "status": refunds.end(call, id, body.status)["status"]}
        except LookupError as error:
            raise ControlError(404, str(error)) from error

    async def put_subscription(self, request: Request) -> Json:
        """Plays what becomes of a subscription at Stripe without a call of the API."""
        body, id = await read(request, bodies.SubscriptionState), request.path_params["id"]
        discounts = [] if body.discounted is None else [stripe_id("di")] * body.discounted
        changes: Json = {"status": body.status} if body.status else {}
        changes |= {} if body.discounted is None else {"discounts": discounts}
        call = call_of(self._world, tenant_of(self._world, body.account, "stripe"), self._world.address(request), id)
        with self._world.store.transaction():
            found = subscriptions.put(call, changes, body.period_end)
        return {"subscription": id, "status": found["status"]}

    async def put_discount(self, request: Request) -> Json:
        """Plays a person who gives a customer a discount in Stripe's dashboard."""
        body, id = await read(request, bodies.CustomerDiscount), request.path_params["id"]
        call = call_of(self._world, tenant_of(self._world, body.account, "stripe"), self._world.address(request), id)
        with self._world.store.transaction():
            return {"customer": id, "discount": discounts.put(call, body.percent)["discount"]}

    async def show_outbox(self, request: Request) -> Json:
        """The mails that Stripe would have sent, the newest first."""
        tenant = tenant_of(self._world, request.query_params.get("account", ""), "stripe")
        return {"mails": [found.body for found in self._world.store.select(tenant.scope, outbox.KIND)]}

    async def show_mails(self, request: Request) -> Json:
        """The mails that Tandem sent, the newest first."""
        return {"mails": mail.mails(self._world)}


def minor(call: Call, invoice: str, amount: int | str | None) -> int | None:
    """An amount in the smallest unit of an invoice's currency; text with a point is in the currency itself."""
    if not isinstance(amount, str):
        return amount
    found = call.world.store.get(call.scope, invoices.KIND, invoice)
    exact = Decimal(amount).scaleb(currencies.decimals(found.body["currency"]) if found else 0)
    if exact != exact.to_integral_value():
        raise ValueError(f"{amount} has too many decimals")
    return int(exact)
