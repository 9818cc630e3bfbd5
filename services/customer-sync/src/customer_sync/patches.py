"""The bodies of the calls that write fields, and what each of them replaces. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal, TypeVar

from shared.apps.stripe.models import StripeAddress, StripeCustomer
from shared.apps.togai.models import TogaiAccount, TogaiAddress, TogaiCustomer
from shared.domains.customers.writes import ADDRESS_FIELDS, TOGAI_STATUS
from shared.linking.fields import Decision, Value

from customer_sync.decide import phone_of, stripe_address
from customer_sync.values import (
    METADATA,
    STATUS,
    PairSnapshot,
    customers_own,
    has_own_address,
    togai_value,
)

M = TypeVar("M", TogaiAccount, TogaiCustomer)
ADDRESS = frozenset({"phone", "address"})
"""Fields that stand in the address at Togai."""


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


def togai_changes(values: Mapping[str, Value], seen: PairSnapshot) -> tuple[dict[str, Any], dict[str, Any]]:
    """The bodies of Togai's PATCH for the account and for its customer; empty for none. Addresses are sent whole."""
    on_account = {name: value for name, value in values.items() if _is_on_account(name, seen)}
    above = {name: value for name, value in values.items() if _is_above_too(name, seen)}
    account, customer = _plain(on_account), _plain(above)
    if "name" in above:
        customer["name"] = above["name"]
        if seen.account.name == seen.customer.name:
            account["name"] = above["name"]
    if on_account.keys() & ADDRESS:
        # An account without an address of its own shows its customer's: the parts that stay must be in its first one.
        own = seen.account.address if has_own_address(seen.account) else seen.customer.address
        account["address"] = _address(on_account, own)
    if above.keys() & ADDRESS:
        customer["address"] = _address(above, seen.customer.address)
    keys = {n.removeprefix(METADATA): str(v) for n, v in values.items() if n.startswith(METADATA)}
    if keys:
        merged = seen.account.metadata | keys
        account["metadata"] = {key: value for key, value in merged.items() if value}
    return _changed(account, seen.account), _changed(customer, seen.customer)


def in_order(
    account: dict[str, Any], customer: dict[str, Any]
) -> list[tuple[Literal["account", "customer"], dict[str, Any]]]:
    """The PATCHes as they are sent one after the other. Of each field the one by which sides are compared comes last,
    that of the customer for a name, else the account's: whoever dies in between leaves a difference to the next.
    """
    name = {"name": account["name"]} if "name" in account and customer else {}
    rest = {field: value for field, value in account.items() if field not in name}
    calls: list[tuple[Literal["account", "customer"], dict[str, Any]]] = [
        ("account", name), ("customer", customer), ("account", rest),
    ]  # fmt: skip
    return [(noun, changes) for noun, changes in calls if changes]


def _plain(values: Mapping[str, Value]) -> dict[str, Any]:
    return {"primaryEmail": values["email"]} if "email" in values else {}


def _is_on_account(name: str, seen: PairSnapshot) -> bool:
    """Whether a field is written to the account itself. One that a person made and that has none of its own shows its
    customer's: there it is written, for a copy would hide what is changed above. What several accounts show is not one
    account's to change.
    """
    if name == "name" or name.startswith(METADATA):
        return False
    own = seen.account.primary_email if name == "email" else has_own_address(seen.account)
    return bool(own) or not seen.is_sole_account or seen.is_created_here


def _is_above_too(name: str, seen: PairSnapshot) -> bool:
    """Whether a field is written to the Togai customer: where Tandem made both, and where the customer shows what the
    account shows. A value of its own that a person gave it stays.
    """
    if not seen.is_sole_account or name.startswith(METADATA):
        return False
    return seen.is_created_here or customers_own(name, seen.customer) == togai_value(name, seen)


def former_params(params: Mapping[str, Any], customer: StripeCustomer) -> dict[str, Any]:
    """What an update of a Stripe customer replaces, in the same shape: sent, it puts back what stood there."""
    found: dict[str, Any] = {}
    for name in params:
        if name == "metadata":
            found[name] = {key: customer.metadata.get(key, "") for key in params[name]}
        elif name == "address":
            found[name] = customer.address.model_dump(exclude_none=True) if customer.address else ""
        else:
            found[name] = getattr(customer, name) or ""
    return found


def after_params(customer: StripeCustomer, params: Mapping[str, Any]) -> StripeCustomer:
    """A Stripe customer as an update is meant to leave it: an empty metadata value removes its key."""
    metadata = customer.metadata | params.get("metadata", {})
    plain = {name: params[name] or None for name in params if name not in ("metadata", "address")}
    if "address" in params:
        plain["address"] = StripeAddress.model_validate(params["address"]) if params["address"] else None
    return customer.model_copy(update=plain | {"metadata": {key: value for key, value in metadata.items() if value}})


def former_fields(changes: Mapping[str, Any], present: TogaiAccount | TogaiCustomer) -> dict[str, Any]:
    """What a PATCH at Togai replaces, in the same shape; None for what stood nowhere."""
    there = present.model_dump(mode="json", by_alias=True, exclude_none=True)
    return {name: there.get(name) for name in changes}


def after_changes(present: M, changes: Mapping[str, Any]) -> M:
    """An account or a customer as a PATCH at Togai is meant to leave it."""
    return type(present).model_validate(present.model_dump(mode="json", by_alias=True) | dict(changes))


def carried(decision: Decision, seen: PairSnapshot, metadata: Iterable[str]) -> dict[str, Value]:
    """Every field that `togai_changes` sets again besides those that are to be written: an address holds the phone
    number, and metadata is replaced whole. Landing late, it would set them back.
    """
    found = dict(decision.write["togai"])
    if found.keys() & ADDRESS:
        found = {name: togai_value(name, seen) for name in ("phone", "address")} | found
    if any(name.startswith(METADATA) for name in found):
        found = {name: togai_value(name, seen) for key in metadata if (name := f"{METADATA}{key}")} | found
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
