"""What a billing cycle costs an account: its usage, rated by its plan (source: Togai docs, pricing models)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import ROUND_CEILING, Decimal
from typing import Any

from sandbox.clock import rfc3339
from sandbox.togai_api import invoices
from sandbox.togai_api.calls import Call
from sandbox.togai_api.invoice_tree import Line, Parts

Json = dict[str, Any]
_NONE = Decimal(0)
_UNRATED = ("billingEntitlementRateCards", "entitlementOverageRateCards", "creditGrantRateCards")


def bill(call: Call, account: Json, usage: Mapping[str, Decimal]) -> Json:
    """One cycle: the usage is rated, the invoice is generated as a draft, and becomes due. Raises ValueError for an
    account without a plan, and for what the sandbox does not rate.
    """
    today = rfc3339(call.world.clock.now())
    where = "lookup=? AND json_extract(body, '$.startDate')<=? AND json_extract(body, '$.endDate')>?"
    found = call.world.store.select(call.scope, "pricing_schedule", where, [account["id"], today, today], "seq DESC", 1)
    if not found:
        raise ValueError(f"account {account['id']} has no price plan today")
    schedule = found[0].body
    parts = Parts(account["invoiceCurrency"], rated(schedule["pricePlanDetails"], usage, account["invoiceCurrency"]))
    draft = invoices.made(call, account, parts, status="DRAFT", plan=schedule["pricePlanId"])
    invoices.add(call, draft)
    kept = call.world.store.get(call.scope, invoices.KIND, draft["id"])
    assert kept is not None
    return invoices.keep(call, kept, invoices.due(call, kept.body))


def rated(details: Json, usage: Mapping[str, Decimal], currency: str) -> list[Line]:
    """The lines of a cycle: a card without usage costs nothing, and stands there. Raises ValueError."""
    unrated = [name for name in _UNRATED if details.get(name)]
    cards = [*details.get("usageRateCards", []), *details.get("licenseRateCards", [])]
    meters = {card.get("usageMeterId", card.get("id")) for card in cards}
    if unrated:
        raise ValueError(f"the sandbox rates no {', '.join(unrated)}")
    if unknown := sorted(set(usage) - meters):
        raise ValueError(
            f"the plan has no card for {', '.join(unknown)}; it has: {', '.join(sorted(meters)) or 'none'}"
        )
    lines = [*_quantities(cards, usage, currency), *_fees(details.get("fixedFeeRateCards", []), currency)]
    return [*lines, *_true_up(details.get("minimumCommitment"), lines, currency)]


def _quantities(cards: list[Json], usage: Mapping[str, Decimal], currency: str) -> Iterator[Line]:
    for card in cards:
        meter = str(card.get("usageMeterId", card.get("id")))
        kind = "USAGE_RATE_CARD_AMOUNT" if "usageMeterId" in card else "LICENSE_RATE_CARD_AMOUNT"
        quantity = usage.get(meter, _NONE)
        rates = {rate["order"]: Decimal(rate["rate"]) for rate in _value(card["rateValues"], currency)["slabRates"]}
        amount = amount_of(card["ratePlan"], rates, quantity)
        yield Line(card.get("displayName") or meter, amount, kind, quantity)  # type: ignore[arg-type]


def amount_of(plan: Json, rates: Mapping[int, Decimal], quantity: Decimal) -> Decimal:
    """What a quantity costs: TIERED fills one slab after the other, VOLUME puts all into the slab that it reaches."""
    slabs, amount = plan["slabs"], _NONE
    for slab, following in zip(slabs, [*slabs[1:], None], strict=True):
        start, end = Decimal(slab["startAfter"]), Decimal(following["startAfter"]) if following else quantity
        if quantity <= start:
            break
        if plan["pricingModel"] == "VOLUME":
            amount = _priced(slab, rates[slab["order"]], quantity)
        else:
            amount += _priced(slab, rates[slab["order"]], min(quantity, end) - start)
    return amount


def _priced(slab: Json, rate: Decimal, quantity: Decimal) -> Decimal:
    if slab["priceType"] == "FLAT":
        return rate
    if slab["priceType"] == "PER_UNIT":
        return rate * quantity
    size = Decimal(slab.get("slabConfig", {}).get("packageSize", 1))
    return rate * (quantity / size).to_integral_value(ROUND_CEILING)


def _fees(cards: list[Json], currency: str) -> Iterator[Line]:
    for card in cards:
        kind = "ADVANCED_FIXED_FEE" if card.get("invoiceTiming") == "IN_ADVANCE" else "FIXED_FEE_RATE_CARD_AMOUNT"
        rate = Decimal(_value(card["rateValues"], currency)["rate"])
        yield Line(card.get("displayName") or card["id"], rate, kind)  # type: ignore[arg-type]


def _true_up(minimum: Json | None, lines: list[Line], currency: str) -> Iterator[Line]:
    """What lacks to the least that is paid in a cycle."""
    if minimum:
        least = Decimal(_value(minimum["rateValues"], currency)["rate"])
        lacking = least - sum((line.amount for line in lines), _NONE)
        if lacking > 0:
            yield Line(minimum["displayName"], lacking, "TRUE_UP_AMOUNT")


def _value(values: list[Json], currency: str) -> Json:
    found = next((value for value in values if value["currency"] == currency), None)
    if found is None:
        raise ValueError(f"the plan has no rate in {currency}")
    return found
