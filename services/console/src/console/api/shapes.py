"""From records to the shapes of the API: pure."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec
from shared.apps import APPS
from shared.flows.runs import DeadLetter, Run, RunError, Step
from shared.identity import AppAccount, Ref
from shared.linking.mappings import Mapping

from console.api import models
from console.pages.words import app_name, entity_kind
from console.projection.pending import Differing


def problem(found: RunError | None, entity: str = "") -> models.RunProblem | None:
    """Without the traceback: that stands in the detail of a dead letter only. `entity` is no candidate for itself."""
    if found is None:
        return None
    return models.RunProblem(
        error=found.error,
        reason=found.reason,
        code=found.code,
        retryable=found.retryable,
        candidates=[ref for ref in found.candidates if ref != entity],
        connection=found.connection,
    )


def side(text: str) -> models.Side | None:
    """An entity by its full ref; None for what is none."""
    try:
        ref = Ref.parse(text)
        account = AppAccount.parse(ref.account)
    except ValueError:
        return None
    app = APPS.get(ref.app)
    url = app.url(account, ref.noun, ref.id) if app else ""
    return models.Side(app=ref.app, account=ref.account, kind=ref.noun, id=ref.id, ref=text, url=url)


def sides(mapping: Mapping) -> list[models.Side]:
    """Both sides as far as they are known, then what they belong to; what is no entity is left out."""
    return [found for ref in (*mapping.refs, *mapping.also) if (found := side(ref))]


def shown_as(mapping: Mapping) -> str:
    """The state in a person's words. Which side is gone stands in the reason only."""
    for gone in sides(mapping) if mapping.state == "deleted" else ():
        if mapping.reason.startswith(f"{gone.id} was deleted in {app_name(gone.app)}"):
            return f"{entity_kind(gone.ref)} deleted"
    return "separate by hand" if mapping.state == "separate" else mapping.state


def _seconds_since(text: str, now: datetime) -> float | None:
    try:
        return max(0.0, round((now - datetime.fromisoformat(text)).total_seconds(), 1))
    except (ValueError, TypeError):
        return None


def mapping_fields(mapping: Mapping, now: datetime) -> dict[str, Any]:
    """What a list shows of a mapping."""
    claim = mapping.claim if mapping.state == "claimed" else None
    return {
        "id": mapping.id,
        "state": mapping.state,
        "shown_as": shown_as(mapping),
        "relation": mapping.relation,
        "sides": sides(mapping),
        "rule": mapping.rule,
        "origin_app": mapping.began_at,
        "source": mapping.source,
        "target": mapping.target or None,
        "also": mapping.also,
        "run": mapping.run,
        "at": mapping.at,
        "claimed_for": _seconds_since(claim.opened_at, now) if claim else None,
        "reason": mapping.reason,
    }


def mapping_item(mapping: Mapping, now: datetime) -> models.MappingItem:
    return models.MappingItem(**mapping_fields(mapping, now))


def mapping_detail(mapping: Mapping, now: datetime) -> models.MappingDetail:
    claim = mapping.claim
    shown = claim and models.Claim(
        action=claim.action,
        key=claim.key,
        body=claim.body,
        attempt=claim.attempt,
        opened_at=claim.opened_at,
        match=claim.match,
    )
    return models.MappingDetail(**mapping_fields(mapping, now), match=mapping.match, claim=shown)


def run_fields(run: Run) -> dict[str, Any]:
    """What a list shows of a run."""
    same: tuple[str, ...] = (
        "id",
        "state",
        "flow",
        "flow_link",
        "event",
        "event_type",
        "aggregate",
        "connection",
        "origin",
        "started_at",
    )
    same += ("reason", "attempts", "parked", "superseded_by", "refs")
    return {name: getattr(run, name) for name in same} | {
        "updated_at": run.updated_at or run.started_at,
        "ended_at": run.ended_at or None,
        "problem": problem(run.problem, run.aggregate),
        "next_attempt_at": run.next_attempt_at or None,
        "steps_done": sum(step.state in ("succeeded", "in_sync") for step in run.steps),
        "steps_total": len(run.steps),
    }


