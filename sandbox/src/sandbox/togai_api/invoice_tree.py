"""The tree of lines by which a Togai invoice says what its total is made of (source: Togai OpenAPI spec, invoices).

Grand total > total > net amount > gross amount > what was sold; credits and reductions stand beside the gross amount
with a minus, tax beside the net amount. Every number is the sum of those below it, unless a total is forced upon it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal

Json = dict[str, Any]
LineType = Literal[
    "PRICE_PLAN_AMOUNT", "FIXED_FEE_RATE_CARD_AMOUNT", "CREDIT_GRANT_RATE_CARD_AMOUNT",
    "BILLING_ENTITLEMENT_RATE_CARD_AMOUNT", "ENTITLEMENT_OVERAGE_RATE_CARD_AMOUNT", "LICENSE_RATE_CARD_AMOUNT",
    "USAGE_RATE_CARD_AMOUNT", "ADVANCED_FIXED_FEE", "ADVANCED_LICENSE_RATE_CARD_AMOUNT",
    "ADVANCED_BILLING_ENTITLEMENT_RATE_CARD_AMOUNT", "ADVANCED_CREDIT_GRANT_RATE_CARD_AMOUNT", "MISCELLANEOUS_CHARGE",
    "TRUE_UP_AMOUNT", "TOTAL_PURCHASE_AMOUNT", "CUSTOM_AMOUNT", "RATE_CONFIG_ADJUSTMENT_AMOUNT", "PROXY_AMOUNT",
]  # fmt: skip
_NONE = Decimal(0)
_REDUCTION = "PRICING_RULE_ADDITION_AMOUNT"
_SLABS = {
    "USAGE_RATE_CARD_AMOUNT": "USAGE_RATE_CARD_SLAB_AMOUNT",
    "LICENSE_RATE_CARD_AMOUNT": "LICENSE_RATE_CARD_SLAB_AMOUNT",
    "ENTITLEMENT_OVERAGE_RATE_CARD_AMOUNT": "ENTITLEMENT_OVERAGE_RATE_CARD_SLAB_AMOUNT",
}  # fmt: skip


@dataclass(frozen=True)
class Line:
    """Something that was sold."""

    name: str
    amount: Decimal
    type: LineType = "FIXED_FEE_RATE_CARD_AMOUNT"
    quantity: Decimal | None = None
    rate: Decimal | None = None

    def shown(self, currency: str) -> Json:
        """The line as a leaf of the tree; what is sold by quantity has its one slab below it."""
        leaf: Json = {"description": self.name, "type": self.type, "units": currency, "value": self.amount}
        if self.rate is not None:
            leaf["valuePerQuantity"] = self.rate
        if self.quantity is not None:
            leaf["quantity"] = self.quantity
        slab = _SLABS.get(self.type)
        return {**leaf, "lineItems": [{**leaf, "description": "Slab 1", "type": slab}]} if slab else leaf


@dataclass(frozen=True)
class Parts:
    """What an invoice is made of."""

    currency: str
    lines: list[Line]
    tax: Decimal = _NONE
    discount: Decimal = _NONE
    credits: Decimal = _NONE
    charges: list[Line] = field(default_factory=list)

    @property
    def total(self) -> Decimal:
        """What the parts come to."""
        sold = sum((line.amount for line in [*self.lines, *self.charges]), _NONE)
        return sold + self.tax - self.discount - self.credits

    def tree(self, total: Decimal | None = None) -> Json:
        """The tree; a total that is not what the parts come to makes one that does not add up, as seen at Togai."""
        advanced = [line for line in self.lines if line.type.startswith("ADVANCED_")]
        extra = [*self.charges, *(line for line in self.lines if line.type == "MISCELLANEOUS_CHARGE")]
        gross = [line for line in self.lines if line not in advanced and line not in extra]
        net = [self._node("Sum Total", "GROSS_AMOUNT", [line.shown(self.currency) for line in gross])]
        net += self._group("Advanced fees", "TOTAL_ADVANCED_FEES", [line.shown(self.currency) for line in advanced])
        net += self._group(
            "Other charges", "TOTAL_MISCELLANEOUS_CHARGES", [line.shown(self.currency) for line in extra]
        )
        net += self._minus(
            "Discount", self.discount, "TOTAL_PRICING_RULE_ADDITION_AMOUNT", "PRICING_RULE_ADDITION_AMOUNT"
        )
        net += self._minus("Credits", self.credits, "TOTAL_CREDITS", "SUB_CREDITS")
        due = [self._node("Total amount due", "NET_AMOUNT", net)]
        if self.tax:
            due += self._group("Tax", "TOTAL_TAX_AMOUNT", [self._leaf("Tax", "TAX_AMOUNT", self.tax)])
        whole = self._node("Total Amount", "TOTAL_AMOUNT", due)
        root = self._node("Grand Total Amount", "GRAND_TOTAL_AMOUNT", [whole])
        return root if total is None else {**root, "value": total, "lineItems": [{**whole, "value": total}]}

    def _leaves(self, lines: list[Line]) -> list[Json]:
        return [line.shown(self.currency) for line in lines]

    def _leaf(self, name: str, type: str, value: Decimal) -> Json:
        return {"description": name, "type": type, "units": self.currency, "value": value}

    def _node(self, name: str, type: str, inner: list[Json]) -> Json:
        node = self._leaf(name, type, sum((item["value"] for item in inner), _NONE))
        return {**node, "lineItems": inner} if inner else node

    def _group(self, name: str, type: str, inner: list[Json]) -> list[Json]:
        return [self._node(name, type, inner)] if inner else []

    def _minus(self, name: str, amount: Decimal, outer: str, inner: str) -> list[Json]:
        return self._group(name, outer, [self._leaf(name, inner, -amount)] if amount else [])


def of_custom(given: list[Json]) -> list[Line]:
    """The lines of a custom invoice's request."""
    return [
        Line(item.get("description") or "Custom charge", item.get("value", _product(item)), "CUSTOM_AMOUNT",
             item.get("quantity"), item.get("valuePerQuantity"))
        for item in given
    ]  # fmt: skip


def of_charges(given: list[Json]) -> list[Line]:
    """Charges that are added to a draft."""
    return [
        Line(item["name"], Decimal(item["value"]) if "value" in item else item["rate"] * item["quantity"],
             "MISCELLANEOUS_CHARGE", item.get("quantity"), item.get("rate"))
        for item in given
    ]  # fmt: skip


def _product(item: Json) -> Decimal:
    return Decimal(item.get("valuePerQuantity", 0)) * Decimal(item.get("quantity", 0))
