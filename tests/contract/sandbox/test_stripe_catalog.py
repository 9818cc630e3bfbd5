"""Stripe's products and prices: what can be made, what cannot change, and what belongs together."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.contract.sandbox.inside import Inside, inside
from tests.contract.sandbox.shop import Shop


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Inside]:
    """One application for all tests."""
    with inside(tmp_path_factory.mktemp("catalog")) as made:
        yield made


@pytest.fixture
def shop(app: Inside) -> Shop:
    """A fresh account."""
    return Shop(app)


def test_life_of_a_product(shop: Shop) -> None:
    """A product with an id of the caller's own is made, changed, archived, listed and deleted, with its events."""
    made = shop.post("products", id="plan-1", name="Starter", metadata={"plan": "pp.1"}, description="For a start")
    assert (made["id"], made["active"], made["metadata"]) == ("plan-1", True, {"plan": "pp.1"})
    changed = shop.post("products/plan-1", name="Starter 2", description="", metadata={"plan": "", "more": "1"})
    assert (changed["name"], changed["description"], changed["metadata"]) == ("Starter 2", None, {"more": "1"})
    shop.post("products/plan-1", name="Starter 2")
    shop.post("products/plan-1", active=False)
    other = shop.post("products", name="Other")
    assert [p["id"] for p in shop.get("products", active=False)["data"]] == ["plan-1"]
    assert [p["id"] for p in shop.get("products", active=True)["data"]] == [other["id"]]
    assert [p["id"] for p in shop.get("products", ids=["plan-1"])["data"]] == ["plan-1"]
    shop.delete("products/plan-1")
    assert shop.error("GET", "products/plan-1")["code"] == "resource_missing"
    updates = ["product.updated", "product.updated"]
    assert shop.types() == ["product.created", *updates, "product.created", "product.deleted"]


def test_a_taken_product_id_is_refused(shop: Shop) -> None:
    """Whatever the second request says."""
    shop.post("products", id="plan-1", name="Starter")
    error = shop.error("POST", "products", id="plan-1", name="Starter")
    assert (error["code"], error["message"]) == ("resource_already_exists", "Product already exists.")


def test_what_a_price_costs_never_changes(shop: Shop) -> None:
    """A price tells its amount in both forms, and an update knows no parameter for it."""
    price = shop.price(1999, lookup_key="starter", nickname="Starter", metadata={"v": "1"})
    assert (price["unit_amount"], price["unit_amount_decimal"], price["type"]) == (1999, "1999", "one_time")
    assert shop.error("POST", f"prices/{price['id']}", unit_amount=5)["code"] == "parameter_unknown"
    changed = shop.post(f"prices/{price['id']}", nickname="", metadata={"v": "2"}, active=False)
    assert (changed["nickname"], changed["metadata"], changed["active"]) == (None, {"v": "2"}, False)
    assert shop.get("prices")["data"] == []
    assert [p["id"] for p in shop.get("prices", active=False)["data"]] == [price["id"]]


@pytest.mark.parametrize(
    ("sent", "whole", "exact"),
    [("0.5", None, "0.5"), ("300.50", None, "300.5"), ("700", 700, "700"), ("0.000000000001", None, "0.000000000001")],
)
def test_amounts_with_a_fraction(shop: Shop, sent: str, whole: int | None, exact: str) -> None:
    """Up to twelve decimals; an amount with a fraction of the smallest unit has no whole form."""
    product = shop.post("products", name="Starter")["id"]
    price = shop.post("prices", product=product, currency="USD", unit_amount_decimal=sent)
    assert (price["unit_amount"], price["unit_amount_decimal"], price["currency"]) == (whole, exact, "usd")


def test_tiers_and_currencies_show_when_asked_for(shop: Shop) -> None:
    """Neither tiers nor other currencies are in an answer unless expanded, in a list too."""
    tiers = [{"up_to": 10, "unit_amount": 0}, {"up_to": "inf", "unit_amount_decimal": "300.5", "flat_amount": 5}]
    product = shop.post("products", name="Usage")["id"]
    more = {"eur": {"tiers": [{"up_to": "inf", "unit_amount": 7}]}}
    price = shop.post("prices", product=product, currency="usd", billing_scheme="tiered", tiers_mode="graduated",
                      tiers=tiers, currency_options=more)  # fmt: skip
    assert (price["unit_amount"], price["tiers_mode"]) == (None, "graduated")
    assert not {"tiers", "currency_options"} & set(price)
    listed = shop.get("prices", expand=["data.tiers", "data.currency_options", "data.product"])["data"][0]
    first, last = listed["tiers"]
    assert (first["up_to"], first["unit_amount_decimal"], first["flat_amount"]) == (10, "0", None)
    assert (last["up_to"], last["unit_amount"], last["unit_amount_decimal"], last["flat_amount"]) == (
        None,
        None,
        "300.5",
        5,
    )
    assert {code: len(option["tiers"]) for code, option in listed["currency_options"].items()} == {"usd": 2, "eur": 1}
    assert listed["product"]["name"] == "Usage"


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"unit_amount": 5, "unit_amount_decimal": "5"}, "unit_amount"),
    ({"unit_amount": -1}, "unit_amount"),
    ({}, "unit_amount"),
    ({"unit_amount": 5, "currency": "xxx"}, "currency"),
    ({"unit_amount": 5, "tiers": [{"up_to": "inf", "unit_amount": 1}]}, "billing_scheme"),
    ({"billing_scheme": "tiered", "tiers_mode": "volume"}, "tiers"),
    ({"billing_scheme": "tiered", "tiers": [{"up_to": "inf", "unit_amount": 1}]}, "tiers_mode"),
    (
        {"billing_scheme": "tiered", "tiers_mode": "volume", "tiers": [{"up_to": 5, "unit_amount": 1}]},
        "tiers[0][up_to]",
    ),
    ({"billing_scheme": "tiered", "tiers_mode": "volume", "tiers": [{"up_to": "inf"}]}, "tiers[0][unit_amount]"),
    ({"unit_amount": 5, "recurring": {"interval": "year", "interval_count": 4}}, "recurring[interval_count]"),
    ({"unit_amount": 5, "recurring": {"interval": "month", "usage_type": "metered"}}, "recurring[meter]"),
    ({"unit_amount": 5, "recurring": {"interval": "month", "meter": "mtr_1"}}, "recurring[meter]"),
    (
        {"unit_amount": 5, "recurring": {"interval": "month", "usage_type": "metered", "meter": "mtr_1"}},
        "recurring[meter]",
    ),
    ({"unit_amount": 5, "currency_options": {"usd": {"unit_amount": 5}}}, "currency_options"),
    (
        {"unit_amount": 5, "currency_options": {"eur": {"tax_behavior": "exclusive"}}},
        "currency_options[eur][unit_amount]",
    ),
]


