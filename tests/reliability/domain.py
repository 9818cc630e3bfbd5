"""What a domain brings to the fault run: a story, people who act it, and the laws about what comes of it.

The run makes one of each, plays their stories at once on one cluster, and holds the laws of all and those of each.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from tests.reliability.action import Action
from tests.reliability.billing.invoices import Invoices
from tests.reliability.billing.plans import Plans
from tests.reliability.checker.facts import Facts
from tests.reliability.checker.laws import Laws
from tests.reliability.cluster import Cluster
from tests.reliability.customers.domain import Customers


class People(Protocol):
    """Who acts at the vendors, under keys of their own that no fault is for."""

    async def act(self, action: Action) -> None:
        """Do one action, after the other sides that it needs. Raises AssertionError if one of them is lost."""

    async def touch(self, facts: Facts) -> None:
        """Change something of every entity that leads to no write: a second pass must find nothing to do."""

    async def close(self) -> None:
        """End the clients."""


class Domain(Protocol):
    """One domain in the run. Its actions are numbered from 0; no two domains use one subject."""

    @property
    def actions(self) -> Sequence[Action]:
        """The story, the same for the same seed."""

    @property
    def people(self) -> People:
        """Who acts it."""

    def laws(self, facts: Facts) -> Laws:
        """What must hold of what the people made, once everything is quiet."""


@dataclass(frozen=True)
class Part:
    """A domain of the run: its noun, who works on it, and its share of the events among those of the others.

    `make` is called with seed, number of events, cluster, and the seconds that people wait for an other side.
    """

    noun: str
    service: str
    share: int
    make: Callable[[int, int, Cluster, float], Domain]


CUSTOMERS = Part("customer", "customer-sync", 36, Customers)
DOMAINS: Sequence[Part] = (
    CUSTOMERS,
    Part("plan", "plan-sync", 9, Plans),
    Part("invoice", "invoice-sync", 15, Invoices),
)
"""The first one has as many workers as the faults want, the others one each."""
