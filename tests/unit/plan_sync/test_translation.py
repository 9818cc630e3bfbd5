"""Rate cards become Stripe prices: a table of plans, what each costs, and what is said of the rest."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from plan_sync.translation import terms_of, translated, v2
from plan_sync.translation.prices import params_of
from plan_sync.translation.terms import Terms
from shared.errors import Malformed

from tests.unit.plan_sync.rate_cards import (
    Json,
    credit_grant,
    details,
    entitlement,
    fixed_fee,
    license,
    overage,
    second_form,
    usage,
)

MONTH = {"interval": "month", "interval_count": 1}
METERED = {"usage_type": "metered", "meter": "mtr_1"}
PACKAGES = {"transform_quantity": {"divide_by": 10, "round": "up"}}
GRADUATED = {"billing_scheme": "tiered", "tiers_mode": "graduated"}
VOLUME = {"billing_scheme": "tiered", "tiers_mode": "volume"}
FLAT = [{"up_to": "inf", "flat_amount": 750}]
FLATS = [{"up_to": 10, "flat_amount": 500}, {"up_to": 100, "flat_amount": 300}, {"up_to": "inf", "flat_amount": 0}]
UNITS = [
    {"up_to": 10, "unit_amount": 0},
    {"up_to": 1000, "unit_amount_decimal": "300.5"},
    {"up_to": "inf", "unit_amount_decimal": "0.0001"},
]
MIXED = [{"up_to": 20, "flat_amount": 900}, {"up_to": "inf", "unit_amount": 25}]
UNIT = {"unit_amount_decimal": "300.5"}
PACKAGE = PACKAGES | {"unit_amount": 400}


FORMS: dict[str, Callable[[Json], Terms]] = {"v1": terms_of, "v2": lambda plan: v2.terms_of(*second_form(plan))}
"""A plan is read the same in either of Togai's forms."""
EITHER = pytest.mark.parametrize("form", FORMS)


def of(plan: Json, form: str = "v1") -> tuple[list[Json], list[str]]:
    """The plan's prices as Stripe's parameters, without what all have, and the sentences."""
    found = translated(FORMS[form](plan), plan["supportedCurrencies"])
    made = [params_of(price, "pp.1", "key", {}, "mtr_1" if price.meter else "") for price in found.prices]
    for params in made:
        for name in ("product", "lookup_key", "nickname", "metadata"):
            del params[name]
    return made, list(found.not_expressed)


def recurring(cost: Json, currency: str = "usd", **more: Any) -> Json:
    return {"currency": currency, "recurring": MONTH, **cost, **more}


def once(cost: Json, currency: str = "usd", **more: Any) -> Json:
    return {"currency": currency, **cost, **more}


def metered(cost: Json, **more: Any) -> Json:
    return {"currency": "usd", "recurring": MONTH | METERED, **cost, **more}


