"""What a plan becomes in Stripe. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any

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
FOREVER = "9999-01-01"


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
                rates=rates,
            )
        )
    return found


def not_sold(details: Mapping[str, Any], fees: Iterable[Fee]) -> list[str]:
    """What the link does not ask for, a sentence each: Togai bills it."""
    parts = [words for part, words in KINDS.items() if details.get(part)]
    found = [f"Togai bills {words}: the payment link does not ask for it" for words in parts]
    late = [fee.name for fee in fees if not fee.in_advance]
    return found + [f"Togai bills {name} in arrears: the payment link does not ask for it" for name in late]


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
