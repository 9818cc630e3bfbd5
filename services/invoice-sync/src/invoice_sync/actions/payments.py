"""What was paid of an invoice in Stripe is counted in Togai, once under each transaction number."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from shared.apps.stripe.client import API_VERSION, StripeApp
from shared.apps.togai.client import TogaiApp
from shared.domains.invoices import INVOICE, INVOICE_INTENT, INVOICE_PAYMENT
from shared.domains.invoices.flows import INVOICE_TO_STRIPE
from shared.domains.invoices.stripe import StripeInvoiceId
from shared.domains.invoices.togai import Counted, InvoicePaid, InvoicePayment
from shared.errors import Rejected, Waiting
from shared.identity import Ref
from shared.linking.mappings import Mapping
from shared.runtime.actions import Context, Ended, Result
from shared.runtime.creating import UnkeyedCreation, create

from invoice_sync.actions.filling import INVOICES
from invoice_sync.actions.groups import payers_of
from invoice_sync.decide import amounts_of, balance_of, moved_by_balance, payments_of, unpaid_of
from shared import money

OPEN = ("DUE", "PARTIALLY_PAID", "UN_COLLECTIBLE")
"""Statuses in which Togai takes a payment."""
SETTLED = ("PAID", "REFUND_INITIATED", "REFUND_COMPLETED")
INTENTS = "/v1/payment_intents"


async def read(context: Context, wanted: StripeInvoiceId) -> Result:
    """What was paid so far. Raises Ended for an invoice that none of Togai's stands behind."""
    check_version(wanted.unknown_version)
    pair = pair_of(context, wanted.stripe_invoice_id)
    invoice = await with_payments(await context.client("stripe"), wanted.stripe_invoice_id)
    payments = payments_of(invoice)
    found = InvoicePaid(
        invoice_id=Ref.parse(pair.source).id,
        stripe_invoice_id=wanted.stripe_invoice_id,
        currency=str(invoice["currency"]).upper(),
        status=str(invoice["status"]),
        overpaid=int(invoice.get("amount_overpaid") or 0),
        carried=max(0, moved_by_balance(invoice)),
        unpaid=unpaid_of(invoice, payments),
        payments=payments,
    )
    return Result(found, False, (), pair.refs)


def check_version(unknown: str) -> None:
    """Raises Waiting for an event of an API version that this one does not read: nothing is guessed from its shape."""
    if unknown:
        raise Waiting(
            f"the event has Stripe's API version {unknown}, which this Tandem does not read: set the webhook endpoint "
            f"to {API_VERSION}, or update Tandem, then retry",
            code="api_version",
        )


def pair_of(context: Context, stripe_invoice_id: str) -> Mapping:
    """The pair of a Stripe invoice. Raises Ended for one that none of Togai's stands behind."""
    ref = context.ref("stripe", "invoice", stripe_invoice_id)
    pair = context.claims_of(INVOICE.name).index.pair(ref)
    if pair is None:
        raise Ended("skipped", "no invoice of Togai stands behind it", (ref,))
    if Ref.parse(pair.source).account != context.account("togai"):
        raise Ended("skipped", f"{pair.source} is not at {context.account('togai')}", (ref,))
    return pair


async def with_payments(client: StripeApp, stripe_invoice_id: str) -> dict[str, Any]:
    """A Stripe invoice that shows all its payments. Raises NotFound."""
    invoice = await client.retrieve(INVOICES, stripe_invoice_id, {"expand[]": "payments"})
    if not (invoice.get("payments") or {}).get("has_more"):
        return invoice
    every = [row async for row in client.listed("/v1/invoice_payments", {"invoice": stripe_invoice_id})]
    return invoice | {"payments": {"data": every}}


async def pay(context: Context, paid: InvoicePaid) -> Result:
    """Each payment that Togai does not have is counted there, never beyond what is open. The rest of an invoice that
    Stripe holds for paid is closed too, under a number that says so. Raises Waiting for one that takes no payment.
    """
    client: TogaiApp = await context.client("togai")
    left = uncounted(context, paid.payments)
    if not left and (paid.status != "paid" or is_counted(context, balance_of(paid.stripe_invoice_id, 0))):
        return Result(Counted(payments={}, amounts={}), False, ("counted already",), (_invoice(context, paid),))
    invoice = await client.invoice(paid.invoice_id)
    amounts, status = amounts_of(invoice), str(invoice["status"])
    _check_takes_payments(status, amounts.currency, paid, left)
    is_left = status in OPEN and amounts.rest > 0
    if not (left or is_left or is_open(context, balance_of(paid.stripe_invoice_id, 0))):
        return Result(Counted(payments={}, amounts={}), False, ("counted already",), (_invoice(context, paid),))
    payers = await payers_of(client, invoice)
    # A home that did not make it does not know what an earlier one, or Togai's own integration, has counted.
    looks = amounts.paid > 0 and not _was_made_here(context, paid)
    counting = Counting(context, client, paid, payers, amounts.rest if is_left else Decimal(0), looks=looks)
    for payment in left:
        await counting.count(payment)
    if paid.status == "paid":
        await _close_rest(context, paid, counting)
    return counting.result()


