"""What the API says of a replay."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from math import ceil

from pydantic import Field
from shared.connections import FlowLink
from shared.domains import BUILT_IN
from shared.flows.estimates import calls_after
from shared.flows.replays import ReplayProgress, ReplayRequest
from shared.model import Model
from sqlmodel import Session

from console.api.stoppable import StateName, state_of
from console.projection import queries, replays
from console.projection.replays import Replayed


class CallsNeeded(Model):
    """How many calls a replay would make at an app account, without those that its own writes bring about."""

    app_account: str = Field(examples=["stripe:test:acct_1"])
    calls: int = Field(description="those that its dry run made up to the first write of each run, and `estimated`")
    estimated: int = Field(description="of these, about so many from the first write on, which a dry run does not make")
    seconds: int | None = Field(description="how long they take at the account's quota; null: no limit is known")


class ReplayItem(Model):
    """One replay, how far it is, and what came of its events."""

    id: str = Field(examples=["rpl_4c6e0b1f2a3d"])
    noun: str = Field(examples=["customer"])
    flow_links: list[str]
    since: str = Field(description="Tandem got the events from this time on")
    until: str = Field(description="and before this one")
    types: list[str]
    entities: list[str]
    dry_run: bool = Field(description="it says what would be done, and nothing is written")
    state: StateName = Field(description="`running`: it reads; `working`: all is sent and not all is handled")
    read: int = Field(description="events of the log that were read")
    sent: int = Field(description="events that were sent again, one for each entity and type where they say no more")
    changed: int = Field(description="events that did something, or would")
    in_sync: int = Field(description="events after which there was nothing to do")
    waiting: int
    conflicts: int
    left_out: int = Field(description="events that do nothing, or that a newer one replaced; their runs say why")
    failed: int = Field(description="events with a dead letter")
    held: int = Field(description="events that were begun, and wait until the paused replay is resumed")
    calls: list[CallsNeeded] = Field([], description="of one dry run: the calls that a replay would make")
    requested_at: str
    ended_at: str = Field(description="when all was sent, or it was cancelled; empty before")
    problem: str = Field(description="what holds it up")
    nothing_sent: str = Field(description="why nothing was sent, of one that is done")


class ReplayList(Model):
    """Replays, newest first."""

    items: list[ReplayItem]


def item(found: Replayed, calls: list[CallsNeeded] | None = None) -> ReplayItem:
    """As it is shown."""
    request, progress, outcomes = found.request, found.progress, found.outcomes
    written = progress.written if progress else 0
    handled = outcomes.total() - outcomes["going_on"] - outcomes["held"] >= written
    names = ("changed", "in_sync", "waiting", "conflicts", "left_out", "failed", "held")
    return ReplayItem(
        id=request.id,
        noun=request.noun,
        flow_links=request.flow_links,
        since=_time(request.since),
        until=_time(request.until),
        types=request.types,
        entities=request.entities,
        dry_run=request.dry_run,
        state=state_of(request, progress, handled=handled),
        read=progress.read if progress else 0,
        sent=written,
        **{name: outcomes[name] for name in names},
        calls=calls or [],
        requested_at=request.requested_at,
        ended_at=progress.ended_at if progress else "",
        problem=progress.problem if progress else "",
        nothing_sent=_why_nothing(request, progress) if progress and progress.state == "listed" and not written else "",
    )


def _why_nothing(request: ReplayRequest, progress: ReplayProgress) -> str:
    if not progress.read:
        return "Tandem got no event in that time"
    types = f" of the types {', '.join(request.types)}" if request.types else ""
    if request.entities:
        ids = ", ".join(request.entities[:5]) + (", …" if len(request.entities) > 5 else "")
        return f"none of the {progress.read} events of that time{types} is about {ids}: name ids as the vendor has them"
    return f"none of the {progress.read} events of that time{types} starts one of these flow links"


def calls_of(session: Session, found: Replayed, rates: dict[str, float]) -> list[CallsNeeded]:
    """What a replay costs: the calls that its dry run made up to the first write of each run, for it makes them too,
    and an estimate of what comes from there on.

    `rates` are calls per second by app account. Where nobody else calls, a replay may use them whole.
    """
    accounts = {connection.id: connection.app_account for connection in queries.connections(session)}
    made, estimated = Counter[str](), Counter[str]()
    for name, calls in replays.calls_by_link(session, found.request.id).items():
        if link := queries.flow_link(session, name):
            for connection, count in calls.made.items():
                made[accounts.get(connection, "")] += count
            for step, runs in calls.ended_at.items():
                for alias, count in calls_after(BUILT_IN[link.flow], step).items():
                    estimated[accounts.get(link.connections[alias], "")] += runs * count
    total = made + estimated
    return [
        CallsNeeded(
            app_account=account,
            calls=calls,
            estimated=estimated[account],
            seconds=ceil(calls / rates[account]) if rates.get(account) else None,
        )
        for account, calls in sorted(total.items())
    ]


def connections_of(request: ReplayRequest, links: list[FlowLink]) -> list[str]:
    """The connections of all its flow links."""
    mine = [link for link in links if link.id in request.flow_links]
    return sorted({connection for link in mine for connection in link.connections.values()})


def _time(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
