"""Reading a plan that is offered, and the account."""

from __future__ import annotations

from datetime import date

from shared.apps.togai.client import TogaiApp
from shared.domains.plans import ATTACHED, CHECKOUT, OFFER
from shared.domains.plans.prices import PlanPrice
from shared.domains.plans.subscriptions import SUBSCRIBED
from shared.domains.plans.togai import FIRST_PAYMENT, SUBSCRIPTION, Offer, OfferRead, PlanFacts, offer_id
from shared.errors import NotFound, NotReady, WaitingUntold
from shared.identity import Ref
from shared.runtime.actions import Context, Ended, Result

from plan_sync.actions import versions
from plan_sync.actions.account_plans import check_not_attaching, plans_of
from plan_sync.actions.schedules import SECOND, api_of, replaces, second_api_only, today_of
from plan_sync.decide import (
    ends_after,
    expressible,
    fees_of,
    fitting,
    not_sold,
    other_plan,
    subscribed,
)
from plan_sync.translation import terms_of, translated
from plan_sync.translation.prices import interval_of


async def read(context: Context, offer: OfferRead) -> Result:
    """The plan's present version and the account's currency. Raises Ended where nothing can be offered."""
    _check_asked(context, offer)
    client: TogaiApp = await context.client("togai")
    ref = context.ref("togai", "offer", offer_id(offer.plan_id, offer.account_id))
    if offer.schedule_id:
        _check_own(context, offer, ref)
    try:
        plan = await versions.present(context, client, offer.plan_id)
        account = await client.account(offer.account_id)
    except NotFound as error:
        raise Ended("skipped", f"nothing is offered: {error.message}", (ref,)) from error
    if plan.status == versions.ARCHIVED:
        raise Ended("skipped", f"price plan {offer.plan_id} is archived in Togai: nothing of it is sold", (ref,))
    if plan.status != versions.ACTIVE:
        raise WaitingUntold(f"price plan {offer.plan_id} is {plan.status}: activate it in Togai", code="not_active")
    if plan.api == SECOND != api_of(context):
        raise second_api_only(offer.plan_id)  # what nobody could attach must not be paid for
    today = today_of(context)
    if account.status == versions.ARCHIVED:
        raise Ended("skipped", f"account {offer.account_id} is archived in Togai: nothing is sold to it", (ref,))
    if offer.schedule_id:
        await _check_attached(context, client, offer, ref)
    else:
        await _check_free(context, client, offer, today, ref)
    details = plan.details
    fees = fees_of(details)
    sold, left = fitting([fee for fee in fees if fee.in_advance and not fee.begins_after])
    sold, inexpressible = expressible(sold)
    left += inexpressible
    currency = (account.invoice_currency or "").upper()
    mode = offer.mode or context.option("mode") or FIRST_PAYMENT
    prices: list[PlanPrice] = []
    if mode == SUBSCRIPTION:
        found = translated(terms_of(details), details.get("supportedCurrencies") or ())
        sold, (prices, more) = [], subscribed(found.prices, currency, interval_of(details))
        left = [*found.not_expressed, *more]
    facts = PlanFacts(
        plan_id=offer.plan_id,
        account_id=offer.account_id,
        version=plan.version,
        name=plan.name,
        description=plan.description,
        currency=currency,
        interval=str((details.get("pricingCycleConfig") or {}).get("interval") or ""),
        fees=sold,
        not_sold=left if prices else [*not_sold(details, fees), *left],
        mode=mode,
        prices=prices,
        email=await client.email_of(account),
    )
    lacking = [fee.name for fee in facts.fees if currency not in fee.rates]
    if mode == SUBSCRIPTION and not any(price.recurring for price in prices):
        why = f"nothing of price plan {offer.plan_id} recurs that a payment link can ask {offer.account_id} for"
        raise Ended("skipped", ". ".join([why, *left]), (ref,))
    if lacking or not (facts.fees or prices):
        no_rate = f"{', '.join(lacking)} has no rate in {currency}"
        what = no_rate if lacking else "it has no fee that is paid in advance"
        why = f"nothing of price plan {offer.plan_id} can be sold to {offer.account_id}: {what}"
        raise Ended("skipped", ". ".join([why, *inexpressible]), (ref,))
    return Result(facts, False, tuple(facts.not_sold), (ref, context.ref("togai", "price_plan", offer.plan_id)))


def _check_asked(context: Context, offer: OfferRead) -> None:
    """Raises Ended for what another flow link was asked to do, or what came of a link that a person made."""
    if offer.flow_link not in ("", context.link.id):
        raise Ended("skipped", f"flow link {offer.flow_link} was asked to do it")
    if offer.organization not in ("", context.account("togai")):
        why = f"it is an offer of {offer.organization}, and {context.link.id} works on {context.account('togai')}"
        raise Ended("skipped", why)
    if offer.failed_link:
        made, what, relation = context.ref("stripe", "payment_link", offer.failed_link), "payment link", OFFER
    elif offer.failed_session:
        made, what, relation = context.ref("stripe", "checkout.session", offer.failed_session), "session", CHECKOUT
    else:
        return
    if not context.claims_of(relation.name).index.holders_of(made):
        raise Ended("skipped", f"{what} {Ref.parse(made).id} is none of Tandem's: no other one is made", (made,))


def _check_own(context: Context, offer: OfferRead, ref: str) -> None:
    """Raises Ended for a plan that Tandem attached: it was paid, or takes the place of a subscription."""
    schedule = context.ref("togai", "schedule", offer.schedule_id)
    check_not_attaching(context, offer.account_id)
    if context.claims_of(ATTACHED.name).index.holders_of(schedule):
        why = f"Tandem attached price plan {offer.plan_id} to account {offer.account_id}: it was paid"
        raise Ended("skipped", why, (ref, schedule))
    imported = context.claims_of(SUBSCRIBED.name).index
    if imported.open_under(ref):
        raise NotReady(f"a subscription is being imported as {ref}: looking again", code="claimed")
    if imported.holders_of(schedule):
        why = f"Tandem attached price plan {offer.plan_id} to account {offer.account_id} in place of a subscription"
        raise Ended("skipped", why, (ref, schedule))


async def _check_attached(context: Context, client: TogaiApp, offer: OfferRead, ref: str) -> None:
    """Raises Ended for a plan that was taken off again: nothing is to be sold."""
    schedule = context.ref("togai", "schedule", offer.schedule_id)
    schedules = await plans_of(context, client, offer.account_id).read()
    if not any(str(one.get("id")) == offer.schedule_id for one in schedules):
        why = f"account {offer.account_id} does not have price plan {offer.plan_id} any more: nothing is offered"
        raise Ended("skipped", why, (ref, schedule))


async def _check_free(context: Context, client: TogaiApp, offer: Offer, today: date, ref: str) -> None:
    """Raises Ended for an account that has the plan, or another one that does not give way: what nobody could attach
    must not be paid for.
    """
    schedules = await plans_of(context, client, offer.account_id).read()
    check_not_attaching(context, offer.account_id)
    if any(one.get("pricePlanId") == offer.plan_id and ends_after(one, today.isoformat()) for one in schedules):
        why = f"account {offer.account_id} has price plan {offer.plan_id} already: it was paid, or attached in Togai"
        raise Ended("skipped", why, (ref,))
    other = other_plan(schedules, offer.plan_id, today.isoformat())
    if other is not None and not replaces(context):
        why = f"account {offer.account_id} has {other}: end it in Togai, then offer again, or set replace=on"
        raise Ended("skipped", why, (ref,))