def run_item(run: Run) -> models.RunItem:
    return models.RunItem(**run_fields(run))


def step_item(step: Step) -> models.StepItem:
    fields = msgspec.structs.asdict(step) | {"problem": problem(step.problem)}
    return models.StepItem(**fields)


def run_detail(run: Run) -> models.RunDetail:
    steps = [step_item(step) for step in run.steps]
    return models.RunDetail(
        **run_fields(run), flow_version=run.flow_version, worker=run.worker, place=run.place, steps=steps
    )


def dead_letter_fields(letter: DeadLetter) -> dict[str, Any]:
    """What a list shows of a dead letter."""
    same: tuple[str, ...] = (
        "id",
        "state",
        "noun",
        "aggregate",
        "event",
        "event_type",
        "connection",
        "step",
        "attempts",
        "dead_lettered_at",
    )
    same += ("changed_at", "changed_reason")
    return {name: getattr(letter, name) for name in same} | {
        "problem": problem(letter.problem, letter.aggregate),
        "run": letter.run.id if letter.run else None,
        "place": f"{letter.topic}/{letter.partition}/{letter.offset}",
    }


def dead_letter_item(letter: DeadLetter) -> models.DeadLetterItem:
    return models.DeadLetterItem(**dead_letter_fields(letter))


def dead_letter_detail(letter: DeadLetter) -> models.DeadLetterDetail:
    return models.DeadLetterDetail(
        **dead_letter_fields(letter),
        traceback=letter.problem.traceback,
        value=letter.value.decode(errors="replace"),
        run_record=run_detail(letter.run) if letter.run else None,
    )


def entity(text: str) -> models.Entity:
    """A ref taken apart; what is none stands as it is."""
    return models.Entity(**_entity_fields(text))


def _entity_fields(text: str) -> dict[str, str]:
    try:
        ref = Ref.parse(text)
    except ValueError:
        return {"ref": text, "app": "", "noun": "", "id": text}
    return {"ref": text, "app": ref.app, "noun": ref.noun, "id": ref.id}


def candidate(text: str, holder: Mapping | None) -> models.Candidate:
    """What there is to choose from, with the mapping that names it."""
    other = next((ref for ref in holder.refs if ref != text), None) if holder and holder.state == "linked" else None
    return models.Candidate(
        **_entity_fields(text),
        mapping=holder.id if holder else None,
        state=holder.state if holder else None,
        linked_to=other,
    )


def conflict_item(
    run: Run, holders: dict[str, Mapping], relation: str = "", flow_link: str = ""
) -> models.ConflictItem:
    candidates = [ref for ref in (run.problem.candidates if run.problem else []) if ref != run.aggregate]
    return models.ConflictItem(
        run=run.id,
        relation=relation,
        entity=entity(run.aggregate),
        reason=run.problem.reason if run.problem else run.reason,
        candidates=[candidate(ref, holders.get(ref)) for ref in candidates],
        separable=bool(run.problem and run.problem.separable),
        decidable=any(Ref.parse(ref).app != Ref.parse(run.aggregate).app for ref in candidates),
        flow_link=flow_link,
        flow=run.flow,
        event_type=run.event_type,
        since=run.started_at,
        next_attempt_at=run.next_attempt_at or None,
    )


def difference_item(found: Differing) -> models.DifferenceItem:
    return models.DifferenceItem(
        mapping=found.mapping.id,
        relation=found.mapping.relation,
        sides=[known for ref in found.mapping.refs if (known := side(ref))],
        field=found.field,
        owner=found.difference.owner,
        values={app: _json_value(value) for app, value in found.difference.values.items()},
        reason=found.difference.reason,
        since=found.difference.since,
    )


def _json_value(text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return text
