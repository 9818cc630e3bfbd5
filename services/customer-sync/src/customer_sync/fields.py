"""The fields of a pair: what each side holds, who owns it, and what follows from a difference. Pure.

A field's owner is the side whose value holds. "Agreed" is the digest of the owner's value that the other side was last
equal to or set to: if the owner's value is another one by now, the owner changed and its value is written; if it is
not, the other side changed, and that is shown, neither copied nor reverted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from shared.apps.stripe import models as stripe_models
from shared.apps.stripe.models import StripeCustomer
from shared.apps.togai import models as togai_models
from shared.apps.togai.models import TogaiAccount, TogaiAddress, TogaiCustomer
from shared.errors import Waiting
from shared.mappings import Mapping as Pair
from shared.pairs import Known, Side, digest
from shared.settings import OWNED_FIELDS

from customer_sync.decide import (
    ADDRESS_FIELDS,
    cut,
    fits,
    phone_of,
    stripe_address,
    togai_address,
    togai_name,
    unpadded,
)

TOGAI_STATUS = "togai_status"
"""Name in a Stripe customer's metadata: the mark of what was archived in Togai."""
STATUS = "status"
ARCHIVED = "ARCHIVED"
BORN_HERE = ("created", "natural-id")
"""Rules of pairs whose other side Tandem made: born where the source is."""
METADATA = "metadata."
ALSO_WATCHED = ("business_name", "individual_name", "metadata", f"{METADATA}{TOGAI_STATUS}")
"""What an update of a Stripe customer may name, besides the fields themselves, that a field is made of."""
Value = str | dict[str, str]


@dataclass(frozen=True)
class Both:
    """A pair as it is. `alone`: the Togai customer has no other linked account, so its own fields are this pair's."""

    account: TogaiAccount
    customer: TogaiCustomer
    stripe: StripeCustomer
    alone: bool = True


@dataclass(frozen=True)
class Blocked:
    """The owner's value cannot be put at the other side, for a reason that a person can mend."""

    reason: str


@dataclass(frozen=True)
class Different:
    """A field that differs and stays so."""

    field: str
    owner: Side
    togai: Value
    stripe: Value
    reason: str


@dataclass
class Decision:
    """What follows from a look: values to write by side and field, what differs, what both sides agree on."""

    write: dict[Side, dict[str, Value]] = field(default_factory=lambda: {"togai": {}, "stripe": {}})
    different: list[Different] = field(default_factory=list)
    agreed: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @property
    def writes(self) -> bool:
        return any(self.write.values())


def names(synced_metadata: Iterable[str]) -> list[str]:
    """Every field that travels, the archive mark last."""
    return [*OWNED_FIELDS, *(f"{METADATA}{key}" for key in synced_metadata), STATUS]


def watched(changed: Iterable[str], synced_metadata: Iterable[str]) -> bool:
    """Whether an update of a Stripe customer that changed these fields can concern a field that travels."""
    return not {*names(synced_metadata), *ALSO_WATCHED}.isdisjoint(changed)


def is_same(then: StripeCustomer, now: StripeCustomer, synced_metadata: Iterable[str]) -> bool:
    """Whether a Stripe customer looks alike at two times, as far as its fields travel."""
    plain = [name for name in names(synced_metadata) if name not in ("name", STATUS)]
    return togai_name(then, []) == togai_name(now, []) and all(
        stripe_value(name, then) == stripe_value(name, now) for name in plain
    )


def owner_of(name: str, pair: Pair, owners: Mapping[str, str]) -> Side:
    """Whose value of a field holds: by setting, else the side of birth, and Togai for a pair that a rule linked."""
    if name == STATUS:
        return "togai"
    chosen = owners.get(name) or (owners.get("metadata") if name.startswith(METADATA) else None)
    if chosen in ("togai", "stripe"):
        return "togai" if chosen == "togai" else "stripe"
    return "stripe" if pair.rule in BORN_HERE and pair.source.startswith("stripe:") else "togai"


def decide(
    both: Both,
    pair: Pair,
    known: Known,
    *,
    owners: Mapping[str, str],
    metadata: Iterable[str],
    echoed: Iterable[str] = (),
) -> Decision:
    """What a look at both sides asks for. `echoed`: fields whose present value in Stripe a write of ours has set."""
    found = Decision(agreed=dict(known.agreed))
    ours = {STATUS if name == f"{METADATA}{TOGAI_STATUS}" else name for name in echoed}
    for name in names(metadata):
        _one(found, name, owner_of(name, pair, owners), both, known, echoed=name in ours)
    return found


