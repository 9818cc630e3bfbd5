"""What the API says of an import."""

from __future__ import annotations

from datetime import UTC, datetime

from pydantic import Field
from shared.apps import APPS
from shared.domains import import_kinds
from shared.domains.choices import Choice
from shared.domains.model import ImportKind
from shared.flows.imports import ImportRequest, unattended_since
from shared.model import Model

from console.api.stoppable import StateName, state_of
from console.projection.imports import Imported


class ConflictCount(Model):
    """A kind of conflict, and how many entities of an import met it."""

    name: str = Field(examples=["missing_email"])
    title: str
    count: int
    choice: Choice = Field(description="what becomes of them in this import")
    choices: list[Choice] = Field(description="what can become of them; the first if nothing is chosen")
    remedy: str = Field(description="what ends the conflict")


class QuotaUse(Model):
    """What an app account may do now, as the allocator leases it."""

    app_account: str
    rate: float = Field(description="calls per second, after what the vendor refused; 0: no limit")
    concurrency: int = Field(description="calls at the same time; 0: no limit")
    under_way: int = Field(description="calls that are under way")
    back_off: float = Field(description="seconds of pause that are left after a refusal")
    quota: float = Field(0.0, description="calls per second that the vendor allows, by the settings or the connection")
    last_minute: int = Field(0, description="calls in the last 60 seconds, of all processes")


class ImportItem(Model):
    """One import, how far it is, and what came of it."""

    id: str = Field(examples=["imp_4c6e0b1f2a3d"])
    kind: str = Field(examples=["customers"])
    flow_link: str = Field(examples=["link_stripe-customer-to-togai-customer"])
    dry_run: bool = Field(description="a preview: it says what would be done, and nothing is written")
    state: StateName = Field(description="`running`: it lists; `working`: all is listed and not all is handled")
    listed: int = Field(description="entities read from the vendor")
    written: int = Field(description="events that are in the log")
    linked: int = Field(description="entities that are linked by it")
    already: int = Field(description="entities that were linked before")
    new: int = Field(description="of a preview: entities whose other side would be made")
    matched: int = Field(description="of a preview: entities that would be linked to what stands at the other side")
    waiting: int = Field(description="entities that wait for a change at Stripe or Togai, or for a connection")
    conflicts: int = Field(description="entities that wait for a decision; of a preview those with any conflict")
    left_out: int = Field(description="entities of which nothing is made: deleted ones, and conflicts so chosen")
    failed: int = Field(description="entities with a dead letter")
    held: int = Field(description="entities that were begun, and wait until the paused import is resumed")
    done: int = Field(description="entities that are linked, by it or before: never what was only read")
    options: dict[str, str] = Field(description="what else was chosen, as who bills subscriptions")
    confirm: str = Field(description="of a preview: what a person confirms before it is done; empty for nothing")
    conflict_kinds: list[ConflictCount] = Field(description="the conflicts that were met, by kind")
    standing: int = Field(
        description="of a preview: how many stand at the other side, counted up to the quota there: as many, or more"
    )
    quota: int = Field(description="of a preview: how many the other side lets stand; 0: no limit is known")
    over_quota: int = Field(description="of a preview: how many of the new ones would pass that quota")
    rate: float | None = Field(description="entities handled per second since it began; null before and after")
    listed_rate: float | None = Field(description="entities listed per second since it began; null unless it lists")
    eta_seconds: int | None = Field(
        description="until all that is listed so far is handled, at least where it still lists; null if nothing is yet"
    )
    quota_use: list[QuotaUse] = Field([], description="of both sides; of one import that is going on alone")
    requested_at: str
    ended_at: str = Field(description="when all was listed, or it was cancelled or failed; empty before")
    problem: str = Field(description="what holds it up, or why it failed")


class ImportList(Model):
    """Imports, newest first."""

    items: list[ImportItem]


def item(found: Imported, now: datetime | None = None) -> ImportItem:
    """As it is shown."""
    request, progress, outcome = found.request, found.progress, found.outcome
    counts = ("linked", "already", "new", "matched", "waiting", "conflicts", "left_out", "failed", "held")
    listed, written = (progress.listed, progress.written) if progress else (0, 0)
    standing, quota = (progress.standing, progress.quota) if progress else (0, 0)
    handled = outcome.known >= written and not outcome.going_on and not outcome.held
    state, kinds = state_of(request, progress, handled=handled), _kinds(found)
    made, kind = outcome.new, import_kinds()[request.kind]
    now = now or datetime.now(UTC)
    alone_since, problem = unattended_since(request, progress, now), progress.problem if progress else ""
    if alone_since:
        state, problem = "paused", _unattended(request, alone_since)
    elif outcome.over_quota and not problem:
        problem = _without_room(kind, outcome.over_quota)
    rate = _rate(found, outcome.handled, now) if state in ("running", "working") else None
    return ImportItem(
        id=request.id,
        kind=request.kind,
        flow_link=request.flow_link,
        dry_run=request.dry_run,
        state=state,
        listed=listed,
        written=written,
        **{name: getattr(outcome, name) for name in counts},
        done=outcome.linked + outcome.already,
        options={each.name: request.choices.get(each.name, each.values[0]) for each in kind.options},
        confirm=kind.confirm,
        conflict_kinds=kinds,
        standing=standing,
        quota=quota,
        over_quota=max(0, min(made, standing + made - quota)) if quota else 0,
        rate=rate,
        listed_rate=_rate(found, listed, now) if state == "running" else None,
        eta_seconds=max(0, int((written - outcome.handled) / rate)) if rate else None,
        requested_at=request.requested_at,
        ended_at=progress.ended_at if progress else "",
        problem=problem,
    )


def _without_room(kind: ImportKind, count: int) -> str:
    app, wait = APPS[kind.target.app].title, "waits" if count == 1 else "wait"
    return f"{count} {wait} for room at {app}, whose quota is used up: ask it for more, and all goes on within a minute"


def _unattended(request: ImportRequest, since: str) -> str:
    start = f"`python -m ingress.bulk_import {request.kind}`"
    return (
        f"nobody runs it since {since}, for its process died: {start} goes on with it, or `tandem imports resume "
        f"{request.id}` lets ingress go on"
    )


def _kinds(found: Imported) -> list[ConflictCount]:
    chosen = found.request.choices
    return [
        ConflictCount(
            name=kind.name,
            title=kind.title,
            count=found.outcome.verdicts[kind.name],
            choice=chosen.get(kind.name, kind.choices[0]),
            choices=list(kind.choices),
            remedy=kind.remedy,
        )
        for kind in import_kinds()[found.request.kind].all_conflicts
        if kind.name in found.outcome.verdicts
    ]


def _rate(found: Imported, count: int, now: datetime) -> float | None:
    started = found.progress.started_at if found.progress else ""
    seconds = (now - datetime.fromisoformat(started)).total_seconds() if started else 0.0
    return round(count / seconds, 2) if seconds > 0 else None
