"""One answer to "is all well", and the numbers for Prometheus."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Gauge, generate_latest
from pydantic import ConfigDict, Field
from shared.apps import APPS
from shared.apps.refused import WHAT
from shared.model import Model
from shared.polls import webhooks_come_in
from sqlmodel import Session

from console.api import connected, models, parts, pollers, shapes
from console.api.imported import QuotaUse
from console.api.lag import GroupLag
from console.api.pollers import Pollers
from console.api.quota import quota_use
from console.api.state import SessionDep, State, StateDep
from console.domain import StatusList
from console.domains import servers
from console.pages.words import any_app
from console.projection import not_sent, pending, queries
from console.projection.tables import DeadLetterRow, MappingRow, RunRow

router = APIRouter()

REPORTED_FOR = timedelta(days=7)
"""For so long after the last refused event somebody is asked to do something about it; the count stays."""


class Counts(Model):
    """How many there are in each state."""

    mappings: dict[str, int] = Field(examples=[{"linked": 812, "claimed": 1}])
    runs: dict[str, int] = Field(examples=[{"succeeded": 1630, "parked": 2}])
    dead_letters: dict[str, int] = Field(examples=[{"open": 1}])
    waiting: int = Field(description="entities that wait for a change which only a person can make at a vendor")
    blocked: int = Field(description="entities that wait until a connection is mended")
    over_quota: int = Field(description="entities that wait until a vendor lets more objects stand")
    held: dict[str, int] = Field(
        description="entities that wait for a person's leave to overwrite values, by the flow link to confirm"
    )
    held_off: int = Field(description="entities whose runs wait for a flow link that is off")
    refused: int = Field(description="values that a vendor refused; each is a difference, too")
    conflicts: int = Field(description="entities that wait for a person's decision")
    differences: int = Field(description="fields that differ and stay so")


class RefusedEvents(Model):
    """Events that a vendor sent to a connection they are not for: recorded, and never acted on."""

    connection: str
    reason: str = Field(examples=["wrong_mode"])
    count: int
    last: str = Field(description="when the last one happened at the vendor", examples=["2026-11-23T10:00:00.000Z"])
    says: str = Field(description="what is wrong and what to do")


def _of_domains() -> list[StatusList]:
    return [one for server in servers() for one in server.status]


def _name_lists(schema: dict[str, Any]) -> None:
    lists = {one.name: {"type": "array", "items": {"type": "string"}, "description": one.description}
             for one in _of_domains()}  # fmt: skip
    schema["properties"] |= lists
    schema["required"] += lists


class Status(Model):
    """The state of the whole, with the lists of sentences that domains add to it."""

    model_config = ConfigDict(extra="allow", json_schema_extra=_name_lists)

    healthy: bool = Field(description="nothing is in `problems`: nothing stands still, nothing waits for a person")
    problems: list[str] = Field(description="what is not well, each with what to do")
    parts: list[parts.PartHealth]
    consumers: list[GroupLag]
    pollers: Pollers | None = Field(description="null where ingress cannot be asked from here")
    connections: list[models.ConnectionItem]
    quota_use: list[QuotaUse] = Field(description="of every app account; empty where ingress cannot be asked from here")
    counts: Counts
    off: list[str] = Field(description="what a person switched off or removed, and what it missed or holds: no problem")
    refused_events: list[RefusedEvents]
    not_sent: list[str] = Field(description="types of events that an endpoint at a vendor seems not to send")
    last_run: models.RunItem | None = Field(description="the newest run: also the newest event, for each one has a run")
    projection: dict[str, Any] = Field(description="as GET /api/health")


def lists() -> list[str]:
    """The names in an answer: those of all, then those that domains add."""
    return [*Status.model_fields, *(one.name for one in _of_domains())]


_LETTERS = "open: see `tandem dead-letters list --state open`, then retry or discard"


def _held(session: Session) -> dict[str, int]:
    """By the flow link that is to be confirmed: one confirmation holds for every link between the same connections."""
    between = {link.id: link.connections for link in queries.flow_links(session)}
    found: dict[str, int] = {}
    for link, n in sorted(pending.parked_by_link(session, pending.HELD).items()):
        same = (first for first in found if link in between and between.get(first) == between[link])
        first = next(same, link)
        found[first] = found.get(first, 0) + n
    return found


def counts_of(session: Session) -> Counts:
    return Counts(
        mappings=queries.counts(session, MappingRow),
        runs=queries.counts(session, RunRow),
        dead_letters=queries.counts(session, DeadLetterRow),
        waiting=pending.parked_count(session, pending.WAITING),
        blocked=pending.parked_count(session, pending.BLOCKED),
        over_quota=pending.parked_count(session, pending.QUOTA_USED),
        held=_held(session),
        held_off=pending.parked_count(session, pending.HELD_OFF),
        refused=pending.refused_count(session),
        conflicts=pending.conflict_count(session),
        differences=pending.difference_count(session),
    )


async def status_of(state: State) -> Status:
    """Ask everybody at once: the parts, Kafka, the tables."""
    found_parts, lags, polled, used, tables = await asyncio.gather(
        parts.health(state.settings),
        state.lag.get(),
        pollers.ask(state.settings),
        quota_use(state),
        asyncio.to_thread(_tables, state),
    )
    counts, connections, off, refused, of_domains, not_sent_types, last_run = tables
    projection = state.projector.health()
    found = Status(
        healthy=True,
        problems=[],
        parts=found_parts,
        consumers=lags,
        pollers=polled,
        connections=connections,
        quota_use=used,
        counts=counts,
        off=off,
        refused_events=refused,
        not_sent=not_sent_types,
        last_run=last_run,
        projection=projection,
        **of_domains,
    )
    found.problems = _problems(found) + _to_do(found)
    found.healthy = not found.problems
    return found


def _to_do(status: Status) -> list[str]:
    """What stands still until a person acts: how many, and the command that shows which."""
    counts = status.counts
    parked = "see `tandem runs list --state parked` for which"
    waits, wait = "1 entity waits", "{} entities wait"
    letters = counts.dead_letters.get("open", 0)
    work = (
        (letters, "1 dead letter is", "{} dead letters are", _LETTERS),
        (counts.conflicts, "1 conflict waits", "{} conflicts wait", "for a decision: see `tandem conflicts list`"),
        (counts.waiting, waits, wait, f"for a change at {any_app()}: {parked}"),
        (counts.blocked, waits, wait, f"until a connection is mended: {parked}, and `tandem connections list`"),
        (counts.over_quota, waits, wait, "for room at a vendor: ask it for more, and all goes on within a minute then"),
        (counts.refused, "1 value was", "{} values were", "refused by a vendor: see `tandem differences list`"),
    )
    found = [f"{one if n == 1 else several.format(n)} {what}" for n, one, several, what in work if n]
    found += [
        f"{waits if n == 1 else wait.format(n)} for your leave to overwrite: {parked}, then "
        f"`tandem flow-links confirm {link}`"
        for link, n in status.counts.held.items()
    ]
    cutoff = datetime.now(UTC) - REPORTED_FOR
    return found + [one.says for one in status.refused_events if datetime.fromisoformat(one.last) > cutoff]


def _tables(
    state: State,
) -> tuple[
    Counts,
    list[models.ConnectionItem],
    list[str],
    list[RefusedEvents],
    dict[str, Any],
    list[str],
    models.RunItem | None,
]:
    with Session(state.database.engine) as session:
        found, _ = queries.runs_page(session, queries.Search(limit=1))
        webhooks = webhooks_come_in(state.settings)
        connections = connected.connection_items(session, webhooks=webhooks)
        refused, of_domains = refused_events(session), {one.name: one.sentences(session) for one in _of_domains()}
        unsent = not_sent.sentences(session, queries.flow_links(session)) if webhooks else []
        last = shapes.run_item(found[0]) if found else None
        return counts_of(session), connections, connected.off(session), refused, of_domains, unsent, last


def refused_events(session: Session) -> list[RefusedEvents]:
    return [
        RefusedEvents(connection=of, reason=reason, count=n, last=last, says=_says(app, of, reason, n, last))
        for app, of, reason, n, last in queries.refused_events(session)
    ]


def _says(app: str, connection: str, reason: str, count: int, last: str) -> str:
    what = WHAT.get(reason, reason)  # type: ignore[call-overload]
    remedies = APPS[app].remedies if app in APPS else {}
    remedy = remedies.get(reason, "see docs/operations.md")  # type: ignore[call-overload]
    events = f"1 event {what}" if count == 1 else f"{count} events {what}"
    return f"connection {connection} was sent {events}, the last one of {last}, and none was acted on: {remedy}"


def _problems(status: Status) -> list[str]:
    found = [sentence for one in _of_domains() for sentence in getattr(status, one.name)] + status.not_sent
    found += [f"{part.name}: {part.detail}" for part in status.parts if part.detail]
    found += sorted({group.problem for group in status.consumers if group.problem})
    found += pollers.problems(status.pollers, "alarm", "warning")
    found += [f"connection {one.id} {problem}" for one in status.connections for problem in one.problems]
    if status.projection["problem"]:
        found.append(f"the tables are as of {status.projection['as_of']}: {status.projection['problem']}")
    found += [f"{s['topic']}/{s['partition']} is stopped at {s['reason']}" for s in status.projection["stopped"]]
    return found


@router.get("/api/status", tags=["health"], summary="Is all well")
async def show_status(state: StateDep) -> Status:
    """Parts, lag of every service, the pollers, connections, counts, the newest run, how fresh the tables are."""
    return await status_of(state)


@router.get("/metrics", tags=["health"], summary="Numbers for Prometheus", response_class=Response)
def metrics(state: StateDep, session: SessionDep) -> Response:
    """Counts by state, and where the projection stands."""
    registry = CollectorRegistry()
    counts = counts_of(session)
    for name, states in (("mappings", counts.mappings), ("runs", counts.runs), ("dead_letters", counts.dead_letters)):
        gauge = Gauge(f"tandem_{name}", f"{name.replace('_', ' ')} in the tables", ["state"], registry=registry)
        for label, number in states.items():
            gauge.labels(label).set(number)
    for name, text, waiting in (
        ("tandem_waiting", "entities that wait for a change which only a person can make", counts.waiting),
        ("tandem_blocked", "entities that wait until a connection is mended", counts.blocked),
        ("tandem_over_quota", "entities that wait until a vendor lets more objects stand", counts.over_quota),
        ("tandem_held", "entities that wait for a person's leave to overwrite values", sum(counts.held.values())),
        ("tandem_held_off", "entities whose runs wait for a flow link that is off", counts.held_off),
        ("tandem_refused", "values that a vendor refused", counts.refused),
        ("tandem_conflicts", "entities that wait for a person's decision", counts.conflicts),
        ("tandem_differences", "fields that differ and stay so", counts.differences),
    ):
        Gauge(name, text, registry=registry).set(waiting)
    for name, text, labels, numbers in connected.gauges(session):
        gauge = Gauge(name, text, labels, registry=registry)
        for values, number in numbers.items():
            gauge.labels(*values).set(number)
    refused = Gauge(
        "tandem_refused_events", "events sent to a connection they are not for", ["connection", "reason"],
        registry=registry,
    )  # fmt: skip
    for one in refused_events(session):
        refused.labels(one.connection, one.reason).set(one.count)
    projector = state.projector
    seen = projector.end_read_at.timestamp() if projector.end_read_at else 0.0
    for name, text, value in (
        ("tandem_projection_lag", "records of the log that are not in the tables yet", projector.lag),
        ("tandem_projection_stopped_partitions", "partitions that hold an unreadable record", len(projector.stopped)),
        ("tandem_projection_folded_records", "records folded since the start", projector.folded_records),
        ("tandem_projection_seen_timestamp_seconds", "when the end of the log was last read from Kafka", seen),
    ):
        Gauge(name, text, registry=registry).set(value)
    return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)
