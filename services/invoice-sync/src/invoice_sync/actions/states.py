"""Where an invoice stands in Stripe is read as a whole, and Togai's invoice says so. No money moves."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any, cast

from shared.apps.stripe.client import StripeApp
from shared.apps.togai.client import TogaiApp
from shared.domains.invoices import INVOICE, INVOICE_INTENT, INVOICE_PAYMENT
from shared.domains.invoices.intents import TRIGGERS
from shared.domains.invoices.stripe import InvoiceSnapshot, StripeFact, StripeInvoiceNamed
from shared.domains.invoices.togai import InvoiceToRecord, Recorded
from shared.errors import NotFound, NotLinked, Waiting
from shared.events.envelope import Origin
from shared.flows.recheck import recheck_requested, replayed
from shared.identity import Ref
from shared.runtime.actions import Context, Ended, Result

from invoice_sync.actions.holding import BY_HAND
from invoice_sync.actions.invoices import OWNER
from invoice_sync.actions.payments import INTENTS, OPEN, check_version, pair_of, source_of, uncounted, with_payments
from invoice_sync.decide import balance_left, moved_by_balance, overdue_since, payments_of, tax_of
from invoice_sync.states import Facts, becomes, gathered, outcome_of

OF_PAYMENTS = "/v1/invoice_payments"


async def read(context: Context, wanted: StripeInvoiceNamed) -> Result:
    """Everything that belongs to the invoice, as it is now. Raises Ended for one that none of Togai's stands behind,
    and for an event that was appended again under its invoice.
    """
    check_version(wanted.unknown_version)
    client: StripeApp = await context.client("stripe")
    if not wanted.invoice_id:
        await _append_again(context, client, wanted)
    pair = pair_of(context, wanted.invoice_id)
    if wanted.is_paid and not pair.reason:
        raise Ended("skipped", "paid, and no words of it stand in Togai: its payments say it all", pair.refs)
    try:
        invoice = await with_payments(client, wanted.invoice_id)
    except NotFound as error:
        raise Ended("skipped", f"draft {wanted.invoice_id} was deleted in Stripe", pair.refs) from error
    facts, kept = gathered([one async for one in objects_of(client, invoice)]), await _kept_balance(client, invoice)
    snapshot = _snapshot(invoice, facts, kept, Ref.parse(pair.source).id)
    words = f": {snapshot.recorded}" if snapshot.recorded else ""
    return Result(snapshot, False, (f"it is {snapshot.state}{words}",), pair.refs)


def _snapshot(invoice: dict[str, Any], facts: Facts, kept_balance: int, invoice_id: str) -> InvoiceSnapshot:
    currency, overpaid = str(invoice["currency"]).upper(), int(invoice.get("amount_overpaid") or 0)
    refused = str((invoice.get("last_finalization_error") or {}).get("message") or "")
    found = outcome_of(
        facts,
        currency,
        overpaid=overpaid,
        finalization_error=refused,
        kept_balance=kept_balance,
        overdue_since=overdue_since(invoice, time.time()),
    )
    return InvoiceSnapshot(
        invoice_id=invoice_id,
        stripe_invoice_id=str(invoice["id"]),
        recorded=found.recorded,
        status=found.status,
        currency=currency,
        state=found.state,
        number=str(invoice.get("number") or ""),
        url=str(invoice.get("hosted_invoice_url") or ""),
        total=int(invoice["total"]),
        tax=tax_of(invoice),
        due_date=invoice.get("due_date"),
        paid=found.paid,
        refunded=found.refunded,
        disputed=found.disputed,
        credited=found.credited,
        overpaid=overpaid,
        facts=[StripeFact.model_validate(fact._asdict()) for fact in facts.values() if fact.kind != "invoice"],
    )


async def _kept_balance(client: StripeApp, invoice: dict[str, Any]) -> int:
    """What of its customer's balance a void invoice used and Stripe did not give back, in minor units: credit, or below
    zero what was owed from before.
    """
    if invoice["status"] != "void" or not moved_by_balance(invoice):
        return 0
    path = f"/v1/customers/{invoice['customer']}/balance_transactions"
    return balance_left([one async for one in client.listed(path, {})], str(invoice["id"]))


async def _append_again(context: Context, client: StripeApp, wanted: StripeInvoiceNamed) -> None:
    """An event that names a payment goes on as the same event under the invoice that it paid: one invoice, one queue.
    Raises Ended, whatever was found.
    """
    kind, payment = _payment_of(wanted)
    intent = context.ref("stripe", "payment_intent", payment)
    if kind == "payment_intent" and context.claims_of(INVOICE_INTENT.name).index.pair(intent):
        await _append_under(context, intent, TRIGGERS[0].name)
        raise Ended("skipped", f"{payment} collects an invoice by itself: the event goes on under it", (intent,))
    params = {"payment[type]": kind, f"payment[{kind}]": payment}
    found = {str(row["invoice"]): None async for row in client.listed(OF_PAYMENTS, params)}
    if not found:
        raise Ended("skipped", f"{payment} paid no invoice")
    refs = [context.ref("stripe", "invoice", name) for name in found]
    known = [ref for ref in refs if context.claims_of(INVOICE.name).index.pair(ref)]
    if not known:
        raise Ended("skipped", f"no invoice of Togai stands behind {', '.join(found)}", tuple(refs))
    for ref in known:
        await _append_under(context, ref, context.run.event_type)
    raise Ended("skipped", f"{payment} paid {', '.join(found)}: the event goes on under it", tuple(known))


async def _append_under(context: Context, ref: str, event_type: str) -> None:
    run, topics = context.run, context.topics
    topic = (topics.replay if run.origin in BY_HAND else topics.events)(context.domain.noun)
    name, now = f"{run.event}-{Ref.parse(ref).id}", datetime.now(UTC)
    again = replayed(ref, event_type, name, run.connection, now, cause=run.id, origin=cast(Origin, run.origin))
    await context.send_event(topic, again)


def _payment_of(wanted: StripeInvoiceNamed) -> tuple[str, str]:
    if wanted.payment_intent:
        return "payment_intent", wanted.payment_intent
    return "charge", wanted.charge


async def objects_of(client: StripeApp, invoice: dict[str, Any]) -> AsyncIterator[dict[str, Any]]:
    """The invoice and what belongs to it. Refunds and disputes are looked for where something was paid, attempts where
    something was not.
    """
    yield invoice
    if invoice.get("pre_payment_credit_notes_amount") or invoice.get("post_payment_credit_notes_amount"):
        async for note in client.listed("/v1/credit_notes", {"invoice": invoice["id"]}):
            yield note
    for one in (invoice.get("payments") or {}).get("data") or ():
        payment = one.get("payment") or {}
        kind = str(payment.get("type"))
        yield one
        if one.get("status") == "open" and invoice["status"] == "open" and kind == "payment_intent":
            yield await client.retrieve(INTENTS, str(payment[kind]))
        if one.get("status") != "paid" or kind not in ("payment_intent", "charge"):
            continue
        async for found in money_back(client, kind, str(payment[kind])):
            yield found


async def money_back(client: StripeApp, kind: str, payment: str) -> AsyncIterator[dict[str, Any]]:
    """The refunds and disputes of a payment intent or charge."""
    for path in ("/v1/refunds", "/v1/disputes"):
        async for found in client.listed(path, {kind: payment}):
            yield {"object": path.removeprefix("/v1/").removesuffix("s"), **found}


async def objects_of_intent(client: StripeApp, intent: dict[str, Any], *, ask: bool) -> AsyncIterator[dict[str, Any]]:
    """A payment intent that shows its latest charge, and what belongs to it, as if an invoice had it. Refunds and
    disputes are looked for where the charge tells of some, or where that is asked for.
    """
    name, charge = str(intent["id"]), intent.get("latest_charge") or {}
    paid = "paid" if intent["status"] == "succeeded" else "open"
    yield {"object": "invoice", "id": name, "status": paid, "total": intent["amount"]}
    yield {"object": "invoice_payment", "id": name, "status": paid, "amount_paid": intent["amount_received"]}
    if ask or charge.get("amount_refunded") or charge.get("disputed"):
        async for found in money_back(client, "payment_intent", name):
            yield found


async def record(context: Context, news: InvoiceToRecord) -> Result:
    """What Togai has no status for is written to the invoice's Settings, then its status is moved along the written
    table. Raises Waiting where people decide, or where the payment is to be counted first.
    """
    client: TogaiApp = await context.client("togai")
    name, refs = context.settings.stripe_invoice_state_setting, (context.ref("togai", "invoice", news.invoice_id),)
    await _remember(context, news)
    before = await client.set_setting(name, news.recorded, OWNER, news.invoice_id)
    if before is not None:
        await _tell_who_waits(context, refs[0])
    notes = [] if before is None else [f"{name}: {news.recorded or 'nothing'}" + (f", was: {before}" if before else "")]
    status = ""
    if news.status:
        now = str((await client.invoice(news.invoice_id)).get("status"))
        if becomes(now, news.status):
            await client.update_invoice(news.invoice_id, news.status)
            status = news.status
            notes.append(f"{now} -> {status}")
        else:
            await _check_is_no_matter(context, news, now)
            notes.append(f"it is {now} in Togai, and stays so")
    written = before is not None
    return Result(Recorded(written=written, status=status), written or bool(status), tuple(notes), refs)


async def _tell_who_waits(context: Context, invoice: str) -> None:
    """News of Togai's invoice, which no event of Togai brings: a run of it may wait for a refund in Stripe."""
    event_id, now = f"{context.run.event}-{Ref.parse(invoice).id}", datetime.now(UTC)
    news = recheck_requested(invoice, event_id, context.connection("togai"), now, cause=context.run.id)
    await context.send_event(context.topics.events(context.domain.noun), news)


