"""What each side of a pair holds, field by field, and each side's value in the other's terms. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from shared.apps.stripe import models as stripe_models
from shared.apps.stripe.models import StripeCustomer
from shared.apps.togai import models as togai_models
from shared.apps.togai.models import TogaiAccount, TogaiCustomer
from shared.domains.customers.writes import ADDRESS_FIELDS, TOGAI_STATUS
from shared.errors import Waiting
from shared.linking.fields import Value
from shared.linking.pairs import Side
from shared.setting_values import METADATA_KEYS_LIMIT

from customer_sync.decide import (
    country_code,
    cut,
    fits,
    phone_of,
    stripe_address,
    togai_address,
    togai_name,
    unpadded,
)

STATUS = "status"
ARCHIVED = "ARCHIVED"
METADATA = "metadata."
NAMES = ("name", "business_name", "individual_name")
"""The fields of a Stripe customer that hold a name, the first filled one counts."""


@dataclass(frozen=True)
class PairSnapshot:
    """A pair as it is. `is_sole_account`: the Togai customer has no other linked account, so its own fields are this
    pair's; `is_created_here`: Tandem made account and customer.
    """

    account: TogaiAccount
    customer: TogaiCustomer
    stripe: StripeCustomer
    is_sole_account: bool = True
    is_created_here: bool = False


# --- what each side holds ---------------------------------------------------------------------------------------------


def value_at(side: Side, name: str, seen: PairSnapshot) -> Value:
    """A field as a side holds it; empty for none."""
    return stripe_value(name, seen.stripe) if side == "stripe" else togai_value(name, seen)


def stripe_value(name: str, customer: StripeCustomer) -> Value:
    """A field as Stripe holds it, without blanks around it; empty for none."""
    if name == "address":
        parts = customer.address.model_dump() if customer.address else {}
        return {part: text for part in ADDRESS_FIELDS if (text := (parts.get(part) or "").strip())}
    if name == STATUS:
        return customer.metadata.get(TOGAI_STATUS, "")
    if name.startswith(METADATA):
        return customer.metadata.get(name.removeprefix(METADATA), "").strip()
    return str(getattr(customer, name) or "").strip()


def togai_value(name: str, seen: PairSnapshot) -> Value:
    """A field as Togai holds it: the account's, else the customer's; the name is the customer's."""
    account, customer = seen.account, seen.customer
    if name == "name":
        return customer.name.strip()
    if name == "email":
        return (account.primary_email or customer.primary_email or "").strip()
    if name == "phone":
        return (phone_of(account.address) or phone_of(customer.address) or "").strip()
    if name == "address":
        return stripe_address(account.address) or stripe_address(customer.address)
    if name == STATUS:
        return "archived" if is_archived(seen) else ""
    return account.metadata.get(name.removeprefix(METADATA), "").strip()


def customers_own(name: str, customer: TogaiCustomer) -> Value:
    """A field of the Togai customer itself, whatever its account says."""
    if name == "name":
        return customer.name.strip()
    if name == "email":
        return (customer.primary_email or "").strip()
    if name == "phone":
        return (phone_of(customer.address) or "").strip()
    return stripe_address(customer.address)


def has_own_address(account: TogaiAccount) -> bool:
    """Whether an account has an address or a phone number itself, and does not just show its customer's."""
    return bool(stripe_address(account.address) or phone_of(account.address))


def is_archived(seen: PairSnapshot) -> bool:
    """An account is archived by itself or with its customer."""
    return ARCHIVED in (seen.account.status, seen.customer.status)


def is_empty(side: Side, name: str, seen: PairSnapshot) -> bool:
    """Whether a side has no value of a field of its own."""
    if side == "stripe" and name == "name":
        return not _has_name(seen.stripe)
    return not value_at(side, name, seen)


def _has_name(customer: StripeCustomer) -> bool:
    return any((getattr(customer, name) or "").strip() for name in NAMES)


# --- a value in the other side's terms --------------------------------------------------------------------------------


def as_stripe(name: str, seen: PairSnapshot, notes: list[str]) -> Value:
    """Togai's value as Stripe takes it. Raises Waiting where Stripe would refuse it."""
    value = togai_value(name, seen)
    if isinstance(value, dict):
        code = country_code(value.get("country"))
        return value | ({"country": code} if code else {})
    if name == "name":
        return cut(unpadded(value), stripe_models.NAME_LIMIT, "name", notes)
    if name == "email":
        return fits(value, stripe_models.EMAIL_LIMIT, "e-mail address", "Stripe")
    if name == "phone":
        return fits(value, stripe_models.PHONE_LIMIT, "phone number", "Stripe")
    if name.startswith(METADATA):
        return fits(value, stripe_models.METADATA_VALUE_LIMIT, f"value of {name}", "Stripe")
    return value


def as_togai(name: str, seen: PairSnapshot, notes: list[str]) -> Value:
    """Stripe's value as Togai takes it, with the name that a create would choose. Raises Waiting where Togai would
    refuse it. A country that Togai does not take leaves the one that stands there.
    """
    customer = seen.stripe
    if name == "name":
        return togai_name(customer, notes)
    if name == "email":
        if not (customer.email or "").strip():
            raise Waiting("Togai demands an e-mail address: the last one stays until Stripe has one again")
        return fits(str(stripe_value(name, customer)), togai_models.EMAIL_LIMIT, "e-mail address", "Togai")
    if name == "address":
        parts = stripe_address(togai_address(customer, notes))
        there = togai_value(name, seen)
        if "country" in parts or not isinstance(there, dict) or "country" not in there or not parts:
            return parts
        written = stripe_value(name, customer)
        return parts | ({"country": there["country"]} if "country" in written else {})
    return stripe_value(name, customer)


def for_stripe(name: str, seen: PairSnapshot, notes: list[str]) -> Value:
    """What is to stand in Stripe while Togai owns the field. Raises Waiting where it cannot."""
    value = as_stripe(name, seen, notes)
    key = TOGAI_STATUS if name == STATUS else name.removeprefix(METADATA)
    is_new_key = name.startswith((STATUS, METADATA)) and bool(value) and key not in seen.stripe.metadata
    if is_new_key and len(seen.stripe.metadata) >= METADATA_KEYS_LIMIT:
        raise Waiting(
            f"Stripe takes {METADATA_KEYS_LIMIT} metadata keys and {seen.stripe.id} has as many: remove one, "
            f"and {key} follows",
            code="too_many_keys",
        )
    return value


def for_togai(name: str, seen: PairSnapshot, notes: list[str], *, invented: bool = False) -> Value:
    """What is to stand in Togai while Stripe owns the field. Raises Waiting where it cannot. `invented`: the name that
    stands there was made by Tandem from the e-mail address, and may be made again.
    """
    if is_archived(seen):
        raise Waiting("the account is archived in Togai and takes no changes: it follows when it is active again")
    if name == "name":
        if not seen.is_sole_account:
            raise Waiting(
                f"Togai customer {seen.customer.id} has several linked accounts: its name is not changed by one of them"
            )
        if not _has_name(seen.stripe) and not invented:
            raise Waiting("Togai demands a name: the last one stays until Stripe has one again")
    return as_togai(name, seen, notes)


def converted(to: Side, name: str, seen: PairSnapshot) -> Value | None:
    """The other side's value in the terms of `to`, None where `to` would refuse it."""
    try:
        return as_stripe(name, seen, []) if to == "stripe" else as_togai(name, seen, [])
    except Waiting:
        return None