async def _close_rest(context: Context, paid: InvoicePaid, counting: Counting) -> None:
    """What no payment covers is closed as far as Stripe's invoice came to it. Raises Waiting for what it never asked
    for: somebody took it off in Stripe. What a subscription covers was left out, and is closed with the rest.
    """
    left = money.exact(counting.open, paid.currency)
    leaves_out = paid.unpaid is None or any(
        link.flow == INVOICE_TO_STRIPE.id and link.options.get("covered") == "exclude"
        for link in context.registry.links.values()
    )
    closed = left if leaves_out else min(left, paid.unpaid or 0)
    rest = balance_of(paid.stripe_invoice_id, closed)
    if closed > 0 or is_open(context, rest):
        await counting.count(rest)
    if left > closed:
        shown = f"{money.major(left - closed, paid.currency)} {paid.currency}"
        raise Waiting(
            f"{paid.stripe_invoice_id} is paid, and {shown} of {paid.invoice_id} are open that it never asked for: "
            "collect them by hand, or credit them in Togai",
            code="never_asked",
        )


def _was_made_here(context: Context, paid: InvoicePaid) -> bool:
    source = _invoice(context, paid)
    pairs = (context.claims_of(one.name).index.pair(source) for one in (INVOICE, INVOICE_INTENT))
    return any(pair is not None and pair.is_made for pair in pairs)


def _invoice(context: Context, paid: InvoicePaid) -> str:
    return context.ref("togai", "invoice", paid.invoice_id)


def source_of(context: Context, payment: InvoicePayment) -> str:
    """What its claim is named by: one number is one payment, whichever flow counts it. That of a person's flow may be
    linked with Togai alone.
    """
    own, here = context.account("stripe" if "stripe" in context.link.connections else "togai"), context.account("togai")
    index, known = context.claims_of(INVOICE_PAYMENT.name).index, context.registry.connections.values()
    others = sorted({connection.app_account for connection in known if connection.app == "stripe"} | {here})
    refs = [f"{account}/payment/{payment.transaction}" for account in (own, *others)]
    held = ((ref, index.claim_of(ref, here)) for ref in refs)
    return next((ref for ref, one in held if one and one.state != "withdrawn"), refs[0])


def uncounted(context: Context, payments: list[InvoicePayment]) -> list[InvoicePayment]:
    """Those that have no payment in Togai."""
    return [one for one in payments if not is_counted(context, one)]


def is_counted(context: Context, payment: InvoicePayment) -> bool:
    return context.claims_of(INVOICE_PAYMENT.name).index.pair(source_of(context, payment)) is not None


def is_open(context: Context, payment: InvoicePayment) -> bool:
    """Whether its claim was left behind: what was made under it is still to be linked."""
    return context.claims_of(INVOICE_PAYMENT.name).index.open_claim(source_of(context, payment)) is not None


def _check_takes_payments(status: str, currency: str, paid: InvoicePaid, left: list[InvoicePayment]) -> None:
    if currency != paid.currency:
        raise Waiting(
            f"invoice {paid.invoice_id} is in {currency} and was paid in {paid.currency}: count it by hand",
            code="currency",
        )
    if left and status not in (*OPEN, *SETTLED):
        numbers = ", ".join(one.transaction for one in left)
        raise Waiting(
            f"invoice {paid.invoice_id} is {status} in Togai, and {numbers} paid it in Stripe: refund the payment, or "
            "bring the invoice back to DUE",
            code="not_open",
        )


class _NothingOpen(Exception):
    """What an earlier attempt claimed was not made by it, and is not open any more."""


