"""Reading a plan that is offered, and the account."""

from __future__ import annotations

from datetime import date, datetime
from zoneinfo import ZoneInfo

from shared.apps.togai.client import TogaiApp
from shared.domains.plans.togai import Offer, PlanFacts, offer_id
from shared.errors import NotFound, Waiting
from shared.runtime.actions import Context, Ended, Result

from plan_sync.decide import fees_of, not_sold, other_plan, present_version

ARCHIVED = "ARCHIVED"


async def read(context: Context, offer: Offer) -> Result:
    """The plan's present version and the account's currency. Raises Ended where nothing can be offered."""
    if offer.flow_link not in ("", context.link.id):
        raise Ended("skipped", f"flow link {offer.flow_link} was asked to do it")
    client: TogaiApp = await context.client("togai")
    ref = context.ref("togai", "offer", offer_id(offer.plan_id, offer.account_id))
    try:
        plan, account = await client.price_plan(offer.plan_id), await client.account(offer.account_id)
    except NotFound as error:
        raise Ended("skipped", f"nothing is offered: {error.message}", (ref,)) from error
    if plan.get("status") != "ACTIVE":
        raise Waiting(f"price plan {offer.plan_id} is {plan.get('status')}: activate it in Togai", code="not_active")
    today = datetime.now(ZoneInfo(context.settings.togai_time_zone)).date()
    if account.status == ARCHIVED:
        raise Ended("skipped", f"account {offer.account_id} is archived in Togai: nothing is sold to it", (ref,))
    await _check_free(client, offer, today, ref)
    version = present_version(plan, today)
    details = version.get("pricePlanDetails") or {}
    fees = fees_of(details)
    currency = (account.invoice_currency or "").upper()
    facts = PlanFacts(
        plan_id=offer.plan_id,
        account_id=offer.account_id,
        version=int(version.get("version") or 1),
        name=str(plan.get("name") or offer.plan_id),
        description=str(plan.get("description") or ""),
        currency=currency,
        interval=str((details.get("pricingCycleConfig") or {}).get("interval") or ""),
        fees=[fee for fee in fees if fee.in_advance],
        not_sold=not_sold(details, fees),
        email=account.primary_email or "",
    )
    lacking = [fee.name for fee in facts.fees if currency not in fee.rates]
    if not facts.fees or lacking:
        no_rate = f"{', '.join(lacking)} has no rate in {currency}"
        what = no_rate if lacking else "it has no fee that is paid in advance"
        raise Ended(
            "skipped", f"nothing of price plan {offer.plan_id} can be sold to {offer.account_id}: {what}", (ref,)
        )
    return Result(facts, False, tuple(facts.not_sold), (ref, context.ref("togai", "price_plan", offer.plan_id)))


async def _check_free(client: TogaiApp, offer: Offer, today: date, ref: str) -> None:
    """Raises Ended for an account that has another plan: what nobody could attach must not be paid for."""
    other = other_plan(await client.pricing_schedules(offer.account_id), offer.plan_id, today.isoformat())
    if other is not None:
        raise Ended("skipped", f"account {offer.account_id} has {other}: end it in Togai, then offer again", (ref,))