def _one(found: Decision, name: str, owner: Side, both: Both, known: Known, *, echoed: bool) -> None:
    other: Side = "stripe" if owner == "togai" else "togai"
    wanted = _wanted(name, owner, both, found.notes)
    at_togai, at_stripe = togai_value(name, both), stripe_value(name, both.stripe)
    if isinstance(wanted, Blocked):
        if at_togai != at_stripe:
            found.different.append(Different(name, owner, at_togai, at_stripe, wanted.reason))
        return
    mark = digest(wanted)
    if _is_there(name, wanted, other, both):
        found.agreed[name] = mark
        return
    present = digest(at_stripe if other == "stripe" else at_togai)
    late = present in {write.fields.get(name) for write in known.open if write.to == other}
    if mark != known.agreed.get(name) or late or (echoed and other == "stripe"):
        found.write[other][name] = wanted
        found.agreed[name] = mark
        return
    reason = f"{name} is owned by {owner.title()}: the value in {other.title()} is neither copied nor reverted"
    found.different.append(Different(name, owner, at_togai, at_stripe, reason))


def _wanted(name: str, owner: Side, both: Both, notes: list[str]) -> Value | Blocked:
    """The owner's value in the other side's terms."""
    try:
        return at_stripe(name, both, notes) if owner == "togai" else at_togai(name, both, notes)
    except Waiting as error:
        return Blocked(error.message)


def _is_there(name: str, wanted: Value, other: Side, both: Both) -> bool:
    if other == "stripe":
        return stripe_value(name, both.stripe) == wanted
    if togai_value(name, both) != wanted:
        return False
    # What Tandem made at Togai shows the value twice: a stale one above the account would be seen on invoices.
    return not both.alone or name.startswith(METADATA) or _customers_own(name, both.customer) == wanted


# --- what each side holds ---------------------------------------------------------------------------------------------


def stripe_value(name: str, customer: StripeCustomer) -> Value:
    """A field as Stripe holds it; empty for none."""
    if name == "address":
        parts = customer.address.model_dump() if customer.address else {}
        return {part: parts[part] for part in ADDRESS_FIELDS if parts.get(part)}
    if name == STATUS:
        return customer.metadata.get(TOGAI_STATUS, "")
    if name.startswith(METADATA):
        return customer.metadata.get(name.removeprefix(METADATA), "")
    return str(getattr(customer, name) or "")


def togai_value(name: str, both: Both) -> Value:
    """A field as Togai holds it: the account's, else the customer's; the name is the customer's."""
    account, customer = both.account, both.customer
    if name == "name":
        return customer.name
    if name == "email":
        return account.primary_email or customer.primary_email or ""
    if name == "phone":
        return phone_of(account.address) or phone_of(customer.address) or ""
    if name == "address":
        return stripe_address(account.address) or stripe_address(customer.address)
    if name == STATUS:
        return "archived" if is_archived(both) else ""
    return account.metadata.get(name.removeprefix(METADATA), "")


def is_archived(both: Both) -> bool:
    """An account is archived by itself or with its customer."""
    return ARCHIVED in (both.account.status, both.customer.status)


def _customers_own(name: str, customer: TogaiCustomer) -> Value:
    if name == "name":
        return customer.name
    if name == "email":
        return customer.primary_email or ""
    if name == "phone":
        return phone_of(customer.address) or ""
    return stripe_address(customer.address)


# --- the owner's value in the other side's terms ----------------------------------------------------------------------


def at_stripe(name: str, both: Both, notes: list[str]) -> Value:
    """Togai's value as Stripe takes it. Raises Waiting where Stripe would refuse it."""
    value = togai_value(name, both)
    if name == "name":
        return cut(unpadded(str(value)), stripe_models.NAME_LIMIT, "name", notes)
    if name == "email":
        return fits(str(value), stripe_models.EMAIL_LIMIT, "e-mail address", "Stripe")
    if name == "phone":
        return fits(str(value), stripe_models.PHONE_LIMIT, "phone number", "Stripe")
    if name.startswith(METADATA):
        return fits(str(value), stripe_models.METADATA_VALUE_LIMIT, f"value of {name}", "Stripe")
    return value