async def _remember(context: Context, news: InvoiceToRecord) -> None:
    """That words stand in the Settings is known without a call, before they are written: what is paid at the first
    attempt says nothing of itself, and takes them away.
    """
    claims = context.claims_of(INVOICE.name)
    name = news.stripe_invoice_id
    pair = claims.index.pair(context.ref("stripe", "invoice", name)) if name else None
    if pair and pair.state == "linked" and pair.reason != news.recorded:
        await claims.explain(pair, news.recorded)


async def _check_is_no_matter(context: Context, news: InvoiceToRecord, now: str) -> None:
    """Raises NotLinked for a payment that is to be counted first, Waiting where Togai's status cannot stay as it is,
    and is not ours to move.
    """
    if news.status == "REFUND_INITIATED" and now in OPEN:
        why = f"{news.stripe_invoice_id} was refunded, and its payment is not counted in Togai yet"
        # Its run may wait, and goes on without an event that would wake this one.
        invoice = await with_payments(await context.client("stripe"), news.stripe_invoice_id)
        for payment in uncounted(context, payments_of(invoice)):
            ref = source_of(context, payment)
            raise NotLinked(f"{why}: this goes on when it is", INVOICE_PAYMENT.name, ref, code="not_counted")
        raise Waiting(f"{why}: this goes on when it is", code="not_counted")
    done = {"VOID": "voided", "UN_COLLECTIBLE": "given up"}.get(news.status)
    if done and now == "PARTIALLY_PAID":
        raise Waiting(
            f"{news.stripe_invoice_id} was {done} in Stripe, and a part of {news.invoice_id} is paid in Togai, where "
            "such an invoice can only be paid: close it there by hand",
            code="void_and_paid",
        )
