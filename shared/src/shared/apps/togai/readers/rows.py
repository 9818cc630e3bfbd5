"""What a row of Togai's lists means for the index, and the events that a change makes. Pure.

An account's digest has two halves, its own and its customer's: the index alone tells whose customer has changed since.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from shared.connections import Connection
from shared.errors import Malformed
from shared.events.envelope import Envelope, timestamp
from shared.identity import Ref, digest, is_id, source_of
from shared.linking.index import Entity, EntityState, normalized_email
from shared.polls import epoch

Row = dict[str, Any]


def entity_id(row: Row, name: str = "id") -> str:
    """The id in a row. Raises Malformed for a row without one."""
    found = row.get(name)
    if not is_id(found):
        raise Malformed(f"a row of Togai's list has no usable {name}")
    return found


def seconds(row: Row, name: str) -> float:
    """A time in a row as epoch seconds; 0 for none."""
    return epoch(str(row.get(name)))


def content(row: Row) -> str:
    """Digest of a row without the time of its last change: that alone is no change. Raises Malformed."""
    try:
        return digest({name: value for name, value in row.items() if name != "updatedAt"})
    except (ValueError, TypeError, RecursionError) as error:
        raise Malformed(f"a row of Togai's list cannot be written as JSON: {error}") from error


def customer_entity(app_account: str, row: Row) -> Entity:
    """A customer as the index keeps it. Raises Malformed."""
    ref = str(Ref(app_account, "customer", entity_id(row)))
    return Entity(ref=ref, state=_state(row), email=normalized_email(_text(row, "primaryEmail")), digest=content(row))


def account_entity(
    app_account: str, row: Row, customer: Entity | None, known: Entity | None, *, newcomer: bool = True
) -> Entity | None:
    """An account as the index must keep it from now on, None if nothing is new. Raises Malformed.

    `customer` is its customer's entry, `known` its own; `newcomer` tells of one that is not known yet. `seq` is one
    more than the known one's.
    """
    ref = str(Ref(app_account, "account", entity_id(row)))
    parent = str(Ref(app_account, "customer", entity_id(row, "customerId")))
    archived = _state(row) == "archived" or (customer is not None and customer.state == "archived")
    found = Entity(
        ref=ref,
        state="archived" if archived else "active",
        email=normalized_email(_text(row, "primaryEmail")) or (customer.email if customer else ""),
        parent=parent,
        digest=joined(content(row), customer),
        seq=known.seq if known else 0,
        newcomer=known.newcomer if known else newcomer,
    )
    return None if found == known else msgspec.structs.replace(found, seq=found.seq + 1)


def joined(own: str, customer: Entity | None) -> str:
    """Both halves of an account's digest."""
    return f"{own}-{customer.digest if customer else ''}"


def is_made(entity: Entity, known: Entity | None) -> bool:
    """Whether an account is to get its other side now: a new one, or one that nothing was made for in the archive."""
    return entity.newcomer and entity.state == "active" and (known is None or known.state != "active")


def own_half(account: Entity) -> str:
    return account.digest.partition("-")[0]


def is_stale(account: Entity, customer: Entity | None) -> bool:
    """Whether the account's customer has changed since the account's last event."""
    return customer is not None and account.state != "deleted" and account.digest.partition("-")[2] != customer.digest


def _state(row: Row) -> EntityState:
    return "archived" if row.get("status") == "ARCHIVED" else "active"


def _text(row: Row, name: str) -> str:
    found = row.get(name)
    return found if isinstance(found, str) else ""


@dataclass(frozen=True)
class Change:
    """A new state of an account, with what the lists showed; `made` if it is to get its other side."""

    entity: Entity
    account: Row
    customer: Row | None = None
    made: bool = False


def events(change: Change, connection: Connection, now: datetime) -> list[Envelope]:
    """The events of a change, in order. Their ids come from the content: the same state makes the same ids again.

    What is made is updated too: what changed between the vendor's own webhook and our poll would be lost otherwise.
    """
    ref, entity = Ref.parse(change.entity.ref), change.entity
    event_id = f"tgp_{digest(entity.ref)}_{entity.seq}_{entity.digest}"
    body = {"account": change.account} | ({"customer": change.customer} if change.customer else {})
    data = msgspec.Raw(msgspec.json.encode(body))
    kinds = (("created", "c"), ("updated", "")) if change.made else (("updated", ""),)
    return [
        Envelope(
            id=event_id + mark,
            source=source_of(connection.app_account),
            type=f"togai.account.{what}",
            subject=ref.id,
            time=timestamp(now),
            appaccount=connection.app_account,
            connection=connection.id,
            aggregate=entity.ref,
            data=data,
            origin="poll",
        )
        for what, mark in kinds
    ]
