"""Whether an event was written by whom its type says: for the vendor, by a poller, or by the console. Pure."""

from __future__ import annotations

from shared.connections import Connection
from shared.domains import TRIGGERS
from shared.errors import WrongOrigin
from shared.events.envelope import Envelope, Origin
from shared.events.own import HANDED_OVER
from shared.identity import CONSOLE_SOURCE, RUNS_SOURCE, source_of

BROUGHT_BY = {
    "poll": "a poller of Tandem finds it",
    "person": "a person asks for it in the console or by the `tandem` command",
}
"""How an event comes in that no webhook brings, in words."""


def refusal(event_type: str, origin: Origin) -> str:
    """Why a webhook (`live`) or a poller (`poll`) may not bring events of this type; empty if it may."""
    trigger = TRIGGERS.get(event_type)
    if trigger is None or origin not in ("live", "poll") or trigger.brought in ("webhook", origin):
        return ""
    what = "poller" if origin == "poll" else "webhook"
    return f"no {what} brings {event_type}: {BROUGHT_BY[trigger.brought]}"


def check_origin(envelope: Envelope, connection: Connection | None) -> None:
    """Raises WrongOrigin for an event that nobody may act on.

    `connection` is the one that the envelope names, None if it is not known: then it says nothing.
    """
    if envelope.refused:
        raise WrongOrigin(
            f"ingress refused this event ({envelope.refused}): it is not connection {envelope.connection}'s"
        )
    trigger = TRIGGERS.get(envelope.type)
    by_person = trigger is not None and trigger.brought == "person"
    by_a_run = envelope.type == HANDED_OVER
    expected = CONSOLE_SOURCE if by_person else RUNS_SOURCE if by_a_run else source_of(envelope.appaccount)
    if envelope.source != expected:
        raise WrongOrigin(f"the source of {envelope.type} must be {expected}, it is {envelope.source}")
    if not by_person and not envelope.aggregate.startswith(f"{envelope.appaccount}/"):
        raise WrongOrigin(f"the aggregate {envelope.aggregate} is of another account than {envelope.appaccount}")
    if trigger is None:
        return  # nothing starts on it
    if not by_person and (why := refusal(envelope.type, envelope.origin)):
        raise WrongOrigin(why)
    if envelope.appaccount.partition(":")[0] != trigger.app:
        raise WrongOrigin(f"{envelope.type} cannot happen at {envelope.appaccount}")
    if connection and connection.app_account != envelope.appaccount:
        raise WrongOrigin(f"connection {connection.id} is of {connection.app_account}, not of {envelope.appaccount}")
