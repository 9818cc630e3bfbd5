"""Whatever is used, the price that Stripe keeps asks for what Togai asks: exactly, before either rounds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from plan_sync.translation import terms_of, translated, v2
from plan_sync.translation.prices import params_of
from plan_sync.translation.terms import Terms
from sandbox.stripe_api.amounts import exact_total

from tests.contract.sandbox.inside import inside
from tests.contract.sandbox.shop import Shop
from tests.unit.plan_sync import rater
from tests.unit.plan_sync.rate_cards import details, second_form

Json = dict[str, Any]
MINOR = {"USD": 2, "EUR": 2, "JPY": 0, "KWD": 3, "ISK": 2}
PLACES = {"USD": 14, "EUR": 14, "JPY": 12, "KWD": 2, "ISK": 0}
PARTS = {"license": "licenseRateCards", "usage": "usageRateCards", "overage": "entitlementOverageRateCards"}
IDS = {"license": "id", "usage": "usageMeterId", "overage": "featureId"}
Draw = Callable[[st.SearchStrategy[Any]], Any]
SINGLE, SEVERAL = ("FLAT", "PER_UNIT", "PACKAGE"), ("FLAT", "PER_UNIT")


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """One Stripe account, with the product and the meter of all prices."""
    with inside(tmp_path_factory.mktemp("amounts")) as app:
        made = Shop(app)
        made.post("products", id="pp.1", name="Starter")
        yield made


@pytest.fixture(scope="module")
def meter(shop: Shop) -> str:
    return shop.meter()


@st.composite
def slabs(draw: st.DrawFn, kinds: tuple[str, ...] | None = None) -> list[Json]:
    """Slabs as Stripe can express them, or of any kinds."""
    starts = [0, *sorted(draw(st.sets(st.integers(1, 5000), max_size=4)))]
    allowed = kinds or (SINGLE if len(starts) == 1 else SEVERAL)
    found = []
    for order, start in enumerate(starts, 1):
        slab: Json = {"order": order, "startAfter": start, "priceType": draw(st.sampled_from(allowed))}
        if slab["priceType"] == "PACKAGE":
            slab["slabConfig"] = {"packageSize": str(draw(st.integers(1, 1000)))}
        found.append(slab)
    return found


def rate(currency: str) -> st.SearchStrategy[str]:
    """A rate that Stripe can hold."""
    return st.decimals(0, 9999, places=PLACES[currency], allow_nan=False).map(lambda found: format(found, "f"))


@st.composite
def cards(draw: st.DrawFn) -> tuple[str, Json]:
    """A card of which any quantity can be used, by its part of the plan."""
    kind, plan = draw(st.sampled_from(sorted(PARTS))), draw(slabs())
    currencies = draw(st.lists(st.sampled_from(sorted(MINOR)), min_size=1, max_size=3, unique=True))
    values = [
        {"currency": code, "slabRates": [{"order": slab["order"], "rate": draw(rate(code))} for slab in plan]}
        for code in currencies
    ]
    model = draw(st.sampled_from(["TIERED", "VOLUME"]))
    more = {"invoiceTiming": "IN_ADVANCE", "enableProration": False} if kind == "license" else {}
    card = {IDS[kind]: "x.1", "ratePlan": {"pricingModel": model, "slabs": plan}, "rateValues": values} | more
    return kind, card


def terms(plan: Json) -> st.SearchStrategy[Terms]:
    """What a plan asks for, read in either of Togai's forms."""
    return st.sampled_from([terms_of(plan), v2.terms_of(*second_form(plan))])


def quantities(draw: Draw, kind: str, card: Json) -> set[Decimal]:
    """Nothing, the edges of the slabs and beside them, and any other: fractions unless licences are counted."""
    edges = [Decimal(slab["startAfter"]) for slab in card["ratePlan"]["slabs"]]
    step = Decimal(1) if kind == "license" else Decimal("0.001")
    places = 0 if kind == "license" else 3
    any_other = draw(st.lists(st.decimals(0, 9999, places=places, allow_nan=False), min_size=2, max_size=4))
    found = {Decimal(0), *any_other, *edges, *(edge + step for edge in edges)}
    return found | {edge - step for edge in edges if edge}


@given(st.data())
def test_any_quantity_costs_the_same_at_both_sides(shop: Shop, meter: str, data: st.DataObject) -> None:
    """As the sandbox stored the price, in each of its currencies."""
    kind, card = data.draw(cards())
    currencies = [value["currency"] for value in card["rateValues"]]
    plan = details({PARTS[kind]: [card]}, currencies=" ".join(currencies))
    [price] = translated(data.draw(terms(plan)), currencies).prices
    body = params_of(price, "pp.1", "", {}, meter)
    made = shop.post("prices", **{name: value for name, value in body.items() if name != "lookup_key"})
    stored = shop.get(f"prices/{made['id']}", expand=["currency_options"])

    assert {code.upper() for code in stored["currency_options"]} == set(currencies)
    for quantity in quantities(data.draw, kind, card):
        for code in currencies:
            asked = exact_total(stored, stored["currency_options"][code.lower()], quantity)
            assert asked == rater.amount(card, code, quantity).scaleb(MINOR[code]), (code, quantity)


@given(st.data())
def test_any_grant_costs_the_same_at_both_sides(shop: Shop, data: st.DataObject) -> None:
    """Whatever its slabs are: the quantity is known. A price for it has one amount."""
    plan = data.draw(slabs(SINGLE))
    quantity = data.draw(st.decimals(0, 9999, places=2, allow_nan=False))
    values = [{"currency": "USD", "slabRates": [
        {"order": slab["order"], "rate": format(data.draw(st.decimals(0, 99, places=6, allow_nan=False)), "f")}
        for slab in plan
    ]}]  # fmt: skip
    model = data.draw(st.sampled_from(["TIERED", "VOLUME"]))
    card = {
        "featureId": "f.1", "featureConfigs": [{"effectiveUntil": "P1M", "featureCreditLimit": str(quantity)}],
        "invoiceTiming": "PREPAID", "ratePlan": {"pricingModel": model, "slabs": plan}, "rateValues": values,
    }  # fmt: skip
    found = translated(data.draw(terms(details({"billingEntitlementRateCards": [card]}))), ["USD"])
    [price] = found.prices
    body = params_of(price, "pp.1", "", {})
    stored = shop.post("prices", **{name: value for name, value in body.items() if name != "lookup_key"})

    assert Decimal(stored["unit_amount_decimal"]) == rater.amount(card, "USD", quantity).scaleb(2)