FEES: dict[str, tuple[Json, Json]] = {
    "fee, recurring": (details(fixed_fee({"USD": 50})), recurring({"unit_amount": 5000})),
    "fee, cents": (details(fixed_fee({"USD": "19.99"})), recurring({"unit_amount": 1999})),
    "fee, below a cent": (details(fixed_fee({"USD": "0.000001"})), recurring({"unit_amount_decimal": "0.0001"})),
    "fee, with an exponent": (details(fixed_fee({"USD": "1E-6"})), recurring({"unit_amount_decimal": "0.0001"})),
    "fee, free": (details(fixed_fee({"USD": 0})), recurring({"unit_amount": 0})),
    "fee, once": (details(fixed_fee({"USD": "5"}, type="ONE_TIME")), once({"unit_amount": 500})),
    "fee, prepaid": (details(fixed_fee({"USD": "5"}, invoiceTiming="PREPAID")), recurring({"unit_amount": 500})),
    "fee, no minor unit": (
        details(fixed_fee({"JPY": "1500"}), currencies="JPY"), recurring({"unit_amount": 1500}, "jpy")),
    "fee, MGA by Stripe's rule": (
        details(fixed_fee({"MGA": "1500"}), currencies="MGA"), recurring({"unit_amount": 1500}, "mga")),
    "fee, three decimals": (
        details(fixed_fee({"KWD": "18.6"}), currencies="KWD"), recurring({"unit_amount": 18600}, "kwd")),
    "fee, ISK in hundredths": (
        details(fixed_fee({"ISK": "990"}), currencies="ISK"), recurring({"unit_amount": 99000}, "isk")),
    "fee, UGX in hundredths": (
        details(fixed_fee({"UGX": "5"}), currencies="UGX"), recurring({"unit_amount": 500}, "ugx")),
    "fee, HUF": (details(fixed_fee({"HUF": "990"}), currencies="HUF"), recurring({"unit_amount": 99000}, "huf")),
    "fee, TWD": (details(fixed_fee({"TWD": "30.5"}), currencies="TWD"), recurring({"unit_amount": 3050}, "twd")),
    "fee, many currencies": (
        details(fixed_fee({"USD": "10", "EUR": "9.005", "JPY": "1500"}), currencies="USD EUR JPY"),
        recurring({"unit_amount_decimal": "900.5"}, "eur",
                  currency_options={"jpy": {"unit_amount": 1500}, "usd": {"unit_amount": 1000}})),
    "fee, weekly": (
        details(fixed_fee({"USD": 1}), interval="WEEKLY"),
        once({"unit_amount": 100}, recurring={"interval": "week", "interval_count": 1})),
    "fee, quarterly": (
        details(fixed_fee({"USD": 1}), interval="QUARTERLY"),
        once({"unit_amount": 100}, recurring={"interval": "month", "interval_count": 3})),
    "fee, half-yearly": (
        details(fixed_fee({"USD": 1}), interval="HALF_YEARLY"),
        once({"unit_amount": 100}, recurring={"interval": "month", "interval_count": 6})),
    "fee, yearly": (
        details(fixed_fee({"USD": 1}), interval="ANNUALLY"),
        once({"unit_amount": 100}, recurring={"interval": "year", "interval_count": 1})),
    "fee, every second month": (
        details(fixed_fee({"USD": 1}, recurrenceConfig={"interval": 2})),
        once({"unit_amount": 100}, recurring={"interval": "month", "interval_count": 2})),
}  # fmt: skip
SHAPES: dict[str, tuple[str, str, Json]] = {
    "flat, tiered": ("flat", "TIERED", GRADUATED | {"tiers": FLAT}),
    "flat, volume": ("flat", "VOLUME", VOLUME | {"tiers": FLAT}),
    "unit, tiered": ("unit", "TIERED", UNIT),
    "unit, volume": ("unit", "VOLUME", UNIT),
    "package, tiered": ("package", "TIERED", PACKAGE),
    "package, volume": ("package", "VOLUME", PACKAGE),
    "flats, tiered": ("flats", "TIERED", GRADUATED | {"tiers": FLATS}),
    "flats, volume": ("flats", "VOLUME", VOLUME | {"tiers": FLATS}),
    "units, tiered": ("units", "TIERED", GRADUATED | {"tiers": UNITS}),
    "units, volume": ("units", "VOLUME", VOLUME | {"tiers": UNITS}),
    "mixed, tiered": ("mixed", "TIERED", GRADUATED | {"tiers": MIXED}),
    "mixed, volume": ("mixed", "VOLUME", VOLUME | {"tiers": MIXED}),
}
GRANTS: dict[str, tuple[Json, Json]] = {
    "25 of one unit price": (details(entitlement("unit")), recurring({"unit_amount_decimal": "7512.5"})),
    "25 of a flat price": (details(entitlement("flat")), recurring({"unit_amount": 750})),
    "25 in packages of 10": (details(entitlement("package")), recurring({"unit_amount": 1200})),
    "25 over tiers": (details(entitlement("mixed")), recurring({"unit_amount": 1025})),
    "25 by volume": (details(entitlement("mixed", "VOLUME")), recurring({"unit_amount": 625})),
    "25 in packages over tiers": (details(entitlement("packages")), recurring({"unit_amount": 1100})),
    "25 over half tiers": (details(entitlement("halves")), recurring({"unit_amount": 4750})),
    "none": (details(entitlement("unit", limit="0")), recurring({"unit_amount": 0})),
    "credits once": (details(credit_grant("unit")), once({"unit_amount_decimal": "7512.5"})),
    "credits each month": (details(credit_grant("flat", type="RECURRING")), recurring({"unit_amount": 750})),
    "credits, another amount in each currency": (
        details(credit_grant("units", amounts={"USD": "11", "EUR": "10"}), currencies="USD EUR"),
        once({"unit_amount": 0}, "eur", currency_options={"usd": {"unit_amount_decimal": "300.5"}})),
}  # fmt: skip


@EITHER
@pytest.mark.parametrize("name", FEES)
def test_a_fee_becomes_a_price_of_its_amount(name: str, form: str) -> None:
    """Exactly, by Stripe's rules for the currency, as often as Togai asks for it."""
    plan, expected = FEES[name]

    assert of(plan, form) == ([expected], [])


@EITHER
@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("kind", ["license", "usage", "overage"])
def test_a_rate_plan_becomes_units_packages_or_tiers(kind: str, name: str, form: str) -> None:
    """Of a licence in advance, of usage and overage by a meter."""
    slabs, model, cost = SHAPES[name]
    card = {"license": license, "usage": usage, "overage": overage}[kind](slabs, model)

    assert of(details(card), form) == ([recurring(cost) if kind == "license" else metered(cost)], [])


