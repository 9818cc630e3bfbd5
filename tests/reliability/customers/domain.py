"""The customers' part of the fault run."""

from __future__ import annotations

from tests.reliability.checker.facts import Facts
from tests.reliability.checker.laws import Laws
from tests.reliability.cluster import Cluster
from tests.reliability.customers.facts import CustomerFacts
from tests.reliability.customers.laws import laws
from tests.reliability.customers.model import Story
from tests.reliability.customers.people import CustomerPeople


class Customers:
    """People make, change, archive and delete customers and accounts on both sides."""

    def __init__(self, seed: int, events: int, cluster: Cluster, patience: float) -> None:
        self._story = Story(seed, events)
        self.actions = self._story.actions
        self.people = CustomerPeople(cluster.stack, cluster.tenant, self._story.world, cluster.keys, patience)

    def laws(self, facts: Facts) -> Laws:
        """What must hold of what the people made."""
        return laws(CustomerFacts.of(facts, self._story.world, self.people.customers))