@pytest.mark.parametrize(("params", "param"), WRONG)
def test_refused_prices(shop: Shop, params: dict[str, Any], param: str) -> None:
    """What does not say in exactly one way what it costs is refused with the parameter's name, and nothing is made."""
    product = shop.post("products", name="Starter")["id"]
    assert shop.error("POST", "prices", **{"product": product, "currency": "usd", **params})["param"] == param
    assert shop.get("prices")["data"] == []


def test_a_lookup_key_is_one_prices_own(shop: Shop) -> None:
    """A taken key is refused, an archived price's too; with `transfer_lookup_key` it moves, and both prices tell."""
    first = shop.price(lookup_key="starter")
    product = first["product"]
    shop.post(f"prices/{first['id']}", active=False)
    error = shop.error("POST", "prices", product=product, currency="usd", unit_amount=5, lookup_key="starter")
    assert error["message"] == f"A price (`{first['id']}`) already uses that lookup key."
    second = shop.price(2000, product=product, lookup_key="starter", transfer_lookup_key=True)
    assert shop.get(f"prices/{first['id']}")["lookup_key"] is None
    assert [p["id"] for p in shop.get("prices", lookup_keys=["starter"])["data"]] == [second["id"]]
    assert shop.events("price.updated")[-1]["data"]["previous_attributes"] == {"lookup_key": "starter"}


def test_a_default_price_cannot_be_archived(shop: Shop) -> None:
    """First the product has to let go of it; a product with prices is archived, not deleted."""
    price = shop.price()
    product = price["product"]
    assert shop.post(f"products/{product}", default_price=price["id"])["default_price"] == price["id"]
    assert "default price" in shop.error("POST", f"prices/{price['id']}", active=False)["message"]
    assert "user-created prices" in shop.error("DELETE", f"products/{product}")["message"]
    shop.post(f"products/{product}", default_price="")
    assert shop.post(f"prices/{price['id']}", active=False)["active"] is False
    assert shop.error("POST", f"products/{product}", default_price=price["id"])["param"] == "default_price"
    stranger = shop.price()["id"]
    assert shop.error("POST", f"products/{product}", default_price=stranger)["param"] == "default_price"


def test_a_product_with_its_price_in_one_request(shop: Shop) -> None:
    """`default_price_data` makes the price and points at it, `product_data` makes the product of a price."""
    made = shop.post("products", name="A", default_price_data={"currency": "usd", "unit_amount": 5},
                     expand=["default_price"])  # fmt: skip
    assert made["default_price"]["unit_amount"] == 5
    price = shop.post("prices", currency="usd", unit_amount=5, product_data={"name": "B"}, expand=["product"])
    assert (price["product"]["name"], price["product"]["active"]) == ("B", True)


def test_rights_on_products_and_prices(shop: Shop) -> None:
    """A key without them gets 403, with the name that Stripe gives the right on prices."""
    key = shop.control("POST", "/keys", rights={"products": "read"})["key"]
    assert shop.call("GET", "products", {}, key).status_code == 200
    assert "rak_product_write" in shop.call("POST", "products", {"name": "A"}, key).json()["error"]["message"]
    assert "rak_plan_read" in shop.call("GET", "prices", {}, key).json()["error"]["message"]


def test_life_of_a_meter(shop: Shop) -> None:
    """One active meter for each event name; an inactive one backs no new price, and a metered price has no quantity."""
    meter = shop.meter("calls")
    metered = {"interval": "month", "usage_type": "metered", "meter": meter}
    assert shop.error("POST", "billing/meters", display_name="x", event_name="calls",
                      default_aggregation={"formula": "sum"})["param"] == "event_name"  # fmt: skip
    price = shop.price(recurring=metered)
    assert (price["recurring"]["meter"], price["recurring"]["usage_type"]) == (meter, "metered")
    item = {"price": price["id"], "quantity": 1}
    assert shop.error("POST", "payment_links", line_items=[item])["param"] == "line_items[0][quantity]"
    shop.post(f"billing/meters/{meter}/deactivate")
    wrong = {"product": price["product"], "currency": "usd", "unit_amount": 5, "recurring": metered}
    assert shop.error("POST", "prices", **wrong)["param"] == "recurring[meter]"
    assert shop.get("billing/meters", status="active")["data"] == []
    second = shop.meter("calls")
    assert (
        shop.error("POST", f"billing/meters/{second}/reactivate")["message"] == f"The meter `{second}` is not inactive."
    )
    assert [body["id"] for body in shop.get("billing/meters")["data"]] == [second, meter]
    assert shop.types()[-2:] == ["billing.meter.deactivated", "billing.meter.created"]
