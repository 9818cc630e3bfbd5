"""Types of events that an endpoint at a vendor seems not to send: pollers find them, while webhooks bring others."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from shared.apps import APPS
from shared.connections import FlowLink
from shared.domains import BUILT_IN, TRIGGERS
from shared.events.envelope import timestamp
from shared.flows.runs import Run, decode_run
from shared.polls import epoch
from sqlalchemy import select
from sqlmodel import Session, col

from console.projection.tables import RunRow

MOST_RUNS = 1000
"""Runs that are looked at, the newest ones of the last day."""
ENOUGH = 2
"""Events of a type that pollers found: a single one may have been lost on its way."""
NEAR = 900.0
"""Seconds around an event in which another one came by webhook: ingress was there then, and the endpoint knew it."""


def sentences(session: Session, links: Iterable[FlowLink]) -> list[str]:
    """Which types no webhook brings, to which connection, which flow links need them, and what to do."""
    since = timestamp(datetime.now(UTC) - timedelta(days=1))
    query = select(col(RunRow.record)).where(col(RunRow.at) >= since).order_by(col(RunRow.at).desc()).limit(MOST_RUNS)
    return judged([decode_run(record) for record in session.scalars(query)], links)


def judged(found: Iterable[Run], links: Iterable[FlowLink]) -> list[str]:
    """The same of known runs: pure."""
    came: dict[str, list[float]] = {}
    sent: set[tuple[str, str]] = set()
    polled: dict[tuple[str, str], dict[str, float]] = {}
    for run in filter(_may_be_sent, found):
        if run.origin == "live":
            came.setdefault(run.connection, []).append(epoch(run.event_at))
            sent.add((run.connection, run.event_type))
        elif run.origin == "poll":
            polled.setdefault((run.connection, run.event_type), {})[run.event] = epoch(run.event_at)
    by_type: dict[tuple[str, str], int] = {}
    for (connection, name), events in polled.items():
        near = [at for at in events.values() if any(abs(at - other) < NEAR for other in came.get(connection, ()))]
        if (connection, name) not in sent and len(near) >= ENOUGH:
            by_type[connection, name] = len(near)
    enabled = [link for link in links if link.enabled]
    return [
        said
        for (connection, name), count in sorted(by_type.items())
        if (said := _says(connection, name, count, enabled))
    ]


def _may_be_sent(run: Run) -> bool:
    """Whether its event could have come by a webhook of an app of which events are listed under the same ids."""
    trigger = TRIGGERS.get(run.event_type)
    return trigger is not None and trigger.brought == "webhook" and APPS[trigger.app].lists_events


def _says(connection: str, name: str, count: int, links: Iterable[FlowLink]) -> str:
    """Empty where no flow link that is on needs it."""
    need = [link.id for link in links if connection in link.connections.values() and name in _triggers(link)]
    app, _, event = name.partition(".")
    if not need:
        return ""
    return (
        f"connection {connection}: its endpoint at {APPS[app].title} seems not to send {event}, which "
        f"{', '.join(need)} need{'s' * (len(need) == 1)}: in the last day pollers found {count} and no webhook brought "
        "one. Add it to the endpoint's events there"
    )


def _triggers(link: FlowLink) -> tuple[str, ...]:
    flow = BUILT_IN.get(link.flow)
    return flow.triggers if flow else ()
