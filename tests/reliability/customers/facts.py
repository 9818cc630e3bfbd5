"""What the laws about customers read: the facts of all, what people made, and which ids came of it. Pure."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

from tests.reliability.checker.facts import Facts
from tests.reliability.customers.units import Unit, World, account_id

BILLED = "@billed.test"
"""The addresses of those whose invoices and plans are another part of the run."""


def _is_billed(email: str | None) -> bool:
    return (email or "").endswith(BILLED)


@dataclass
class CustomerFacts(Facts):
    """`world` is what people made, `customers` are the Stripe ids of their own customers by unit."""

    world: World = field(default_factory=World)
    customers: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, facts: Facts, world: World, customers: dict[str, str]) -> CustomerFacts:
        """Of what others of the run made, whose addresses say so, these laws say nothing."""
        own = vars(facts) | {
            "stripe": {id_: row for id_, row in facts.stripe.items() if not _is_billed(row.get("email"))},
            "accounts": {id_: row for id_, row in facts.accounts.items() if not _is_billed(row.get("primaryEmail"))},
            "parents": {id_: row for id_, row in facts.parents.items() if not _is_billed(row.get("primaryEmail"))},
        }
        accounts = own["accounts"]
        own["settings"] = {id_: value for id_, value in facts.settings.items() if id_ in accounts}
        return cls(**own, world=world, customers=customers)

    @property
    def named(self) -> dict[str, list[str]]:
        """The living Stripe customers that name an account in their metadata, by account."""
        found: dict[str, list[str]] = defaultdict(list)
        for customer in self.stripe.values():
            if account := customer["metadata"].get("togai_account_id"):
                found[account].append(customer["id"])
        return found

    def is_archived(self, account: str) -> bool:
        """Whether a Togai account is archived now, by itself or with its customer."""
        own = self.accounts[account]
        return "ARCHIVED" in (own["status"], self.parents.get(own["customerId"], {}).get("status"))

    def account_of(self, unit: Unit) -> str:
        """The Togai account of a unit's pair; empty if there is none."""
        if unit.origin == "togai":
            return account_id(unit.key)
        customer = self.customers.get(unit.key, "")
        named = [account for account, value in self.settings.items() if value == customer]
        return named[0] if named else ""

    def customer_of(self, unit: Unit) -> str:
        """The Stripe customer of a unit's pair; empty if there is none."""
        if unit.origin == "stripe":
            return self.customers.get(unit.key, "")
        return self.settings.get(account_id(unit.key), "")
