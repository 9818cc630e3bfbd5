"""The lines of an invoice: each part of Togai's tree once, and together the total to the cent."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from invoice_sync import lines as chosen
from invoice_sync.lines import MOST_LINES, leaves, spread
from shared.domains.invoices.togai import InvoiceLine
from shared.errors import Malformed

from shared import money

Json = dict[str, Any]


def lines_of(tree: Json, total: Decimal, paid: Decimal, currency: str, most_rounding: int = 10) -> list[InvoiceLine]:
    return chosen.lines_of(tree, total, paid, currency, most_rounding)


def node(kind: str, value: Any, *inner: Json, name: str = "", **more: Any) -> Json:
    found: Json = {"type": kind, "description": name or kind.title(), "value": Decimal(str(value)), "units": "USD"}
    return found | more | ({"lineItems": list(inner)} if inner else {})


def tree(*parts: Json) -> Json:
    """Parts below the sums that Togai always has."""
    total = sum((part["value"] for part in parts), Decimal(0))
    found = node("GROSS_AMOUNT", total, *parts)
    for kind in ("NET_AMOUNT", "TOTAL_AMOUNT", "GRAND_TOTAL_AMOUNT"):
        found = node(kind, total, found)
    return found


def card(value: Any, name: str = "Card", **more: Any) -> Json:
    return node("USAGE_RATE_CARD_AMOUNT", value, name=name, **more)


def test_what_is_below_a_rate_card_is_in_it() -> None:
    """Its slabs are no lines of their own; quantities of usage are none at all."""
    slabs = [node("USAGE_RATE_CARD_SLAB_AMOUNT", value) for value in (6, 4)]
    usage = node("TOTAL_USAGE", 1234, node("USAGE_METER_USAGE", 1234))
    whole = tree(node("USAGE_RATE_CARD_AMOUNT", 10, *slabs, name="Calls", quantity=100, valuePerQuantity="0.10"))
    whole["lineItems"].append(usage)
    [line] = lines_of(whole, Decimal(10), Decimal(0), "USD")

    assert (line.description, line.amount) == ("Calls (100 × 0.1)", 1000)


def test_tags_are_named_and_sums_are_not() -> None:
    """A person's own group of lines says more than its sum."""
    inner = node("CUSTOM_TAG", 10, card(10, "Calls"), name="Europe")
    [leaf] = leaves(tree(node("PRICE_PLAN_AMOUNT", 10, inner)))

    assert leaf.name == "Europe: Calls"


def test_a_sum_without_parts_is_a_part() -> None:
    """As credits that are shown in one number."""
    lines = lines_of(tree(card(10), node("TOTAL_CREDITS", -4, name="Credits")), Decimal(6), Decimal(0), "USD")

    assert [(line.description, line.amount) for line in lines] == [("Card", 1000), ("Credits", -400)]


@pytest.mark.parametrize(("quantity", "rate", "cents"), [("2", "8.165", 1633), ("3", "0.333", 100)])
def test_amounts_are_rounded_by_line_and_not_by_unit(quantity: str, rate: str, cents: int) -> None:
    """As Togai comes to its own total."""
    value = Decimal(quantity) * Decimal(rate)
    total = value.quantize(Decimal("0.01"))
    lines = lines_of(tree(card(value, quantity=quantity, valuePerQuantity=rate)), total, Decimal(0), "USD")

    assert lines[0].amount == cents
    assert sum(line.amount for line in lines) == cents


def test_the_same_tree_makes_the_same_lines() -> None:
    """What an earlier attempt added is known again."""
    whole = tree(card(10, "A"), card(5, "B"))
    first, again = (lines_of(whole, Decimal(15), Decimal(3), "USD") for _ in range(2))

    assert first == again
    assert len({line.id for line in first}) == 3


@pytest.mark.parametrize("total", ["14.97", "15.03", "-15"])
def test_more_than_rounding_is_no_rounding(total: str) -> None:
    """At most a cent for each of the two lines."""
    with pytest.raises(Malformed, match="its parts come to 15"):
        lines_of(tree(card(10), card(5)), Decimal(total), Decimal(0), "USD")