@EITHER
@pytest.mark.parametrize("name", GRANTS)
def test_what_is_granted_costs_what_its_quantity_costs(name: str, form: str) -> None:
    """The quantity is known, so any rate plan is one amount."""
    plan, expected = GRANTS[name]

    assert of(plan, form) == ([expected], [])


def test_tiers_are_there_in_each_currency() -> None:
    """Each currency has all tiers."""
    [price], _ = of(details(usage("mixed", factors={"USD": 1, "JPY": 100}), currencies="USD JPY"))

    assert price["currency"] == "jpy"
    assert price["tiers"] == [{"up_to": 20, "flat_amount": 900}, {"up_to": "inf", "unit_amount": 25}]
    assert price["currency_options"] == {"usd": {"tiers": MIXED}}


def bounded(card: Json, part: str) -> Json:
    [one] = card[part]
    one["rateValues"][0]["rateConfig"] = {"minimumRate": "1", "maximumRate": "10"}
    return card


REFUSED: dict[str, tuple[Json, str]] = {
    "packages under tiers": (
        details(usage("packages")),
        "Calls (usage): not sold in USD: Stripe has no packages in a price of several tiers"),
    "packages under volume": (
        details(license("packages", "VOLUME")),
        "Seats (license): not sold in USD: Stripe has no packages in a price of several tiers"),
    "a slab that starts between units": (
        details(license("halves")),
        "Seats (license): not sold in USD: the start of a slab is 2.5, and Stripe takes whole numbers above 0 only"),
    "minimum and maximum": (
        details(bounded(usage("unit"), "usageRateCards")),
        "Calls (usage): not sold in USD: Stripe has no minimum or maximum rate"),
    "more places than Stripe has": (
        details(fixed_fee({"USD": "1E-15"})),
        "Base (fixed fee): not sold in USD: 1E-15 USD has more decimals than Stripe takes"),
    "more digits than a usual decimal": (
        details(fixed_fee({"USD": "12345678901234567.123456789012345"})),
        "Base (fixed fee): not sold in USD: 12345678901234567.123456789012345 USD has more decimals than Stripe takes"),
    "a broken króna": (
        details(fixed_fee({"ISK": "5.5"}), currencies="ISK"),
        "Base (fixed fee): not sold in ISK: 5.5 ISK: Stripe takes whole units of ISK only"),
    "a third digit of a dinar": (
        details(fixed_fee({"KWD": "18.605"}), currencies="KWD"),
        "Base (fixed fee): not sold in KWD: 18.605 KWD: Stripe takes two decimals of KWD only"),
    "a negative rate": (
        details(fixed_fee({"USD": "-5"})),
        "Base (fixed fee): not sold in USD: its amount -5 USD is negative, and Stripe takes none below 0"),
    "in arrears": (
        details(fixed_fee({"USD": 5}, invoiceTiming="IN_ARREARS")),
        "Base (fixed fee): Togai bills it in arrears, and Stripe asks for it in advance"),
    "a later beginning": (
        details(fixed_fee({"USD": 5}, recurrenceConfig={"interval": 1, "offset": 2})),
        "Base (fixed fee): it begins after 2 pricing cycles, and a Stripe price begins at once"),
    "an overage that is billed later": (
        details(overage("unit", billingConfig={"startOffset": 1})),
        "More calls (overage): it begins after 1 pricing cycles, and a Stripe price begins at once"),
    "more than three years": (
        details(fixed_fee({"USD": 5}, recurrenceConfig={"interval": 37})),
        "Base (fixed fee): it comes every 37 pricing cycles, and Stripe's longest period is three years"),
    "licences counted in another cycle": (
        details(license("unit", usageCycle="WEEKLY")),
        "Seats (license): its usage cycle is WEEKLY and the plan's is MONTHLY"),
    "grants that change": (
        details(entitlement("unit", featureConfigs=[
            {"effectiveUntil": "P1M", "featureCreditLimit": 5}, {"effectiveUntil": "P2M", "featureCreditLimit": 9}])),
        "Calls in advance (entitlement): what it grants changes in the course of time, and a Stripe price does not"),
    "a setting that nobody knows": (
        details(usage("unit", rateValues=[
            {"currency": "USD", "slabRates": [{"order": 1, "rate": 1, "slabRateConfig": {"step": "3"}}]}])),
        "Calls (usage): not sold in USD: Tandem does not know what step means for the amount"),
    "a commitment": (
        details({"minimumCommitment": {"displayName": "At least",
                                                      "rateValues": [{"currency": "USD", "rate": 9}]}}),
        "At least (minimum commitment): Stripe prices have no minimum, so Togai alone asks for it"),
    "no rate in a currency of the plan": (
        details(fixed_fee({"EUR": 5})), "Base (fixed fee): it has no rate in a currency of the plan"),
}  # fmt: skip


