"""A paid checkout: the plan is attached, and what was paid is counted."""

from __future__ import annotations

from typing import Any

from shared.apps.stripe.client import StripeApp
from shared.apps.togai.client import TogaiApp
from shared.domains.plans import ATTACHED, CHECKOUT_PAYMENT
from shared.domains.plans.stripe import ACCOUNT, PAID, Paid, PaymentLeft
from shared.domains.plans.togai import Attach, Attached, CheckoutPayment, Posted, offer_id
from shared.errors import Conflict
from shared.runtime.actions import Context, Ended, Result
from shared.runtime.creating import UnkeyedCreation, create

from plan_sync.actions.account_plans import check_beside, plans_of
from plan_sync.actions.payment_links import SESSIONS
from plan_sync.actions.payments import state_of
from plan_sync.actions.schedules import AccountPlans, attached, holding, replaces, today_of
from plan_sync.decide import other_plan
from shared import money

DISCARDED = "Tandem's own draft of the account's schedules, which was not finalized, is discarded"
PAYMENT_INTENTS, CHARGES = "/v1/payment_intents", "/v1/charges"
UNPAID = "unpaid"


async def read_payment(context: Context, paid: Paid) -> Result:
    """What is left of the payment: an event that comes late or again, or that a worker started and died, may be older
    than a refund. Raises Ended where all was given back, and for one that pays an invoice: the flow of invoices counts
    that.
    """
    refs = _refs_of(context, paid)
    if paid.invoice_id:
        why = f"it pays invoice {paid.invoice_id} of Togai, and no plan: the flow of invoices counts it"
        raise Ended("skipped", why, (*refs, context.ref("togai", "invoice", paid.invoice_id)))
    client: StripeApp = await context.client("stripe")
    if paid.payment_status == UNPAID:
        await _check_waits(context, client, refs)
    if context.is_first or not paid.payment_intent:
        return Result(_left(paid, 0), False, refs=refs)
    intent = await client.retrieve(PAYMENT_INTENTS, paid.payment_intent)
    if not intent.get("latest_charge"):
        return Result(_left(paid, 0), False, refs=refs)
    refunded = int((await client.retrieve(CHARGES, str(intent["latest_charge"])))["amount_refunded"])
    if 0 < paid.amount <= refunded and not await _is_attached_before(context, paid.plan_id):
        gone = _taken_back(context, context.run.aggregate)
        raise Ended("skipped", f"the payment {paid.payment_intent} was refunded: nothing is attached{gone}", refs)
    notes = (f"{refunded} of {paid.amount} minor units were refunded",) if refunded else ()
    return Result(_left(paid, refunded), False, notes, refs)


async def _check_waits(context: Context, client: StripeApp, refs: tuple[str, ...]) -> None:
    """Raises Ended for a checkout whose payment has come, or has failed: what its own event led to stays as it is. An
    event that comes late would close the link that took the place of a failed one.
    """
    session = await client.retrieve(SESSIONS, context.id_of(context.run.aggregate))
    state, _ = await state_of(client, session, str(session.get("payment_intent") or ""))
    if state != "pending":
        raise Ended("skipped", f"its payment is {state} by now: the event of that does the rest", refs)


async def _is_attached_before(context: Context, plan: str) -> bool:
    """Whether the plan was attached under a claim that a death left open: it stays, and is linked. Where nothing was,
    the claim is withdrawn, else it would keep every other checkout of the account waiting.
    """
    claims, session = context.claims_of(ATTACHED.name), context.run.aggregate
    held = claims.index.open_claim(session)
    account = held.claim.match if held and held.claim else ""
    if not account or not await claims.is_winning_claim(session):
        return False
    plans = plans_of(context, await context.client("togai"), context.id_of(account))
    if holding(await plans.read(), plan, today_of(context)):
        return True
    await _take_back(context, session, plan, plans)
    return False


def _left(paid: Paid, refunded: int) -> PaymentLeft:
    return PaymentLeft(
        amount=paid.amount - refunded, refunded=refunded, payment_status=paid.payment_status, currency=paid.currency
    )


def _refs_of(context: Context, paid: Paid) -> tuple[str, ...]:
    """The payment, the link, and the offer: the run is found by them also where the plan cannot be attached."""
    refs = [context.ref("stripe", "payment_intent", paid.payment_intent)] if paid.payment_intent else []
    if paid.payment_link:
        refs.append(context.ref("stripe", "payment_link", paid.payment_link))
    if paid.plan_id and paid.account_id and paid.organization in ("", context.account("togai")):
        refs.append(context.ref("togai", "offer", offer_id(paid.plan_id, paid.account_id)))
    elif paid.plan_id and not paid.account_id:
        refs.append(context.ref("togai", "price_plan", paid.plan_id))
    return tuple(refs)


