"""What a person does at the vendors, and what must have come of it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import ClassVar

from shared.domains import BUILT_IN
from shared.linking.pairs import CLOCKS_APART

from tests.reliability.crash.tandem import EAGER, PATIENCE, TOGAI_POLLED, WORKER, Tandem
from tests.reliability.crash.world import Pair, World
from tests.stack.processes import until

IN_TURN = 8
"""Pairs that take turns where pairs are written again and again: five writes in 12 s would count as a fight."""


class Scenario:
    """One kind of event. `act` makes it happen once, for a pair of its own or the next in turn.

    - `victim` is the process that shall die.
    - `grace` are the seconds after a death after which what did not come will not come, where nothing is on its way
      any more.
    """

    settings: ClassVar[dict[str, str]] = {}
    victim: ClassVar[str] = WORKER
    webhooks: ClassVar[bool] = True
    grace: ClassVar[float] = 3.0

    def __init__(self, tandem: Tandem) -> None:
        self.tandem = tandem
        self.person = tandem.person
        self.pairs: list[Pair] = []
        self.ready: list[Pair] = []
        self.alone = (0, 0)
        self._number = 0

    async def prepare(self, count: int) -> None:
        """Have what so many acts need."""

    async def act(self) -> list[Pair]:
        """Let it happen. Returns the pairs as they must become."""
        raise NotImplementedError

    async def rest(self, pairs: list[Pair], *, or_death: bool = False, grace: float | None = None) -> list[str]:
        """Wait until the pairs are as they must be, and every event has come to an end. Returns what is wrong then."""
        grace = self.grace if grace is None else grace
        return await self.tandem.rest(lambda: self.problems(pairs), grace, or_death=or_death)

    async def problems(self, pairs: list[Pair]) -> list[str]:
        """What is wrong now, with these pairs and with any event."""
        world = await self.world()
        of_pairs = [problem for pair in pairs for problem in world.problems(pair)]
        return of_pairs + self.tandem.ledger.event_problems()

    async def world(self) -> World:
        """Both vendors and the log as they are."""
        await self.tandem.ledger.read()
        stripe = await self.tandem.control("/state", account=self.person.stripe_account)
        togai = await self.tandem.control("/state", account=self.person.togai_org)
        return World(stripe["customers"], togai, list(self.tandem.ledger.newest("tandem.mappings").values()))

    def _next(self) -> int:
        self._number += 1
        return self._number

    async def made_in_togai(self) -> Pair:
        """A new account, as a person makes it."""
        account = f"a{self._next()}"
        await self.person.new_account(account)
        own = f"c-{account}"
        address = {"country": "US", "city": None, "line1": None, "line2": None, "postal_code": None, "state": None}
        stripe = {"name": f"Customer {own}", "email": f"{own}@example.test", "address": address}
        pair = Pair(account, own, f"{own}@example.test", stripe=stripe)
        self.pairs.append(pair)
        return pair

    async def made_in_stripe(self) -> Pair:
        """A new customer, as a person makes it."""
        number = self._next()
        email = f"g{number}@globex.test"
        customer = await self.person.new_customer(f"Globex {number}", email, phone=f"+49 {number}")
        togai = {
            "name": f"Globex {number}",
            "primaryEmail": email,
            "account.address": {"phoneNumber": f"+49 {number}"},
        }
        pair = Pair(f"acc_{customer}", customer, email, customer=customer, togai=togai)
        self.pairs.append(pair)
        return pair

    async def _make_pairs(self, count: int, make: Callable[[], Awaitable[Pair]]) -> None:
        """Linked pairs, before anybody is to die.

        They are left alone until an event proves what it shows. One that comes sooner has both sides read: a recording
        would show reads that no later life does.
        """
        for _ in range(count):
            self.ready.append(await make())
        await self.rest(self.ready)
        await asyncio.sleep(CLOCKS_APART)


class MadeInTogai(Scenario):
    """A Togai account is made: a Stripe customer follows."""

    async def act(self) -> list[Pair]:
        return [await self.made_in_togai()]


class MadeInStripe(Scenario):
    """A Stripe customer is made: a Togai customer with its account follows."""

    async def act(self) -> list[Pair]:
        return [await self.made_in_stripe()]


class TogaiChanged(Scenario):
    """A linked account's customer changes in Togai, of which only polling tells."""

    settings = TOGAI_POLLED
    grace = PATIENCE  # nothing but a poll tells that something is on its way

    async def prepare(self, count: int) -> None:
        if not self.ready:
            await self._make_pairs(IN_TURN, self.made_in_togai)

    async def act(self) -> list[Pair]:
        number = self._next()
        pair = self.ready[number % IN_TURN]
        await self.person.togai("PATCH", f"/customers/{pair.togai_customer}", json={"name": f"Renamed {number}"})
        pair.stripe["name"] = f"Renamed {number}"
        return [pair]


class StripeChanged(Scenario):
    """A linked customer changes in Stripe, in fields of the Togai customer and of its account."""

    async def prepare(self, count: int) -> None:
        if not self.ready:
            await self._make_pairs(IN_TURN, self.made_in_stripe)

    async def act(self) -> list[Pair]:
        number = self._next()
        pair = self.ready[number % IN_TURN]
        changes = {"name": f"Renamed {number}", "phone": f"+1 {number}"}
        await self.person.stripe("POST", f"/v1/customers/{pair.customer}", data=changes)
        pair.togai |= {"name": changes["name"], "account.address": {"phoneNumber": changes["phone"]}}
        return [pair]


