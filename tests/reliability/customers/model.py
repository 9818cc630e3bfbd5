"""From a seed, a story of what people do on both sides. Pure: the same seed tells the same story.

One action is one event of the run. Actions on one subject (a Togai customer with its accounts, or a Stripe customer)
are done one after the other, as its people do; those of many subjects at once. Values never come twice, so that whoever
looks at a value knows when it was set.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Any

from tests.reliability.action import Action
from tests.reliability.customers.units import VATN, Parent, Unit, Value, World, account_id

NEW = 0.14
"""Share of the actions that make a new subject."""


class Story:
    """Tells the actions, and keeps the world as it must be after them in `world`.

    A beginning of several actions is never split: a story may be an action longer than asked.
    """

    def __init__(self, seed: int, events: int) -> None:
        self.world = World()
        self.actions: list[Action] = []
        self._rng = random.Random(f"story {seed}")
        self._subjects: list[str] = []
        self._units: dict[str, list[Unit]] = {}
        while len(self.actions) < events:
            self._next()

    def _next(self) -> None:
        if not self._subjects or self._rng.random() < NEW:
            self._begin()
            return
        subject = self._rng.choice(self._subjects)
        chosen = self._rng.choice([unit for unit in self._units[subject] if unit.is_free])
        choices = list(self._choices(subject, chosen))
        if choices:
            weights = [weight for weight, _ in choices]
            self._rng.choices([act for _, act in choices], weights)[0]()

    # --- beginnings ---

    def _begin(self) -> None:
        begin = self._rng.choices(
            [self._togai, self._stripe, self._without_email, self._named, self._claims_taken, self._matched_by_email],
            [40, 35, 10, 8, 2, 5],
        )[0]
        begin(f"{begin.__name__[1]}{len(self.actions)}")

    def _togai(self, subject: str) -> None:
        self._make_account(subject)
        self._subjects.append(subject)

    def _make_account(self, subject: str, **more: Any) -> Unit:
        """A Togai customer with its first account, whose fields are its own or left to the customer's."""
        n = len(self.actions)
        parent = self.world.parents[subject] = Parent(subject)
        parent.values = {"name": f"Customer {n}", "email": f"c{n}@x.test", "phone": f"+1{n}", "address": _address(n)}
        unit = self._account(subject, 0)
        self._announce(
            subject, "togai.make", unit.key, {"customer": dict(parent.values), "account": dict(unit.values), **more}
        )
        return unit

    def _accounts(self, subject: str) -> list[Unit]:
        return [unit for unit in self._units[subject] if unit.parent]

    def _keep(self, subject: str, unit: Unit) -> Unit:
        self.world.units[unit.key] = unit
        self._units.setdefault(subject, []).append(unit)
        return unit

    def _account(self, subject: str, place: int) -> Unit:
        n = len(self.actions)
        unit = self._keep(subject, Unit(f"{subject}.{place}", "togai", parent=subject))
        unit.set("email", f"a{n}.{place}@x.test")
        if self._rng.random() < 0.6:
            unit.set("phone", f"+2{n}{place}")
            unit.set("address", _address(n, "Account"))
        if self._rng.random() < 0.3:
            unit.set(VATN, f"V{n}.{place}")
        return unit

    def _stripe(self, subject: str) -> None:
        unit = self._make_customer(subject, email=f"s{len(self.actions)}@x.test")
        self._announce(subject, "stripe.make", unit.key, dict(unit.values))
        self._subjects.append(subject)

    def _make_customer(self, subject: str, email: str = "", key: str = "") -> Unit:
        n = len(self.actions)
        unit = self._keep(subject, Unit(key or subject, "stripe"))
        unit.set("name", f"Name {n}")
        if email:
            unit.set("email", email)
        if self._rng.random() < 0.7:
            unit.set("phone", f"+3{n}")
            unit.set("address", _address(n))
        if self._rng.random() < 0.3:
            unit.set(VATN, f"V{n}")
        return unit

    def _without_email(self, subject: str) -> None:
        unit = self._make_customer(subject)
        unit.must = "wait"
        self._announce(subject, "stripe.make", unit.key, dict(unit.values))
        self._subjects.append(subject)

    def _named(self, subject: str) -> None:
        """A Stripe customer and a Togai account that name each other, or the account alone names the customer."""
        both = self._rng.random() < 0.6
        customer = self._make_customer(subject, key=f"{subject}.s")
        customer.must, customer.partner = "partner", f"{subject}.0"
        names = {"togai_account_id": account_id(customer.partner)} if both else {}
        self._announce(subject, "stripe.make", customer.key, dict(customer.values) | {"names": names})
        account = self._make_account(subject, names=customer.key)
        account.must, account.partner = "partner", customer.key
        self._subjects.append(subject)

    def _claims_taken(self, subject: str) -> None:
        """A Stripe customer that names an account which has its own already: a person must decide."""
        account = self._make_account(subject)
        n = len(self.actions)
        customer = self._make_customer(subject, email=f"n{n}@x.test", key=f"{subject}.s")
        customer.must = "wait"
        names = {"togai_account_id": account_id(account.key)}
        values = dict(customer.values) | {"names": names}
        self._announce(subject, "stripe.make", customer.key, values, needs=(account.key,))

    def _matched_by_email(self, subject: str) -> None:
        """One address on both sides, born in the same moment: one pair, or a conflict that is shown."""
        email = f"both{len(self.actions)}@x.test"
        customer = self._make_customer(subject, email=email, key=f"{subject}.s")
        customer.must, customer.partner = "either", f"{subject}.0"

        def in_stripe() -> None:
            self._announce(subject, "stripe.make", customer.key, dict(customer.values))

        first = self._rng.random() < 0.5
        if first:
            in_stripe()
        account = self._make_account(subject, email=email)
        account.set("email", email)
        account.must, account.partner = "either", customer.key
        if not first:
            in_stripe()

    # --- what happens to what is there ---

    def _choices(self, subject: str, unit: Unit) -> Iterator[tuple[float, Callable[[], None]]]:
        """What may be done to a unit, each with its weight."""
        if unit.origin == "stripe":
            yield from self._choices_in_stripe(subject, unit)
        else:
            yield from self._choices_in_togai(subject, unit)

    def _choices_in_stripe(self, subject: str, unit: Unit) -> Iterator[tuple[float, Callable[[], None]]]:
        if unit.deleted:
            return
        if unit.must == "wait":
            yield 4, lambda: self._give_email(subject, unit)
            yield 2, lambda: self._change_in_stripe(subject, unit)
            return
        yield 60, lambda: self._change_in_stripe(subject, unit)
        yield 6, lambda: self._by_hand_in_togai(subject, unit)
        yield 2, lambda: self._delete(subject, unit, early=False)
        yield 0.5, lambda: self._delete(subject, unit, early=True)
        yield 3, lambda: self._archive(subject, unit, archived=not unit.archived)

    def _choices_in_togai(self, subject: str, unit: Unit) -> Iterator[tuple[float, Callable[[], None]]]:
        parent = self.world.parents[subject]
        if parent.archived:
            yield 1, lambda: self._archive_parent(subject, archived=False)
            return
        if len(self._accounts(subject)) < 3 and subject[0] == "t":
            yield 4, lambda: self._add_account(subject)
        yield 15, lambda: self._change_parent(subject)
        yield 2, lambda: self._archive_parent(subject, archived=True)
        yield 3, lambda: self._archive(subject, unit, archived=not unit.archived)
        if not unit.archived:
            yield 45, lambda: self._change_in_togai(subject, unit)
        if not unit.deleted:
            yield 6, lambda: self._by_hand_in_stripe(subject, unit)
            yield 2, lambda: self._delete(subject, unit, early=False)

    def _add_account(self, subject: str) -> None:
        unit = self._account(subject, len(self._accounts(subject)))
        self._announce(subject, "togai.add_account", unit.key, dict(unit.values))

    def _change_in_stripe(self, subject: str, unit: Unit) -> None:
        names = ["name", "phone", "address", VATN] + (["email"] if unit.must == "link" else [])
        name = self._rng.choice(names)
        unit.set(name, self._value(name))
        self._announce(subject, "stripe.change", unit.key, {name: unit.values[name]})

    def _give_email(self, subject: str, unit: Unit) -> None:
        unit.must = "link"
        unit.set("email", self._value("email"))
        self._announce(subject, "stripe.change", unit.key, {"email": unit.values["email"]})

    def _change_in_togai(self, subject: str, unit: Unit) -> None:
        name = self._rng.choice(["email", "phone", "address", VATN])
        unit.set(name, self._value(name))
        # Togai replaces an address whole, and the phone number is in it; metadata is replaced whole too.
        shown = {n: unit.values[n] for n in ("phone", "address") if n in unit.values}
        self._announce(
            subject, "togai.change_account", unit.key, {name: unit.values[name]} | (shown if name in shown else {})
        )

    def _change_parent(self, subject: str) -> None:
        parent, name = self.world.parents[subject], self._rng.choice(["name", "name", "phone", "address"])
        parent.values[name] = value = self._value(name)
        for unit in self._accounts(subject):
            if self.world.shown(unit, name) == value:
                unit.past.setdefault(name, []).append(value)
                unit.hand.pop(name, None)
        shown = {n: parent.values[n] for n in ("phone", "address")}
        self._announce(subject, "togai.change_customer", subject, {name: value} | (shown if name in shown else {}))

    def _archive_parent(self, subject: str, *, archived: bool) -> None:
        self.world.parents[subject].archived = archived
        for unit in self._accounts(subject):
            unit.archived = True  # with the customer; each must be taken out again by itself
        needs = tuple(unit.key for unit in self._accounts(subject)) if archived else ()
        verb = "togai.archive_customer" if archived else "togai.unarchive_customer"
        self._announce(subject, verb, subject, needs=needs)

    def _archive(self, subject: str, unit: Unit, *, archived: bool) -> None:
        unit.archived = archived
        self._announce(subject, f"togai.{'archive' if archived else 'unarchive'}_account", unit.key, needs=(unit.key,))

    def _delete(self, subject: str, unit: Unit, *, early: bool) -> None:
        unit.deleted, unit.early = True, early
        self._announce(subject, "stripe.delete", unit.key, needs=() if early else (unit.key,))

    def _by_hand_in_stripe(self, subject: str, unit: Unit) -> None:
        """On the side that does not own the field: shown, neither copied nor reverted."""
        name = self._rng.choice(["name", "email", "phone", "address"])
        unit.hand[name] = value = self._value(name)
        self._announce(subject, "stripe.by_hand", unit.key, {name: value}, needs=(unit.key,))

    def _by_hand_in_togai(self, subject: str, unit: Unit) -> None:
        if unit.archived:
            return
        name = self._rng.choice(["name", "email"])
        unit.hand[name] = value = self._value(name)
        self._announce(subject, "togai.by_hand", unit.key, {name: value}, needs=(unit.key,))

    def _value(self, name: str) -> Value:
        """A value that nobody had before."""
        n = len(self.actions)
        if name == "address":
            return _address(n)
        return {"name": f"Name {n}", "email": f"m{n}@x.test", "phone": f"+4{n}", VATN: f"V{n}"}[name]

    def _announce(
        self, subject: str, verb: str, unit: str, values: dict[str, Any] | None = None, needs: tuple[str, ...] = ()
    ) -> None:
        self.actions.append(Action(len(self.actions), subject, verb, unit, values or {}, needs))


def _address(n: int, street: str = "Street") -> dict[str, str]:
    return {"line1": f"{n} {street}", "city": "Graz", "country": "AT"}