async def attach(context: Context, wanted: Attach) -> Result:
    """The account has the plan from today, or from tomorrow if Togai refuses today. Raises Ended for a checkout that is
    not paid, or of another organization, Conflict where the account has another plan from today on.
    """
    session = context.ref("stripe", "checkout.session", wanted.session_id)
    if wanted.organization not in ("", context.account("togai")):
        why = f"it paid for a plan of {wanted.organization}, and {context.link.id} works on {context.account('togai')}"
        raise Ended("skipped", why, (session,))
    account_ref = context.ref("togai", "account", wanted.account_id)
    if wanted.payment_status not in PAID:
        raise Ended("skipped", "it is not paid yet: its payment starts this again", (session, account_ref))
    claims, account = context.claims_of(ATTACHED.name), context.account("togai")
    client: TogaiApp = await context.client("togai")
    plans, today = plans_of(context, client, wanted.account_id), today_of(context)
    match = claims.match(account_ref)  # one at a time: two that look at once would each attach its plan
    schedules, resumed = await plans.read(), claims.index.open_claim(session) is not None
    subscription = (context.ref("stripe", "subscription", wanted.subscription),) if wanted.subscription else ()
    known = holding(schedules, wanted.plan_id, today)
    if known and not subscription and not claims.index.holders_of(session):
        return attached(known, False, ("the account has the plan already",), (session, account_ref), again=True)
    # What was attached before a death stays, whatever a person added since.
    replaced = "" if known and resumed else await _other_plan(context, wanted, plans, schedules)
    if not claims.index.holders_of(session) and not known:
        await plans.check_free()
    held = await claims.claim(
        session,
        action="togai.price_plan.attach",
        app_account=account,
        body=plans.noted(today),
        run=context.run.id,
        match=match,
    )
    if held.state != "claimed":
        done = Attached(schedule_id=context.id_of(held.target), since="")
        return Result(done, False, ("attached already",), held.refs)
    attaching = plans.attaching(wanted.plan_id, today, held, resumed=resumed)
    schedule, how = await create(claims, held, account, attaching)
    target = context.ref("togai", "schedule", str(schedule["id"]))
    intent = (context.ref("stripe", "payment_intent", wanted.payment_intent),) if wanted.payment_intent else ()
    pair = await claims.link(held, target, "created", also=(account_ref, *subscription, *intent))
    check_beside(plans, wanted.account_id, wanted.plan_id)
    again = known is not None and not resumed
    notes = [how, *([f"it takes the place of {replaced}"] if replaced else [])]
    if again:
        only = f"if {wanted.subscription} is not the only subscription that bills it, cancel one in Stripe"
        notes.append(f"the account had the plan before: {only}")
    offer = context.ref("togai", "offer", offer_id(wanted.plan_id, wanted.account_id))
    return attached(schedule, True, tuple(notes), (*pair.refs, account_ref, offer), again=again)


async def _other_plan(context: Context, wanted: Attach, plans: AccountPlans, schedules: list[dict[str, Any]]) -> str:
    """Another plan that the account has today or later, in words, which gives way; empty for none. Raises Conflict
    unless the flow link replaces: to take a plan from an account is a person's decision.
    """
    other = other_plan(schedules, wanted.plan_id, today_of(context).isoformat())
    if other and not replaces(context):
        session = context.ref("stripe", "checkout.session", wanted.session_id)
        await _take_back(context, session, wanted.plan_id, plans)
        raise Conflict(
            f"account {wanted.account_id} has {other}, and {wanted.plan_id} was paid for: take one of them off in "
            f"Togai, or refund the payment in Stripe{_taken_back(context, session)}"
        )
    return other or ""


async def _take_back(context: Context, session: str, plan: str, plans: AccountPlans) -> None:
    """A claim under which nothing was attached is withdrawn: it would keep every other checkout of the account waiting.
    So is what was begun under it.
    """
    claims = context.claims_of(ATTACHED.name)
    held = claims.index.open_claim(session)
    if held is None or not await claims.is_winning_claim(session):
        return
    is_gone = await plans.take_back(plan, today_of(context), held)
    await claims.withdraw(held, DISCARDED if is_gone else "nothing was attached under it")


def _taken_back(context: Context, session: str) -> str:
    """What was begun for a checkout and is no more, in words, however often its run looks again."""
    earlier = context.claims_of(ATTACHED.name).index.claim_of(session, context.account("togai"))
    is_gone = earlier is not None and (earlier.state, earlier.reason) == ("withdrawn", DISCARDED)
    return f". {DISCARDED}" if is_gone else ""


async def post_payment(context: Context, paid: CheckoutPayment) -> Result:
    """Count what was paid as the account's wallet credit, once: Togai's invoice of the same fees is less by it."""
    if not paid.payment_intent or paid.amount <= 0:
        return Result(Posted(), False, ("nothing was paid outside a subscription",))
    claims, account = context.claims_of(CHECKOUT_PAYMENT.name), context.account("togai")
    amount = money.major(paid.amount, paid.currency)
    body = {
        "accountId": paid.account_id,
        "currency": paid.currency.upper(),
        "totalAmount": str(amount),
        "description": "Paid at checkout",
        "notes": paid.session_id,
        "externalPaymentReference": {
            "sourceName": "stripe",
            "sourceType": "GATEWAY",
            "transactionNumber": paid.payment_intent,
            "metadata": {ACCOUNT: paid.account_id},
        },
        "lineItemRecords": [{"type": "WALLET_CREDIT", "order": 1, "amount": str(amount)}],
    }
    source = context.ref("stripe", "payment_intent", paid.payment_intent)
    client: TogaiApp = await context.client("togai")
    resumed = claims.index.open_claim(source) is not None
    held = await claims.claim(source, action="togai.payment.post", app_account=account, body=body, run=context.run.id)
    if held.state != "claimed":
        return Result(Posted(payment_id=context.id_of(held.target)), False, ("counted already",), held.refs)
    assert held.claim
    creation = UnkeyedCreation(
        client.create_payment,
        lambda: client.payment_of(paid.payment_intent),
        opened_at=held.claim.opened_at if resumed else "",
    )
    payment, how = await create(claims, held, account, creation)
    pair = await claims.link(held, context.ref("togai", "payment", str(payment["id"])), "created")
    return Result(Posted(payment_id=str(payment["id"])), True, (how,), pair.refs)