@EITHER
@pytest.mark.parametrize("name", REFUSED)
def test_what_stripe_cannot_say_is_said_in_words(name: str, form: str) -> None:
    """One sentence, and no price that is nearly the same."""
    plan, sentence = REFUSED[name]

    assert of(plan, form) == ([], [sentence])


def test_a_currency_that_stripe_cannot_express_is_left_out_alone() -> None:
    """The others are sold."""
    plan = details(fixed_fee({"USD": "5.5", "ISK": "5.5"}), currencies="USD ISK")

    assert of(plan) == (
        [recurring({"unit_amount": 550})],
        ["Base (fixed fee): not sold in ISK: 5.5 ISK: Stripe takes whole units of ISK only"],
    )


def test_limits_and_the_day_of_a_cycle_are_said_beside_the_price() -> None:
    """The amount is right, so the price is made."""
    offset = {"dayOffset": "LAST", "monthOffset": "NIL"}
    prices, said = of(details(license("unit", config={"maxQuantity": 9}), startOffset=offset))

    assert prices == [recurring(UNIT)]
    assert said == [
        "Seats (license): Togai allows at most 9, and a Stripe price has no such limit",
        "The plan's cycles begin on day LAST in Togai: a Stripe price cannot say on which day a cycle begins",
    ]


def test_a_metered_price_says_who_bills_it() -> None:
    """In its metadata, and in the run."""
    plan = details(usage("unit"))
    found = translated(terms_of(plan), ["USD"])

    assert params_of(found.prices[0], "pp.1", "key", {"a": "b"}, "mtr_1")["metadata"] == {
        "a": "b",
        "billed_by": "togai",
    }
    assert found.notes == ("Calls is billed by Togai: no usage is sent to Stripe",)


def test_a_feature_that_is_granted_and_used_beyond_has_two_prices() -> None:
    """Each under a key of its own."""
    found = translated(terms_of(details(entitlement("unit"), overage("unit"))), ["USD"])

    assert [price.card for price in found.prices] == ["entitlement:feature.calls", "overage:feature.calls"]


def test_a_plan_of_the_second_form_says_the_same() -> None:
    """The cards inside are the first form's."""
    plan = details(fixed_fee({"USD": 50}), license("units"), usage("mixed"), entitlement("unit"), overage("unit"),
                   credit_grant("flat"))  # fmt: skip
    kinds = {part: kind for kind, part in v2.PARTS.items()}
    cards = [
        {"name": f"rc_{part}", "rateCardDetails": {kinds[part]: card}}
        for part in kinds for card in plan[part]
    ]  # fmt: skip
    commitment = {"name": "rc_least", "displayName": "At least", "rateCardDetails": {
        "minimumCommitmentRateCard": {"rateValues": [{"currency": "USD", "rate": 9}]}}}  # fmt: skip
    head = {"id": "pp.2", "supportedCurrencies": ["USD"], "pricingCycleConfig": plan["pricingCycleConfig"]}
    first = terms_of(plan | {"minimumCommitment": {"displayName": "At least"}})

    assert v2.terms_of(head, [*cards, commitment]) == first


@pytest.mark.parametrize("inner", [{}, {"wonderRateCard": {}}, {"usageRateCard": {}, "licenseRateCard": {}}])
def test_a_rate_card_of_an_unknown_kind_is_no_rate_card(inner: Json) -> None:
    """It is named, not passed over."""
    with pytest.raises(Malformed, match="rate card rc_1 of price plan pp.2"):
        v2.terms_of({"id": "pp.2"}, [{"name": "rc_1", "rateCardDetails": inner}])


def test_a_rate_card_that_lacks_its_rates_is_malformed() -> None:
    """The run says so instead of selling it for nothing."""
    with pytest.raises(Malformed, match="cannot be read"):
        terms_of({"usageRateCards": [{"usageMeterId": "um.1"}]})


def test_a_timing_on_which_a_card_and_its_frame_disagree_is_in_arrears() -> None:
    """What is not sure is not asked for in advance."""
    head, [card] = second_form(details(fixed_fee({"USD": 5})))
    card["rateCardDetails"]["fixedFeeRateCard"]["invoiceTiming"] = "IN_ARREARS"
    found = translated(v2.terms_of(head, [card]), ["USD"])

    assert (card["invoiceTiming"], found.prices) == ("IN_ADVANCE", ())
    assert found.not_expressed == (
        "Base (fixed fee): Togai bills it in arrears, and Stripe asks for it in advance",)  # fmt: skip


def test_two_rate_cards_for_the_same_are_malformed() -> None:
    """The second form names cards, so that there can be two: their prices would be taken for one."""
    head, [card] = second_form(details(fixed_fee({"USD": 5})))

    with pytest.raises(Malformed, match="two rate cards of one kind for addon.fee"):
        v2.terms_of(head, [card, card | {"name": "other"}])
