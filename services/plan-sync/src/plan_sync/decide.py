"""What a plan becomes in Stripe. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from datetime import date
from typing import Any
from urllib.parse import urlencode

from shared.apps.togai.answers import FOREVER
from shared.domains.plans.prices import PlanPrice, Recurring
from shared.domains.plans.togai import Fee
from shared.errors import Malformed

from shared import money

KINDS = {
    "usageRateCards": "usage",
    "licenseRateCards": "licenses",
    "billingEntitlementRateCards": "entitlements",
    "entitlementOverageRateCards": "overage",
    "creditGrantRateCards": "credit grants",
    "minimumCommitment": "a minimum commitment",
}
"""Parts of a plan that a payment link does not sell yet, in words."""
MOST_ITEMS = 20
"""Prices of one payment link."""
REFERENCE = re.compile(r"[A-Za-z0-9_-]{1,200}")
"""What Stripe takes as `client_reference_id` in an address; it drops anything else without a word."""


def present_version(plan: Mapping[str, Any], today: date) -> Mapping[str, Any]:
    """The version of a plan that holds today, else the newest. Raises Malformed for a plan without one."""
    versions = [v for v in plan.get("pricingSchedule") or () if isinstance(v, dict)]
    if not versions:
        raise Malformed(f"price plan {plan.get('id')} has no version")
    now = [v for v in versions if _day(v.get("startDate")) <= today.isoformat() < _day(v.get("endDate") or FOREVER)]
    return max(now or versions, key=lambda v: int(v.get("version") or 0))


def _day(text: Any) -> str:
    return str(text or "")[:10]


def fees_of(details: Mapping[str, Any]) -> list[Fee]:
    """The fixed fees of a version. Raises Malformed for a rate that is no amount."""
    found = []
    for card in details.get("fixedFeeRateCards") or ():
        values = card.get("rateValues") or ()
        rates = {str(one["currency"]).upper(): str(money.decimal(one["rate"])) for one in values}
        found.append(
            Fee(
                card=str(card["id"]),
                name=str(card.get("displayName") or card["id"]),
                one_time=card.get("type") == "ONE_TIME",
                in_advance=card.get("invoiceTiming") in ("IN_ADVANCE", "PREPAID"),
                begins_after=int((card.get("recurrenceConfig") or {}).get("offset") or 0),
                rates=rates,
            )
        )
    return found


def not_sold(details: Mapping[str, Any], fees: Iterable[Fee]) -> list[str]:
    """What the link does not ask for, a sentence each: Togai bills it."""
    parts = [words for part, words in KINDS.items() if details.get(part)]
    found = [f"Togai bills {words}: the payment link does not ask for it" for words in parts]
    for fee in fees:
        if not fee.in_advance:
            found.append(f"Togai bills {fee.name} in arrears: the payment link does not ask for it")
        elif fee.begins_after:
            when = f"after {fee.begins_after} pricing cycles"
            found.append(f"Togai bills {fee.name} {when}: the payment link does not ask for it")
    return found


def expressible(fees: Iterable[Fee]) -> tuple[list[Fee], list[str]]:
    """The fees with the rates that a Stripe price can hold, and a sentence for each other rate."""
    found, left = [], []
    for fee in fees:
        rates = {}
        for code, rate in fee.rates.items():
            try:
                money.unit_amount(money.decimal(rate), code)
                rates[code] = rate
            except money.NotExpressible as error:
                left.append(f"{fee.name}: not sold in {code}: {error}")
        found.append(fee.model_copy(update={"rates": rates}))
    return found, left


def fitting(fees: list[Fee]) -> tuple[list[Fee], list[str]]:
    """The fees that one link can ask for, and a sentence for each of the others."""
    left = [f"Togai bills {fee.name}: a payment link asks for {MOST_ITEMS} prices at most" for fee in fees[MOST_ITEMS:]]
    return fees[:MOST_ITEMS], left


CERTAIN = ("fixed_fee", "entitlement", "credit_grant")
"""Kinds of rate cards that ask for one amount, whatever the account uses."""


def subscribed(
    prices: Iterable[PlanPrice], currency: str, cycle: Recurring | None
) -> tuple[list[PlanPrice], list[str]]:
    """The prices that a payment link for a subscription can ask for, and a sentence for each of the others."""
    sold: list[PlanPrice] = []
    left: list[str] = []
    for price in prices:
        if price.meter or price.kind not in CERTAIN:
            left.append(f"Togai bills {price.name}: how much of it is used is not known at the checkout")
        elif currency not in price.costs:
            left.append(f"{price.name} has no rate in {currency}: the payment link does not ask for it")
        elif price.recurring not in (None, cycle):
            left.append(f"Togai bills {price.name}: it comes at another interval than the plan's")
        elif len(sold) == MOST_ITEMS:
            left.append(f"Togai bills {price.name}: a payment link asks for {MOST_ITEMS} prices at most")
        else:
            sold.append(price)
    return sold, left


def address_of(url: str, account: str, email: str) -> str:
    """A payment link's address for one account: what the page knows of it, as far as Stripe's alphabet allows. Both are
    the visitor's to change; whom a checkout is for is what the link's metadata say.
    """
    known = {"client_reference_id": account if REFERENCE.fullmatch(account) else "", "prefilled_email": email}
    query = urlencode({name: value for name, value in known.items() if value})
    return f"{url}?{query}" if query else url


def session_body(
    link: Mapping[str, Any], items: Iterable[Mapping[str, Any]], customer: str, account: str, return_url: str
) -> dict[str, Any]:
    """A session that asks a customer for what a payment link asks anybody for, with the same metadata."""
    sold = [(item["price"], item["quantity"]) for item in items]
    recurs = any(price.get("recurring") for price, _ in sold)
    return {
        "ui_mode": "embedded_page",
        "mode": "subscription" if recurs else "payment",
        "customer": customer,
        "line_items": [{"price": price["id"], "quantity": quantity} for price, quantity in sold],
        "currency": link["currency"],
        "metadata": dict(link["metadata"]),
        "subscription_data" if recurs else "payment_intent_data": {"metadata": dict(link["metadata"])},
        "return_url": return_url,
        **({"client_reference_id": account} if REFERENCE.fullmatch(account) else {}),
    }


def is_address_of(address: str, url: str) -> bool:
    """Whether an address opens a link, for whomever it is."""
    return address.partition("?")[0] == url


def price_params(fee: Fee, product: str, lookup_key: str, metadata: Mapping[str, str]) -> dict[str, Any]:
    """A one-time price that asks for a fee's first payment, in every currency. Raises NotExpressible."""
    (first, rate), *others = sorted(fee.rates.items())
    options = {currency.lower(): money.unit_amount(money.decimal(amount), currency) for currency, amount in others}
    return {
        "product": product,
        "currency": first.lower(),
        **money.unit_amount(money.decimal(rate), first),
        **({"currency_options": options} if options else {}),
        "nickname": fee.name,
        "lookup_key": lookup_key,
        "metadata": dict(metadata),
    }