def at_togai(name: str, both: Both, notes: list[str]) -> Value:
    """Stripe's value as Togai takes it. Raises Waiting where Togai would refuse it."""
    customer = both.stripe
    if is_archived(both):
        raise Waiting("the account is archived in Togai and takes no changes: it follows when it is active again")
    if name == "name":
        if not both.alone:
            raise Waiting(
                f"Togai customer {both.customer.id} has several linked accounts: its name is not changed by one of them"
            )
        return togai_name(customer, notes)
    if name == "email":
        if not customer.email:
            raise Waiting("Togai demands an e-mail address: the last one stays until Stripe has one again")
        return fits(customer.email, togai_models.EMAIL_LIMIT, "e-mail address", "Togai")
    if name == "phone":
        return customer.phone or ""
    if name == "address":
        return stripe_address(togai_address(customer))
    return stripe_value(name, customer)


# --- the calls --------------------------------------------------------------------------------------------------------


def stripe_params(values: Mapping[str, Value]) -> dict[str, Any]:
    """The parameters of Stripe's update; an empty string unsets, an address is sent whole."""
    params: dict[str, Any] = {}
    metadata: dict[str, str] = {}
    for name, value in values.items():
        if name == "address":
            whole = {part: value.get(part, "") for part in ADDRESS_FIELDS} if isinstance(value, dict) else {}
            params["address"] = whole if value else ""
        elif name == STATUS:
            metadata[TOGAI_STATUS] = str(value)
        elif name.startswith(METADATA):
            metadata[name.removeprefix(METADATA)] = str(value)
        else:
            params[name] = value
    return params | ({"metadata": metadata} if metadata else {})


def togai_changes(values: Mapping[str, Value], both: Both) -> tuple[dict[str, Any], dict[str, Any]]:
    """The bodies of Togai's PATCH for the account and for its customer; empty for none. Addresses are sent whole."""
    account: dict[str, Any] = {}
    customer: dict[str, Any] = {}
    if "name" in values:
        customer["name"] = values["name"]
        if both.account.name == both.customer.name:
            account["name"] = values["name"]
    if "email" in values:
        account["primaryEmail"] = customer["primaryEmail"] = values["email"]
    if "phone" in values or "address" in values:
        account["address"] = _address(values, both.account.address)
        customer["address"] = _address(values, both.customer.address)
    chosen = {n.removeprefix(METADATA): str(v) for n, v in values.items() if n.startswith(METADATA)}
    if chosen:
        merged = both.account.metadata | chosen
        account["metadata"] = {key: value for key, value in merged.items() if value}
    if not both.alone:
        customer = {}
    return _changed(account, both.account), _changed(customer, both.customer)


def carried(decision: Decision, both: Both, metadata: Iterable[str]) -> dict[str, Value]:
    """Every field that `togai_changes` sets again besides those that are to be written: an address holds the phone
    number, and metadata is replaced whole. Landing late, it would set them back.
    """
    found = dict(decision.write["togai"])
    if found.keys() & {"phone", "address"}:
        found = {name: togai_value(name, both) for name in ("phone", "address")} | found
    if any(name.startswith(METADATA) for name in found):
        found = {name: togai_value(name, both) for key in metadata if (name := f"{METADATA}{key}")} | found
    # What a person changed there by hand is not ours to set back.
    return {name: value for name, value in found.items() if name not in {d.field for d in decision.different}}


def _address(values: Mapping[str, Value], present: TogaiAddress | None) -> dict[str, Any]:
    parts = values["address"] if "address" in values else stripe_address(present)
    phone = values["phone"] if "phone" in values else phone_of(present)
    made = TogaiAddress(phone_number=str(phone) if phone else None, **(parts if isinstance(parts, dict) else {}))
    return made.model_dump(by_alias=True, exclude_none=True)


def _changed(body: dict[str, Any], present: TogaiAccount | TogaiCustomer) -> dict[str, Any]:
    """Without what stands there already: nobody writes twice what is there."""
    there = present.model_dump(mode="json", by_alias=True, exclude_none=True)
    there["address"] = {key: value for key, value in (there.get("address") or {}).items() if value}
    return {name: value for name, value in body.items() if there.get(name) != value}


def born_equal(pair: Pair, owners: Mapping[str, str], values: Mapping[str, Value]) -> dict[str, str]:
    """What a pair that is just being made agrees on: the fields that its source owns, as they are written."""
    source: Side = "stripe" if pair.source.startswith("stripe:") else "togai"
    born = Pair(id=pair.id, state="linked", source=pair.source, at="", run="", rule="created")
    return {name: digest(value) for name, value in values.items() if owner_of(name, born, owners) == source}