def test_what_drifts_by_its_rounding_alone_is_explained() -> None:
    """Parts that come to the total, and do not when each is rounded: the error names both sums and the setting."""
    with pytest.raises(Malformed, match=r"come to 10.050, or 10.20 when each is rounded: .*At most 0.10 may"):
        lines_of(node("GRAND_TOTAL_AMOUNT", "10.05", *[card("0.335")] * 30), Decimal("10.05"), Decimal(0), "USD")


def test_a_hundred_lines_may_differ_by_ten_at_most() -> None:
    """Ten cents of rounding, and no eleventh; of fewer, where a setting says so, none beyond."""
    parts = [card("0.10", f"Card {number}") for number in range(100)]
    lines = lines_of(tree(*parts), Decimal("10.10"), Decimal(0), "USD")

    assert lines[-1].amount == 10
    for most, total in ((10, "10.11"), (9, "10.10"), (0, "10.01")):
        with pytest.raises(Malformed):
            lines_of(tree(*parts), Decimal(total), Decimal(0), "USD", most)


amounts = st.decimals("-1000", "1000", places=5, allow_nan=False)


@given(
    values=st.lists(amounts, min_size=1, max_size=400),
    tax=amounts,
    names=st.integers(1, 5),
    currency=st.sampled_from(["USD", "JPY", "KWD", "ISK", "MGA"]),
)
def test_lines_come_to_the_total_or_nothing_is_made(
    values: list[Decimal], tax: Decimal, names: int, currency: str
) -> None:
    """Whatever the parts: no cent appears or goes, no line is out of step with what Stripe takes."""
    parts = [card(value, f"Card {place % names}") for place, value in enumerate(values)]
    parts.append(node("TOTAL_TAX_AMOUNT", tax, node("TAX_AMOUNT", tax, name="VAT")))
    values = [*values, tax]
    smallest = Decimal(money.step(currency)).scaleb(-money.digits(currency))
    total = (sum(values, Decimal(0)) / smallest).to_integral_value() * smallest
    try:
        lines = lines_of(tree(*parts), total, Decimal(0), currency)
    except Malformed:
        return

    units = [line.amount for line in lines] + [tax.amount for line in lines for tax in line.taxes]
    assert sum(units) == money.exact(total, currency)
    assert len(lines) <= MOST_LINES
    assert all(amount % money.step(currency) == 0 for amount in units)


@given(st.integers(-(10**8), 10**8), st.lists(st.integers(-1000, 10**6), min_size=1, max_size=250))
def test_shares_come_to_the_whole(amount: int, weights: list[int]) -> None:
    """No part is further from its exact share than a unit."""
    whole = sum(weights)
    if whole <= 0:
        return
    parts = spread(amount, weights, 1)

    assert sum(parts) == amount
    assert all(abs(part - Decimal(amount) * w / whole) < 1 for part, w in zip(parts, weights, strict=True))


def test_too_many_parts_become_one_line_for_each_tag() -> None:
    """Where one for each rate card would be too many still; what has no tag stays, and the total is the same."""
    tags = [
        node("CUSTOM_TAG", 15, *(card("0.10", f"Meter {number}") for number in range(150)), name=name)
        for name in ("Europe", "Asia")
    ]
    lines = lines_of(tree(*tags, card(5, "Fee")), Decimal(35), Decimal(0), "USD")

    assert [(line.description, line.amount) for line in lines] == [
        ("Europe (150 entries)", 1500), ("Asia (150 entries)", 1500), ("Fee", 500),
    ]  # fmt: skip


def test_parts_of_one_rate_card_are_put_together_before_tags_are() -> None:
    """Tags stay apart as long as that is enough."""
    tags = [
        node("CUSTOM_TAG", 15, *(card("0.10", f"Meter {number % 2}") for number in range(150)), name=name)
        for name in ("Europe", "Asia")
    ]
    lines = lines_of(tree(*tags), Decimal(30), Decimal(0), "USD")

    assert [line.description for line in lines] == [
        "Europe: Meter 0 (75 entries)", "Europe: Meter 1 (75 entries)", "Asia: Meter 0 (75 entries)",
        "Asia: Meter 1 (75 entries)",
    ]  # fmt: skip