def covers(schedule: Mapping[str, Any], day: str) -> bool:
    """Whether a schedule of an account holds on a day."""
    return _day(schedule.get("startDate")) <= day < _day(schedule.get("endDate") or FOREVER)


def ends_after(schedule: Mapping[str, Any], day: str) -> bool:
    """Whether a schedule of an account holds on a day, or on a later one."""
    return _day(schedule.get("endDate") or FOREVER) > day


def other_plan(schedules: Iterable[Mapping[str, Any]], plan: str, day: str) -> str | None:
    """An account's plan other than one, of a day or later, and since when, in words."""
    for schedule in schedules:
        other = schedule.get("pricePlanId")
        if other != plan and ends_after(schedule, day):
            return f"price plan {other} from {_day(schedule.get('startDate'))} on"
    return None


def cards_of_version(cards: Iterable[Mapping[str, Any]], plan: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The rate cards of one version of a plan, by the `referenceId` of both."""
    return [card for card in cards if card.get("referenceId") == plan.get("referenceId")]


Spans = frozenset[tuple[str, str, str, str]]
"""Schedules of an account: plan, version, first day and last day of each."""


def spans_of(schedules: Iterable[Mapping[str, Any]]) -> Spans:
    """What an account has when."""
    return frozenset(
        (str(one.get("pricePlanId")), str(one.get("version")), _day(one.get("startDate")), _end_of(one))
        for one in schedules
    )


def _end_of(schedule: Mapping[str, Any]) -> str:
    return min(_day(schedule.get("endDate")) or FOREVER, FOREVER)


def _kept(stood: Spans, day: str) -> Spans:
    """What is left of an account's schedules when it gets a plan from a day on, for ever."""
    return frozenset((plan, version, start, min(end, day)) for plan, version, start, end in stood if start < day)


def is_own_draft(stood: Spans, draft: Spans, plan: str, days: Collection[str]) -> bool:
    """Whether the draft of an account's schedules is what Tandem's edit makes of them: one plan from one of some days
    on, for ever, and what stood there before as it was. Togai may list all of it, or what it changes alone.
    """
    new = [one for one in draft - stood if one[0] == plan and one[2] in days and one[3] == FOREVER]
    if len(new) != 1:
        return False
    kept = _kept(stood, new[0][2])
    return draft - {new[0]} in (kept, kept - stood)


def missing_after(before: Spans, after: Spans, plan: str) -> list[str]:
    """What an account had before the day from which it has a plan, and does not have any more; in words."""
    starts = [start for of, _, start, end in after if of == plan and end == FOREVER]
    lost = sorted(_kept(before, max(starts)) - after) if starts else []
    return [f"version {version} of price plan {other} from {start} until {end}" for other, version, start, end in lost]


def period_end(subscription: Mapping[str, Any]) -> int:
    """When the last of its items' periods ends: what Stripe bills next, it bills then. The subscription tells none."""
    return max(int(item["current_period_end"]) for item in subscription["items"]["data"])


def why_not_imported(subscription: Mapping[str, Any]) -> tuple[str, str] | None:
    """Why a plan cannot simply follow a subscription: the kind of conflict, and in words; None where it can."""
    status = str(subscription.get("status"))
    items = subscription["items"]["data"]
    discounts = [*subscription["discounts"], *(each for item in items for each in item["discounts"])]
    found = {
        "trialing": "is on trial: it has billed nothing yet" if status == "trialing" else "",
        "past_due": "is past due: its last invoice is not paid" if status == "past_due" else "",
        "paused": "is paused" if status == "paused" or subscription.get("pause_collection") else "",
        "not_running": "" if status in ("active", "trialing", "past_due", "paused") else f"is {status}",
        "ending": "ends already, or a schedule of Stripe's changes it" if _changes(subscription) else "",
        "discounted": "has a discount, which the plan does not have" if discounts else "",
        "quantity": "asks for another quantity than one" if any(_several(item) for item in items) else "",
    }
    return next(((name, why) for name, why in found.items() if why), None)


def _changes(subscription: Mapping[str, Any]) -> bool:
    return bool(subscription.get("cancel_at") or subscription.get("cancel_at_period_end") or subscription["schedule"])


def _several(item: Mapping[str, Any]) -> bool:
    return item.get("quantity") not in (None, 1)
