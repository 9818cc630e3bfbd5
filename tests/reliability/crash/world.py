"""What must be true of one pair, held against the vendors' own state and the records of the log."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

MADE = ("created", "natural-id")
"""Rules of a pair whose other side we made; the second one by a create that an earlier life had sent already."""


@dataclass
class Pair:
    """One customer on both sides as it must end. `customer` is empty until Stripe gave an id."""

    account: str
    togai_customer: str
    email: str
    customer: str = ""
    stripe: dict[str, Any] = field(default_factory=dict)
    metadata: dict[str, str] = field(default_factory=dict)
    togai: dict[str, Any] = field(default_factory=dict)
    status: str = "ACTIVE"
    state: str = "linked"
    rules: tuple[str, ...] = MADE

    def __str__(self) -> str:
        return f"{self.account} = {self.customer or '?'}"


@dataclass(frozen=True)
class World:
    """Everything that stands at both vendors, and every mapping's last record."""

    customers: list[dict[str, Any]]
    togai: dict[str, Any]
    mappings: list[dict[str, Any]]

    def count_problems(self, pairs: int, alone: tuple[int, int]) -> list[str]:
        """Nothing doubled and nothing beside: `alone` are the unlinked objects that a person made, Stripe's first."""
        expected = {
            "Stripe customers": (len(self.customers), pairs + alone[0]),
            "Togai accounts": (len(self.togai["accounts"]), pairs + alone[1]),
            "Togai customers": (len(self.togai["customers"]), pairs + alone[1]),
            "mappings": (len(self.mappings), pairs),
        }
        return [f"{found} {what}, not {wanted}" for what, (found, wanted) in expected.items() if found != wanted]

    def problems(self, pair: Pair) -> list[str]:
        """What is wrong with one pair, in words; nothing if it is as it must be."""
        customers = [c for c in self.customers if self._belongs(c, pair)]
        accounts = [a for a in self.togai["accounts"] if a["id"] == pair.account]
        parents = [c for c in self.togai["customers"] if c["id"] == pair.togai_customer]
        if (len(customers), len(accounts), len(parents)) != (1, 1, 1):
            return [f"{pair}: {len(customers)} customers at Stripe, {len(accounts)} accounts, {len(parents)} at Togai"]
        [customer], [account], [parent] = customers, accounts, parents
        deleted = pair.state == "deleted"
        ids = {"togai_account_id": pair.account, "togai_customer_id": pair.togai_customer}
        checks: dict[str, tuple[Any, Any]] = {
            "deleted at Stripe": (bool(customer.get("deleted")), deleted),
            "status at Togai": (account["status"], pair.status),
            "settings": (self._settings(pair.account), [customer["id"]]),
            "mappings": (self._mapped(pair, customer["id"]), [(pair.state, True)]),
        }
        if not deleted:
            checks["metadata"] = (customer["metadata"], ids | pair.metadata)
            checks |= {f"{name} at Stripe": (customer.get(name), value) for name, value in pair.stripe.items()}
        both = parent | {f"account.{name}": value for name, value in account.items()}
        checks |= {f"{name} at Togai": (both.get(name), value) for name, value in pair.togai.items()}
        return [f"{pair}: {what} is {is_!r}, not {must!r}" for what, (is_, must) in checks.items() if is_ != must]

    def _belongs(self, customer: dict[str, Any], pair: Pair) -> bool:
        named = customer.get("metadata", {}).get("togai_account_id") == pair.account
        return named or customer["id"] == pair.customer or customer.get("email") == pair.email

    def _settings(self, account: str) -> list[str]:
        rows = self.togai["settings"]
        return [row["value"] for row in rows if row["entityId"] == account and row["id"] == "StripeCustomerId"]

    def _mapped(self, pair: Pair, customer: str) -> list[tuple[str, bool]]:
        ends = (f"/account/{pair.account}", f"/customer/{customer}")
        found = [m for m in self.mappings if any(ref.endswith(ends) for ref in (m["source"], m.get("target", "")))]
        return [(m["state"], m.get("rule") in pair.rules) for m in found]
