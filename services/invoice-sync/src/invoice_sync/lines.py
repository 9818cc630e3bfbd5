"""The lines of a Stripe invoice, chosen from the tree by which Togai says what its total is made of. Pure.

Every number of the tree is the sum of those below it, so each way down gives one line: the first node that is more than
a sum. What is below that one, as the slabs of a rate card, is in it already.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import groupby
from typing import Any

from shared.domains.invoices.togai import InvoiceLine
from shared.errors import Malformed

from shared import money

SUMS = frozenset(
    {
        "GRAND_TOTAL_AMOUNT", "TOTAL_AMOUNT", "NET_AMOUNT", "GROSS_AMOUNT", "SUB_TOTAL_AMOUNT", "SUB_TOTAL",
        "PRICE_PLAN_AMOUNT", "TOTAL_PURCHASE_AMOUNT", "TOTAL_CREDITS", "TOTAL_ADVANCED_FEES",
        "TOTAL_MISCELLANEOUS_CHARGES", "TOTAL_PRICING_RULE_ADDITION_AMOUNT", "TOTAL_TAX_AMOUNT", "CUSTOM_TAG",
    }
)  # fmt: skip
"""Types of nodes that only add up what is below them."""
NAMED_SUMS = frozenset({"CUSTOM_TAG"})
"""Sums whose name says more about what is below them."""
QUANTITIES = frozenset({"TOTAL_USAGE", "USAGE_METER_USAGE"})
"""Types of nodes that are no amounts."""
TAXES = frozenset({"TAX_AMOUNT", "TOTAL_TAX_AMOUNT"})
MOST_LINES = 250
"""Lines that Stripe takes on one invoice."""
LONGEST_DESCRIPTION = 500
MOST_ROUNDING = 10
"""Minor units by which the lines of one invoice may differ from its total."""
ROUNDING, PAID = "rounding", "paid"
"""Ids of the lines that no node of the tree stands behind."""


@dataclass(frozen=True)
class Leaf:
    """A node of the tree that becomes a line. `path` says where it stands: the same line again has the same one."""

    path: str
    name: str
    type: str
    value: Decimal
    quantity: Decimal | None = None
    rate: Decimal | None = None

    @property
    def words(self) -> str:
        """The name, with how much of it was sold at which rate."""
        if self.quantity is None:
            return self.name
        rate = "" if self.rate is None else f" × {self.rate.normalize():f}"
        return f"{self.name} ({self.quantity.normalize():f}{rate})"


def leaves(node: Mapping[str, Any], path: str = "0", prefix: str = "") -> Iterator[Leaf]:
    """What a tree is made of, each part once. Raises Malformed for a value that is no amount."""
    kind, name = str(node.get("type") or ""), str(node.get("description") or node.get("type") or "Line")
    if kind in QUANTITIES:
        return
    below = node.get("lineItems")
    if kind in SUMS and isinstance(below, list) and below:
        inner = f"{prefix}{name}: " if kind in NAMED_SUMS else prefix
        for place, item in enumerate(below):
            yield from leaves(item, f"{path}.{place}", inner)
        return
    value = money.decimal(node.get("value"))
    if value:
        yield Leaf(path, prefix + name, kind, value, _amount(node, "quantity"), _amount(node, "valuePerQuantity"))


def _amount(node: Mapping[str, Any], name: str) -> Decimal | None:
    found = node.get(name)
    return None if found is None else money.decimal(found)


def lines_of(tree: Mapping[str, Any], total: Decimal, paid: Decimal, currency: str) -> list[InvoiceLine]:
    """The lines, which come to the total less what was paid already.

    Raises Malformed for a tree that comes to something else by more than rounding, or has too many parts, and
    NotExpressible for a total that Stripe cannot hold.
    """
    wanted, found = money.exact(total, currency), list(leaves(tree))
    found = found if len(found) <= MOST_LINES - 2 else grouped(found)
    if len(found) > MOST_LINES - 2:
        raise Malformed(f"it has {len(found)} parts: Stripe takes {MOST_LINES} lines on an invoice")
    lines = [_line(leaf.path, leaf.words, money.rounded(leaf.value, currency)) for leaf in found]
    lines = [line for line in lines if line.amount]
    if rest := wanted - sum(line.amount for line in lines):
        _check_rounding(rest, found, total, currency)
        lines.append(_line(ROUNDING, "Rounding", rest))
    if already := money.exact(paid, currency):
        lines.append(_line(PAID, "Paid already", -already))
    return lines


def grouped(found: list[Leaf]) -> list[Leaf]:
    """Parts of one name and type as one, in the order of their first."""
    order = {(leaf.name, leaf.type): place for place, leaf in reversed(list(enumerate(found)))}

    def place(leaf: Leaf) -> int:
        return order[leaf.name, leaf.type]

    return [_together(list(same)) for _, same in groupby(sorted(found, key=place), key=place)]


def _together(same: list[Leaf]) -> Leaf:
    if len(same) == 1:
        return same[0]
    value = sum((leaf.value for leaf in same), Decimal(0))
    return replace(same[0], name=f"{same[0].name} ({len(same)} entries)", value=value, quantity=None, rate=None)


def _check_rounding(rest: int, found: list[Leaf], total: Decimal, currency: str) -> None:
    """Raises Malformed where lines and total differ by more than one unit a line, or by more than all may."""
    smallest = money.step(currency)
    if abs(rest) <= min(len(found), MOST_ROUNDING) * smallest:
        return
    shown = "; ".join(f"{leaf.name} {leaf.value}" for leaf in found[:20])
    more = f"; and {len(found) - 20} more" if len(found) > 20 else ""
    raise Malformed(
        f"its total is {total} {currency}, and its parts come to {sum((leaf.value for leaf in found), Decimal(0))}: "
        f"{shown}{more}. Correct the invoice in Togai, then retry"
    )


def _line(id_: str, words: str, amount: int) -> InvoiceLine:
    return InvoiceLine(id=id_, description=words[:LONGEST_DESCRIPTION], amount=amount)


def taxed(tree: Mapping[str, Any]) -> Decimal:
    """How much of it is tax."""
    return sum((leaf.value for leaf in leaves(tree) if leaf.type in TAXES), Decimal(0))