class Counting:
    """Counts one payment after the other, and how much stays open. With `looks` Togai may have any of them already."""

    def __init__(
        self,
        context: Context,
        client: TogaiApp,
        paid: InvoicePaid,
        payers: Sequence[str],
        rest: Decimal,
        *,
        looks: bool = False,
    ) -> None:
        self._context = context
        self._client = client
        self._paid = paid
        self._payers = payers
        self.open = rest
        self._looks = looks
        self._known: dict[str, Decimal | int] = {
            "{} of it was owed from before: Stripe asked for the customer's balance with this invoice": paid.carried,
            "{} more than was open stays in Stripe's customer balance": paid.overpaid,
        }
        self._counted = Counted(payments={}, amounts={})
        self._notes: list[str] = []
        self._refs = [_invoice(context, paid)]

    async def count(self, payment: InvoicePayment) -> None:
        """Post a payment, as far as it is open. Raises the client's errors, NotReady."""
        context, claims = self._context, self._context.claims_of(INVOICE_PAYMENT.name)
        source, resumed = source_of(context, payment), is_open(context, payment)
        amount = min(self._whole(payment), self.open)
        there = await self._client.payment_of(payment.transaction) if self._looks and not resumed else None
        if amount <= 0 and not (resumed or there):
            self._nothing_open(payment)
            return
        body = payment_body(self._payers[0], self._paid, payment, amount)
        held = await claims.claim(
            source, action="togai.invoice.pay", app_account=context.account("togai"), body=body, run=context.run.id
        )
        if held.state != "claimed":
            return
        made, how = there or {}, "found there"
        if not there:
            try:
                made, how = await self._made(held, payment, body, resumed=resumed)
            except _NothingOpen:
                await claims.withdraw(held, "nothing was open any more")
                self._nothing_open(payment)
                return
        pair = await claims.link(held, context.ref("togai", "payment", str(made["id"])), "created")
        self._tell(payment, str(made["id"]), money.decimal(made["totalAmount"]), how)
        self._refs += pair.refs

    async def _made(
        self, held: Mapping, payment: InvoicePayment, body: dict[str, Any], *, resumed: bool
    ) -> tuple[dict[str, Any], str]:
        """The payment, posted as far as it is open now: less may be than when an earlier attempt wrote its claim."""
        assert held.claim
        context = self._context
        creation = UnkeyedCreation(
            lambda _: self._post(body),
            lambda: self._client.payment_of(payment.transaction),
            opened_at=held.claim.opened_at if resumed else "",
        )
        return await create(context.claims_of(INVOICE_PAYMENT.name), held, context.account("togai"), creation)

    def _whole(self, payment: InvoicePayment) -> Decimal:
        return money.major(payment.amount, self._paid.currency)

    def _nothing_open(self, payment: InvoicePayment) -> None:
        left = self._left_over(payment, self._whole(payment))
        self._notes.append(f"{payment.transaction}: nothing is open in Togai: {left}")

    async def _post(self, body: dict[str, Any]) -> dict[str, Any]:
        """A payment names one account. Of a group's, the first that Togai takes: which one it does, it does not say.
        Raises the client's errors, the last refusal where it takes none, _NothingOpen.
        """
        if money.decimal(body["totalAmount"]) <= 0:
            raise _NothingOpen
        *others, last = self._payers
        for account in others:
            try:
                return await self._posted(body | {"accountId": account})
            except Rejected as error:
                self._notes.append(f"Togai takes no payment of it by account {account}: {error.message}")
        return await self._posted(body | {"accountId": last})

    async def _posted(self, body: dict[str, Any]) -> dict[str, Any]:
        """What was there before is no part of what was open; what is made now is."""
        made = await self._client.create_payment(body)
        self.open -= money.decimal(made["totalAmount"])
        return made

    def _tell(self, payment: InvoicePayment, made: str, amount: Decimal, how: str) -> None:
        self._counted.payments[payment.transaction] = made
        self._counted.amounts[payment.transaction] = f"{amount:f}"
        # Whoever goes on with a claim may find less to be open than it counts.
        surplus = self._left_over(payment, max(self._whole(payment) - amount, Decimal(0)))
        over = f"; {surplus}" if surplus else ""
        self._notes.append(f"{payment.transaction}: {amount} {self._paid.currency} counted, {how}{over}")

    def _left_over(self, payment: InvoicePayment, amount: Decimal) -> str:
        """What becomes of money that Togai has nothing open for: each reason explains no more than its own amount."""
        said, left = [], money.minor(amount, self._paid.currency)
        for words, explained in self._known.items():
            part = min(left, Decimal(explained))
            self._known[words] = explained - part
            left -= part
            said += [words.format(money.major(part, self._paid.currency))] if part else []
        if left:
            owed = money.major(left, self._paid.currency)
            # Of one that it did not make, Togai may count the same money under another number.
            self._counted.owed.update({} if self._looks else {payment.transaction: int(left)})
            said.append(f"{owed} was paid elsewhere before, and is owed to the customer: refund it in Stripe")
        return "; ".join(said)

    def result(self) -> Result:
        effect = bool(self._counted.payments)
        return Result(self._counted, effect, tuple(self._notes), tuple(self._refs))


def payment_body(account: str, paid: InvoicePaid, payment: InvoicePayment, amount: Decimal) -> dict[str, Any]:
    """The body of Togai's POST /payments; amounts are texts, as a claim holds them."""
    words = {
        "paid": f"Paid in {paid.source.capitalize()}",
        "balance": "Closed in Stripe without a payment: balance, credit or out of band",
    }
    return {
        "accountId": account,
        "currency": paid.currency,
        "totalAmount": f"{amount:f}",
        "description": words[payment.kind],
        "notes": paid.stripe_invoice_id or payment.transaction,
        "externalPaymentReference": {
            "sourceName": paid.source,
            "sourceType": "GATEWAY",
            "transactionNumber": payment.transaction,
            "metadata": {"stripe_invoice": paid.stripe_invoice_id} if paid.stripe_invoice_id else {},
        },
        "lineItemRecords": [{"type": "INVOICE", "togaiId": paid.invoice_id, "order": 1, "amount": f"{amount:f}"}],
    }
