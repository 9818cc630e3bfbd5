"""What a run wrote to a pair, taken back: what can be, what is known to stay, and the request that does it."""

from __future__ import annotations

from typing import Any

import msgspec
from shared.domains import RELATIONS
from shared.domains.writes import FieldWrite
from shared.flows.runs import Run
from shared.identity import Ref, digest
from shared.linking.mappings import Mapping
from shared.linking.pairs import Known
from sqlmodel import Session

from console.api import asked, relations
from console.api.decisions import Decision, pair_of, sides_of
from console.api.errors import NotNow, Unknown
from console.api.relations import context_for
from console.projection import pending, queries

ALIKE = ("email", "phone", "status", "metadata.")
"""Fields that read the same at both sides, so that a mark of the owner's value tells what stands at the other side."""


def revert(session: Session, wanted: asked.RevertRequest) -> Decision:
    """What a run wrote to a pair is written back. Raises BadRequest, NotNow, Unknown."""
    run, pair = _written(session, wanted.id)
    writes = tuple(write for write in writes_of(run) if not _former_partner(write, pair))
    if not writes:
        raise NotNow(
            f"all that run {run.id} wrote is of a former link of {pair.id}",
            f"see what it replaced with `tandem runs show {run.id}`, and correct it at the vendor",
            code="nothing_to_revert",
        )
    context = context_for(session, relations.named(pair.relation), wanted.flow_link, *pair.refs)
    return Decision("revert", context, wanted.reason, sides_of(pair), writes)


def preview(session: Session, run_id: str, flow_link: str) -> asked.RevertPreview:
    """What `revert` would do, as far as the tables tell. Raises what it would raise."""
    run, pair = _written(session, run_id)
    context_for(session, relations.named(pair.relation), flow_link, *pair.refs)
    writes, again = writes_of(run), _written_since(session, run)
    known, stays = pending.known(session, pair), []
    for write in writes:
        last = RELATIONS[pair.relation].lasting(write) if pair.relation in RELATIONS else set()
        changed = _changed(write, pair, known)
        for name in write.set:
            later = again.get((write.entity, name), "")
            if later:
                why = f"run {later} wrote it again"
            elif _former_partner(write, pair):
                why = f"it is of a former link: {Ref.parse(write.entity).id} is not of {pair.id} any more"
            elif name in changed:
                why = changed[name]
            elif name in last:
                why = "it had no value before, and none is taken back there"
            else:
                continue
            stays.append(asked.Stays(entity=write.entity, field=name, why=why, run=later))
    return asked.RevertPreview(run=run.id, writes=writes, stays=stays)


def _written(session: Session, run_id: str) -> tuple[Run, Mapping]:
    """A run that wrote to a pair which is linked now. Raises NotNow, Unknown."""
    run = queries.run(session, run_id)
    if run is None:
        raise Unknown(f"there is no run {run_id}", "see `tandem runs list` for those that there are")
    if not run.ended or not writes_of(run):
        raise NotNow(
            f"run {run.id} {'wrote no field of a pair' if run.ended else 'has not ended'}",
            f"look at its steps: `tandem runs show {run.id}`",
            code="nothing_to_revert",
        )
    by_hand = f"see what the run replaced with `tandem runs show {run.id}`, and correct it at the vendor"
    pair = pair_of(session, run.aggregate, what_to_do=f"{by_hand}; or link the two again, revert it, and unlink them")
    if pair.state != "linked":
        raise NotNow(
            f"nothing is written back to {pair.id}: {pair.reason or f'it is {pair.state}'}",
            f"see `tandem mappings show {pair.id}`",
            code="not_linked",
        )
    return run, pair


def writes_of(run: Run) -> list[FieldWrite]:
    """What a run wrote to a pair, and what stood there before, in its order."""
    found = (write for step in run.steps for write in (*step.output.get("writes", ()), *step.writes))
    return [FieldWrite.model_validate(write) for write in found]


def _written_since(session: Session, run: Run) -> dict[tuple[str, str], str]:
    """The later run, a revert among them, that wrote a value of the run's again, by entity and parameter."""
    wrote = {(write.entity, name): value for write in writes_of(run) for name, value in write.set.items()}
    found: dict[tuple[str, str], str] = {}
    for entity in {entity for entity, _ in wrote}:
        later, _ = queries.runs_page(session, queries.Search(id=entity, since=run.started_at, limit=200))
        for other in later:
            if other.id != run.id:
                again = {(w.entity, name): value for w in writes_of(other) for name, value in w.set.items()}
                found |= {place: other.id for place in wrote.keys() & again.keys() if _meet(wrote[place], again[place])}
    return found


def _meet(one: Any, other: Any) -> bool:
    """Whether two values of a parameter set the same: of metadata Stripe is sent some keys, and keeps the others;
    nothing at all, as for an address, sets the whole.
    """
    if not (isinstance(one, dict) and isinstance(other, dict) and one and other):
        return True
    return not one.keys().isdisjoint(other)


def _former_partner(write: FieldWrite, pair: Mapping) -> bool:
    """Whether a write went to an entity that another one has replaced in the pair."""
    kind = [ref for text in pair.refs if (ref := Ref.parse(text)).noun == Ref.parse(write.entity).noun]
    return any(ref.app == Ref.parse(write.entity).app and str(ref) != write.entity for ref in kind)


def _changed(write: FieldWrite, pair: Mapping, known: Known) -> dict[str, str]:
    """The parameters that do not show what was written any more, by the last comparison of the pair, and what it saw.

    A parameter goes back as a whole: one changed field in it keeps all of it.
    """
    relation = RELATIONS.get(pair.relation)
    found: dict[str, str] = {}
    for name, fields in (relation.fields_of(write) if relation else {}).items():
        if why := next(filter(None, (_news(write, field, value, known) for field, value in fields.items())), ""):
            found[name] = why
    return found


def _news(write: FieldWrite, field: str, value: Any, known: Known) -> str:
    shown = known.differences.get(field)
    if shown:
        now = msgspec.json.decode(shown.values[Ref.parse(write.entity).app])
        return "" if (now or "") == (value or "") else f"its {field} is {now!r} now"
    is_other = field in known.agreed and known.agreed[field] != digest(value or "")
    return f"its {field} was changed at both sides since" if is_other and field.startswith(ALIKE) else ""
