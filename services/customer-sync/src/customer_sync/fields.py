"""The fields of a linked account and customer: whose value holds, and what counts as equal. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec
from shared.apps.stripe.models import StripeCustomer
from shared.domains.customers.writes import TOGAI_STATUS
from shared.identity import digest
from shared.linking.fields import FieldPolicy, Value
from shared.linking.mappings import Mapping as Pair
from shared.linking.mappings import app_of
from shared.linking.pairs import Difference, Known, Side
from shared.setting_values import OWNED_FIELDS

from customer_sync.decide import left_out, togai_name
from customer_sync.values import (
    METADATA,
    STATUS,
    PairSnapshot,
    converted,
    customers_own,
    for_stripe,
    for_togai,
    is_empty,
    stripe_value,
    togai_value,
    value_at,
)

ALSO_WATCHED = ("business_name", "individual_name", "metadata", f"{METADATA}{TOGAI_STATUS}")
"""What an update of a Stripe customer may name, besides the fields themselves, that a field is made of."""


class CustomerFields(FieldPolicy):
    """Of one pair as it was `seen`. `owners` and `metadata` are settings: owners by field, and the keys that travel.

    A value that is only the conversion of the other side's (cut, padded, without a country) is equal to it.
    """

    sides = ("stripe", "togai")

    def __init__(
        self, seen: PairSnapshot, pair: Pair, known: Known, owners: Mapping[str, str], metadata: Iterable[str]
    ) -> None:
        self.seen = seen
        self.known = known
        self._pair = pair
        self._owners = owners
        self._names = names(metadata)

    def names(self) -> Sequence[str]:
        return self._names

    def owner(self, name: str) -> Side:
        return owner_of(name, self._pair, self._owners)

    def value(self, side: Side, name: str) -> Value:
        return value_at(side, name, self.seen)

    def is_empty(self, side: Side, name: str) -> bool:
        return is_empty(side, name, self.seen)

    def is_mark(self, name: str) -> bool:
        return name == STATUS

    def is_invented(self, name: str) -> bool:
        """A name at Togai that was made of the e-mail address."""
        if name != "name" or self.owner(name) != "stripe":
            return False
        there = togai_value("name", self.seen)
        made_here = self.seen.is_created_here and there == togai_value("email", self.seen)
        return made_here or digest(there) == self.known.agreed.get("email")

    def wanted(self, to: Side, name: str, notes: list[str]) -> Value:
        if to == "stripe":
            return for_stripe(name, self.seen, notes)
        return for_togai(name, self.seen, notes, invented=self.is_invented(name))

    def is_equal(self, name: str, wanted: Value | None) -> bool:
        seen = self.seen
        if self.owner(name) == "togai":
            there = stripe_value(name, seen.stripe)
            return there == wanted or togai_value(name, seen) in (there, converted("togai", name, seen))
        there = togai_value(name, seen)
        shown = there in (wanted, stripe_value(name, seen.stripe), converted("togai", name, seen))
        if not shown or not seen.is_sole_account or not seen.is_created_here or name.startswith(METADATA):
            return shown
        # What Tandem made at Togai shows the value twice: a stale one above the account would be seen on invoices.
        return customers_own(name, seen.customer) == there

    def left_out(self, name: str) -> str:
        return left_out(self.seen.stripe) if name == "address" else ""

    def refusal(self, to: Side, value: Value) -> str:
        if to == "stripe":
            return digest([value, sorted(self.seen.stripe.metadata)])
        return digest([value, self.seen.account.status, self.seen.customer.status])

    def shown(self, name: str) -> dict[Side, Value]:
        found = super().shown(name)
        if found["togai"] == found["stripe"] and not name.startswith((METADATA, STATUS)):
            found["togai"] = customers_own(name, self.seen.customer)  # the one above the account is the other one
        return found


def names(synced_metadata: Iterable[str]) -> list[str]:
    """Every field that travels, the archive mark last."""
    return [*OWNED_FIELDS, *(f"{METADATA}{key}" for key in synced_metadata), STATUS]


def watched(changed: Iterable[str], synced_metadata: Iterable[str]) -> bool:
    """Whether an update of a Stripe customer that changed these fields can concern a field that travels."""
    return not {*names(synced_metadata), *ALSO_WATCHED}.isdisjoint(changed)


def may_fit_now(changed: Iterable[str], differences: Mapping[str, Difference]) -> bool:
    """Whether an update of a Stripe customer that changed these fields may have made room for a value that was refused:
    Stripe counts all keys of the metadata, also those that nothing travels by.
    """
    refused = (name for name, shown in differences.items() if shown.refused)
    return any(name.startswith("metadata") for name in changed) and any(
        name == STATUS or name.startswith(METADATA) for name in refused
    )


def is_same(then: StripeCustomer, now: StripeCustomer, synced_metadata: Iterable[str]) -> bool:
    """Whether a Stripe customer looks alike at two times, as far as its fields travel."""
    plain = [name for name in names(synced_metadata) if name not in ("name", STATUS)]
    return togai_name(then, []) == togai_name(now, []) and all(
        stripe_value(name, then) == stripe_value(name, now) for name in plain
    )


def owner_of(name: str, pair: Pair, owners: Mapping[str, str]) -> Side:
    """Whose value of a field holds: by setting, else the side where the customer was first, and Togai for two that were
    there before they were linked.
    """
    if name == STATUS:
        return "togai"
    chosen = owners.get(name) or (owners.get("metadata") if name.startswith(METADATA) else None)
    if chosen in CustomerFields.sides:
        return chosen
    return "stripe" if pair.origin_app == "stripe" else "togai"


def created_equal(pair: Pair, owners: Mapping[str, str], values: Mapping[str, Value]) -> dict[str, str]:
    """What a pair that is just being made agrees on: the fields that its source owns, as they are written."""
    made = msgspec.structs.replace(pair, origin_app=app_of(pair.source))
    return {name: digest(value) for name, value in values.items() if owner_of(name, made, owners) == made.origin_app}


def settles_all(agreed: Iterable[str], synced_metadata: Iterable[str]) -> bool:
    """Whether a pair that was just made agrees on every field: what is left to agree on waits for a comparison. The
    archive mark agrees with what is not archived.
    """
    return not {*names(synced_metadata), STATUS} - {*agreed, STATUS}