class Archived(Scenario):
    """A linked account is archived in Togai: a mark at Stripe."""

    settings = TOGAI_POLLED
    grace = PATIENCE  # nothing but a poll tells that something is on its way

    async def prepare(self, count: int) -> None:
        await self._make_pairs(count, self.made_in_togai)

    async def act(self) -> list[Pair]:
        pair = self.ready.pop()
        body = {"account": self.person.togai_org, "togai_account": pair.account}
        await self.tandem.stack.control("POST", "/togai/archive", json=body)
        pair.status, pair.metadata = "ARCHIVED", {"togai_status": "archived"}
        return [pair]


class Deleted(Scenario):
    """A linked customer is deleted in Stripe: a mark on the link, and the account stays."""

    async def prepare(self, count: int) -> None:
        await self._make_pairs(count, self.made_in_stripe)

    async def act(self) -> list[Pair]:
        pair = self.ready.pop()
        await self.person.stripe("DELETE", f"/v1/customers/{pair.customer}")
        pair.state = "deleted"
        return [pair]


class _Linked(Scenario):
    """One side stands there unlinked, and the other is made with the same address."""

    async def _one_by_one(self, count: int, make: Callable[[], Awaitable[None]], index: Callable[[], bool]) -> None:
        await self.person.switch_all(*BUILT_IN, enabled=False)
        for _ in range(count):
            await make()

        async def indexed() -> bool:
            await self.tandem.ledger.read()
            return index()

        await until(indexed, "the index")
        await self.rest([])
        await self.person.switch_all(*BUILT_IN, enabled=True)

    def _indexed(self, noun: str, pairs: list[Pair]) -> bool:
        known = self.tandem.ledger.newest("tandem.index")
        wanted = [pair.account if noun == "account" else pair.customer for pair in pairs]
        return all(any(key.endswith(f"/{noun}/{id_}") for key in known) for id_ in wanted)


class LinkedFromTogai(_Linked):
    """An account is made whose address one unlinked Stripe customer has."""

    async def prepare(self, count: int) -> None:
        async def make() -> None:
            number = self._next()
            email = f"c-l{number}@example.test"
            customer = await self.person.new_customer(f"Old {number}", email)
            stripe = {"name": f"Customer c-l{number}", "email": email}
            self.ready.append(Pair(f"l{number}", f"c-l{number}", email, customer, stripe=stripe, rules=("email",)))

        await self._one_by_one(count, make, lambda: self._indexed("customer", self.ready))
        self.alone = (len(self.ready), 0)

    async def act(self) -> list[Pair]:
        pair = self.ready.pop()
        await self.person.new_account(pair.account)
        self.pairs.append(pair)
        self.alone = (len(self.ready), 0)
        return [pair]


class LinkedFromStripe(_Linked):
    """A customer is made whose address one unlinked Togai account has."""

    settings = TOGAI_POLLED

    async def prepare(self, count: int) -> None:
        async def make() -> None:
            account = f"l{self._next()}"
            await self.person.new_account(account)
            email = f"c-{account}@example.test"
            stripe = {"name": f"Customer c-{account}", "email": email}
            self.ready.append(Pair(account, f"c-{account}", email, stripe=stripe, rules=("email",)))

        await self._one_by_one(count, make, lambda: self._indexed("account", self.ready))
        self.alone = (0, len(self.ready))

    async def act(self) -> list[Pair]:
        pair = self.ready.pop()
        pair.customer = await self.person.new_customer("New", pair.email)
        self.pairs.append(pair)
        self.alone = (0, len(self.ready))
        return [pair]


class _Ingress(Scenario):
    """One on each side: two ways into the log, and what pollers add."""

    settings = EAGER
    victim = "ingress"
    grace = PATIENCE  # Togai sends once: what was lost with the process, polling finds

    async def act(self) -> list[Pair]:
        return [await self.made_in_togai(), await self.made_in_stripe()]

    async def problems(self, pairs: list[Pair]) -> list[str]:
        """As ever; and an act is not over before the pollers have looked at it, from its beginning to its end."""
        labels = Counter(p.point.label for p in self.tandem.passed() if p.point.phase == "after")
        looks = min(labels[f"send tandem.polls {kind}"] for kind in ("stripe-events", "togai-accounts"))
        return ["the pollers have not looked twice"] if looks < 2 else await super().problems(pairs)


class Webhooks(_Ingress):
    """Both vendors send webhooks, and are polled."""


class PollingOnly(_Ingress):
    """No webhook comes in."""

    webhooks = False


WORKER_SCENARIOS: tuple[type[Scenario], ...] = (
    MadeInTogai,
    MadeInStripe,
    TogaiChanged,
    StripeChanged,
    Archived,
    Deleted,
    LinkedFromTogai,
    LinkedFromStripe,
)
INGRESS_SCENARIOS: tuple[type[Scenario], ...] = (Webhooks, PollingOnly)
