"""Which state of a Stripe customer is the newest, of what events and lists show. Pure.

An entry's `seq` is the `created` of the event that it was taken from, in epoch seconds by Stripe's clock.
"""

from __future__ import annotations

from typing import Any

import msgspec

from shared.apps.stripe.models import TOGAI_ACCOUNT_ID, TOGAI_INVOICE_GROUP
from shared.identity import Ref, is_id
from shared.linking.index import Entity, normalized_email

CUSTOMER_EVENTS = frozenset({"customer.created", "customer.updated", "customer.deleted"})
LIST_MARGIN = 300
"""Seconds by which a listed customer counts as older than the moment of the list: our clock may be ahead of Stripe's,
and what events show afterwards is taken in their order anyway.
"""


class _Customer(msgspec.Struct):
    id: str
    email: str | None = None
    metadata: dict[str, Any] | None = None


class _Data(msgspec.Struct):
    object: _Customer


class _Event(msgspec.Struct):
    type: str
    created: int
    data: _Data


_event_decoder = msgspec.json.Decoder(_Event)
_customer_decoder = msgspec.json.Decoder(_Customer)


def from_event(app_account: str, body: bytes | msgspec.Raw) -> Entity | None:
    """What a customer's event shows of it; None if it shows no customer."""
    try:
        event = _event_decoder.decode(body)
    except (msgspec.DecodeError, RecursionError):
        return None
    if event.type not in CUSTOMER_EVENTS:
        return None
    deleted = event.type == "customer.deleted"
    return _entity(app_account, event.data.object, event.created, deleted=deleted)


def from_list(app_account: str, row: bytes | msgspec.Raw, asked_at: float) -> tuple[str, Entity]:
    """A listed customer's id and entry. `asked_at` is when the list was asked for. Raises msgspec.DecodeError."""
    customer = _customer_decoder.decode(row)
    return customer.id, _entity(app_account, customer, int(asked_at) - LIST_MARGIN)


def _entity(app_account: str, customer: _Customer, seq: int, *, deleted: bool = False) -> Entity:
    ref = str(Ref(app_account, "customer", customer.id))
    # Nobody asks for the address of one that is gone, and its entry stays for ever.
    metadata = customer.metadata or {}
    # No account is linked to the customer of an invoice group, whatever address they share.
    email = "" if deleted or metadata.get(TOGAI_INVOICE_GROUP) else normalized_email(customer.email)
    named = None if deleted else metadata.get(TOGAI_ACCOUNT_ID)
    names = named if is_id(named) else ""
    return Entity(ref=ref, state="deleted" if deleted else "active", email=email, names=names, seq=seq)


def supersedes(new: Entity, known: Entity | None, *, ties: bool) -> bool:
    """Whether an event's state replaces what the index has. A deleted customer never comes back.

    `ties`: whether it does so too if both are of the same second, which is as fine as Stripe tells time.
    """
    if known is None:
        return True
    if known.state == "deleted":
        return False
    if new.seq == known.seq:
        return new != known and (ties or new.state == "deleted")
    return new.seq > known.seq


def listed_supersedes(new: Entity, known: Entity | None) -> bool:
    """Whether a list's state replaces what the index has: not if an event has shown a newer one, or the same."""
    if known is None:
        return True
    return known.state != "deleted" and known.seq < new.seq and (known.email, known.names) != (new.email, new.names)


def keep_newest(found: dict[str, Entity], older: Entity) -> None:
    """Take the next state, going back in time, into the last state of every customer, by ref."""
    if older.ref not in found or older.state == "deleted":
        found[older.ref] = older
