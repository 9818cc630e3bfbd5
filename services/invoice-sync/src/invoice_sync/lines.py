"""The lines of a Stripe invoice, chosen from the tree by which Togai says what its total is made of. Pure.

Every number of the tree is the sum of those below it, so each way down gives one line: the first node that is more than
a sum. What is below that one, as the slabs of a rate card, is in it already.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import ROUND_FLOOR, Decimal
from itertools import groupby
from typing import Any

from shared.domains.invoices.taxes import TAX_CHARGE
from shared.domains.invoices.togai import InvoiceLine, LineTax
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
CHARGE = "MISCELLANEOUS_CHARGE"
MOST_LINES = 250
"""Lines that Stripe takes on one invoice."""
MARGIN = 5
"""Lines that are kept free: for rounding, for what was paid already, for taxes that no line can have."""
LONGEST_DESCRIPTION = 500
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
    tag: str = ""

    @property
    def words(self) -> str:
        """The name, with how much of it was sold at which rate."""
        if self.quantity is None:
            return self.name
        rate = "" if self.rate is None else f" × {self.rate.normalize():f}"
        return f"{self.name} ({self.quantity.normalize():f}{rate})"


def leaves(node: Mapping[str, Any], path: str = "0", tag: str = "") -> Iterator[Leaf]:
    """What a tree is made of, each part once. Raises Malformed for a value that is no amount."""
    kind, name = str(node.get("type") or ""), str(node.get("description") or node.get("type") or "Line")
    if kind in QUANTITIES:
        return
    below = node.get("lineItems")
    if kind in SUMS and isinstance(below, list) and below:
        inner = ": ".join(filter(None, (tag, name))) if kind in NAMED_SUMS else tag
        for place, item in enumerate(below):
            yield from leaves(item, f"{path}.{place}", inner)
        return
    value = money.decimal(node.get("value"))
    if value:
        shown = f"{tag}: {name}" if tag else name
        yield Leaf(path, shown, kind, value, _amount(node, "quantity"), _amount(node, "valuePerQuantity"), tag)


def covered_paths(tree: Mapping[str, Any], names: Collection[str]) -> frozenset[str]:
    """Where the parts of these names are in a tree."""
    return frozenset(leaf.path for leaf in leaves(tree) if leaf.name in names)


def _amount(node: Mapping[str, Any], name: str) -> Decimal | None:
    found = node.get(name)
    return None if found is None else money.decimal(found)


def lines_of(
    tree: Mapping[str, Any], total: Decimal, paid: Decimal, currency: str, most_rounding: int
) -> list[InvoiceLine]:
    """The lines, which come to the total less what was paid already. `most_rounding`: smallest units of the currency by
    which the lines may differ from the total.

    Raises Malformed for a tree that comes to something else by more than rounding, or has too many parts, and
    NotExpressible for a total that Stripe cannot hold.
    """
    wanted, found = money.exact(total, currency), list(leaves(tree))
    sold, taxes = [leaf for leaf in found if not is_tax(leaf)], [leaf for leaf in found if is_tax(leaf)]
    for key in (_rate_card, _tag):
        sold = sold if len(sold) <= MOST_LINES - MARGIN else grouped(sold, key)
    if len(sold) > MOST_LINES - MARGIN:
        raise Malformed(f"it has {len(sold)} parts: Stripe takes {MOST_LINES} lines on an invoice")
    lines = [_line(leaf.path, leaf.words, money.rounded(leaf.value, currency)) for leaf in sold]
    lines = with_taxes([line for line in lines if line.amount], taxes, currency)
    if rest := wanted - sum(line.amount + sum(tax.amount for tax in line.taxes) for line in lines):
        _check_rounding(rest, found, total, currency, most_rounding)
        lines.append(_line(ROUNDING, "Rounding", rest))
    if already := money.exact(paid, currency):
        lines.append(_line(PAID, "Paid already, by wallet or earlier payments", -already))
    return lines


def is_by_stripe(leaf: Leaf) -> bool:
    """Whether it is the charge by which Togai has the tax that Stripe calculated."""
    return (leaf.type, leaf.name) == (CHARGE, TAX_CHARGE)


def is_tax(leaf: Leaf) -> bool:
    """Whether it is shown as tax."""
    return leaf.type in TAXES or is_by_stripe(leaf)


def kept_charges(tree: Mapping[str, Any]) -> list[dict[str, str]]:
    """The miscellaneous charges of others, as the call takes them that replaces all."""
    return [_charge(leaf) for leaf in leaves(tree) if leaf.type == CHARGE and not is_by_stripe(leaf)]


def _charge(leaf: Leaf) -> dict[str, str]:
    if leaf.quantity is not None and leaf.rate is not None and leaf.quantity * leaf.rate == leaf.value:
        return {"name": leaf.name, "rate": f"{leaf.rate:f}", "quantity": f"{leaf.quantity:f}"}
    return {"name": leaf.name, "value": f"{leaf.value:f}"}


def _rate_card(leaf: Leaf) -> tuple[str, ...]:
    return (leaf.name, leaf.type)


def _tag(leaf: Leaf) -> tuple[str, ...]:
    """Its tag; what has none stays with its rate card."""
    return (leaf.tag,) if leaf.tag else _rate_card(leaf)


def grouped(found: list[Leaf], key: Callable[[Leaf], tuple[str, ...]]) -> list[Leaf]:
    """Parts of one key as one, in the order of their first."""
    order = {key(leaf): place for place, leaf in reversed(list(enumerate(found)))}

    def place(leaf: Leaf) -> int:
        return order[key(leaf)]

    return [_together(list(same)) for _, same in groupby(sorted(found, key=place), key=place)]


def _together(same: list[Leaf]) -> Leaf:
    if len(same) == 1:
        return same[0]
    value = sum((leaf.value for leaf in same), Decimal(0))
    name = same[0].name if len({leaf.name for leaf in same}) == 1 else same[0].tag
    return replace(same[0], name=f"{name} ({len(same)} entries)", value=value, quantity=None, rate=None)


def _check_rounding(rest: int, found: list[Leaf], total: Decimal, currency: str, most: int) -> None:
    """Raises Malformed where lines and total differ by more than one unit a line, or by more than all may."""
    smallest = money.step(currency)
    if abs(rest) <= min(len(found), most) * smallest:
        return
    shown = "; ".join(f"{leaf.name} {leaf.value}" for leaf in found[:20])
    more = f"; and {len(found) - 20} more" if len(found) > 20 else ""
    parts = sum((leaf.value for leaf in found), Decimal(0))
    by_line = money.major(money.exact(total, currency) - rest, currency)
    each = "" if by_line == parts else f", or {by_line} when each is rounded"
    raise Malformed(
        f"its total is {total} {currency}, and its parts come to {parts}{each}: {shown}{more}. At most "
        f"{money.major(smallest * most, currency)} may be rounded (`TANDEM_INVOICE_ROUNDING`), and one smallest unit a "
        "part. Correct the invoice in Togai, then retry"
    )


def _line(id_: str, words: str, amount: int) -> InvoiceLine:
    return InvoiceLine(id=id_, description=words[:LONGEST_DESCRIPTION], amount=amount)


def with_taxes(lines: list[InvoiceLine], taxes: Iterable[Leaf], currency: str) -> list[InvoiceLine]:
    """The lines with their shares of each tax, which come to it exactly. Togai tells of which lines a tax is nowhere:
    every line has its part. Where nothing is left to be taxed, the tax is a line.
    """
    base = sum(line.amount for line in lines)
    for tax in taxes:
        amount = money.rounded(tax.value, currency)
        if base <= 0 or not amount:
            lines += [_line(tax.path, tax.words, amount)] if amount else []
            continue
        percentage = f"{(Decimal(amount) * 100 / base).quantize(Decimal('0.0001')).normalize():f}"
        shares = spread(amount, [line.amount for line in lines], money.step(currency))
        lines = [
            line.model_copy(update={"taxes": [*line.taxes, LineTax(name=tax.name, amount=part, percentage=percentage)]})
            if part
            else line
            for line, part in zip(lines, shares, strict=True)
        ]
    return lines


def spread(amount: int, weights: Sequence[int], smallest: int) -> list[int]:
    """An amount in parts as the weights are, each of whole smallest units; together they are the amount."""
    whole = sum(weights)
    exact = [Decimal(amount) * weight / whole / smallest for weight in weights]
    parts = [int(each.to_integral_value(ROUND_FLOOR)) for each in exact]
    left = amount // smallest - sum(parts)
    by_remainder = sorted(range(len(parts)), key=lambda place: (parts[place] - exact[place], place))
    for place in by_remainder[:left]:
        parts[place] += 1
    return [part * smallest for part in parts]
