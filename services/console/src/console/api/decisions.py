"""What a person's decision about a link means: the flow link that carries it out, and both sides by name.

Ids are taken from the tables and checked there; the worker that does it asks the vendors.
"""

from __future__ import annotations

from collections.abc import Mapping as Dict
from dataclasses import dataclass
from typing import Literal

from shared.domains.model import Relation
from shared.domains.writes import FieldWrite
from shared.identity import Ref
from shared.linking.mappings import Mapping
from sqlmodel import Session

from console.api import asked, relations
from console.api.errors import BadRequest, NotNow, Unknown
from console.api.relations import LinkContext, context_for
from console.pages.words import app_name
from console.projection import pending, queries

PAIRED = ("linked", "deleted")
"""States of a mapping that a person can take back."""


@dataclass(frozen=True)
class Decision:
    """What is to be done. `sides` are refs by app, of those that the decision names."""

    change: Literal["link", "unlink", "relink", "separate", "revert"]
    context: LinkContext
    reason: str
    sides: Dict[str, str]
    writes: tuple[FieldWrite, ...] = ()


def link(session: Session, wanted: asked.LinkRequest) -> Decision:
    """Two that are linked to nobody. Raises BadRequest, NotNow, Unknown."""
    relation = relations.named(wanted.relation)
    if wanted.sides.keys() != relation.nouns.keys():
        apps = " and ".join(map(app_name, relation.nouns))
        raise BadRequest(f"a link of {relation.name} is between {apps}", "name the id of one entity at each")
    if why := relations.swapped(relation, wanted.sides):
        raise BadRequest(why, "see which id belongs to which app, and name each there")
    context = context_for(session, relation, wanted.flow_link, *wanted.sides.values())
    sides = {app: context.ref(app, text) for app, text in wanted.sides.items()}
    for ref in sides.values():
        _free(session, relation, ref, "give it another partner: `tandem mappings relink {}`")
    return Decision("link", context, wanted.reason, sides)


def unlink(session: Session, wanted: asked.UnlinkRequest) -> Decision:
    """A pair, by its mapping or any id of either side. Raises BadRequest, NotNow, Unknown."""
    pair = pair_of(session, wanted.id)
    context = context_for(session, relations.named(pair.relation), wanted.flow_link, *pair.refs)
    return Decision("unlink", context, wanted.reason, sides_of(pair))


def relink(session: Session, wanted: asked.RelinkRequest) -> Decision:
    """Another partner for one side of a pair. Raises BadRequest, NotNow, Unknown."""
    pair = pair_of(session, wanted.id)
    relation = relations.named(pair.relation)
    ((app, text),) = wanted.sides.items()
    context = context_for(session, relation, wanted.flow_link, *pair.refs, text)
    partner = context.ref(app, text)
    if partner in pair.refs:
        raise NotNow(
            f"{pair.id} links it to {Ref.parse(partner).id} already",
            "name another partner, or nothing is to be done",
            code="already_linked",
        )
    _free(session, relation, partner, "take that link back first: `tandem mappings unlink {}`")
    return Decision("relink", context, wanted.reason, sides_of(pair) | {app: partner})


def separate(session: Session, wanted: asked.SeparateRequest) -> Decision:
    """An entity in conflict matches none of those that are there. Raises BadRequest, NotNow, Unknown."""
    conflicts = pending.conflicts_of(session, wanted.id)
    found = (
        {run.aggregate for run in conflicts} or _unlinked(session, wanted.id) or pending.left_out(session, wanted.id)
    )
    if conflicts and not any(run.problem and run.problem.separable for run in conflicts):
        reason = conflicts[0].problem.reason if conflicts[0].problem else conflicts[0].reason
        raise NotNow(
            f"that decides nothing for {wanted.id}: {reason}",
            f"see `tandem conflicts show {conflicts[0].id}` for what does",
            code="not_separable",
        )
    if not found:
        raise NotNow(
            f"{wanted.id} is in no conflict, was left out of no import for one, and was not unlinked by hand",
            "see `tandem conflicts list` for what waits for a decision",
            code="no_conflict",
        )
    if len(found) > 1:
        raise _ambiguous(wanted.id, sorted(found))
    (entity,) = found
    relation = relations.named((relations.of_run(conflicts[0]) if conflicts else "") or relations.of_entity(entity))
    context = context_for(session, relation, wanted.flow_link, entity)
    _free(session, relation, entity, "take that link back first: `tandem mappings unlink {}`")
    return Decision("separate", context, wanted.reason, {Ref.parse(entity).app: entity})


def _unlinked(session: Session, text: str) -> set[str]:
    """The entity of this id or full ref, if a person unlinked it."""
    decided = [m for m in pending.pairs_of(session, text) if m.state == "unlinked"]
    return {ref for mapping in decided for ref in mapping.refs if text in (ref, Ref.parse(ref).id)}


def pair_of(session: Session, text: str, what_to_do: str = "link it with `tandem mappings link`") -> Mapping:
    """The pair that a mapping's id, or any id of either side, names.

    Raises Unknown; NotNow, with `what_to_do` if it was linked once.
    """
    by_id = queries.mapping(session, text)
    named = [by_id] if by_id else pending.pairs_of(session, text)
    found = {m.id: m for m in named if m.state in PAIRED}
    if len(found) > 1:
        raise _ambiguous(text, sorted(found))
    if found:
        return found.popitem()[1]
    if not named:
        raise Unknown(
            f"no mapping names {text}", "find the pair with `tandem mappings list --id` and an id of either side"
        )
    if made := next((m for m in named if m.state == "claimed"), None):
        raise NotNow(
            f"{text} is not linked yet: run {made.run} is making its other side ({made.id})",
            f"look again when that is done, or see why it waits: `tandem runs show {made.run}`",
            code="not_linked",
        )
    raise NotNow(
        f"{text} is not linked: {named[0].id} is {named[0].state}",
        what_to_do,
        code="not_linked",
    )


def sides_of(pair: Mapping) -> dict[str, str]:
    """The refs of a pair's sides by app."""
    return {Ref.parse(ref).app: ref for ref in pair.refs}


def _free(session: Session, relation: Relation, ref: str, what_to_do: str) -> None:
    """Raises NotNow if the entity is linked in a relation. `what_to_do` gets the mapping's id put in."""
    holder = pending.holders(session, [ref]).get((relation.name, ref))
    if holder and holder.state in PAIRED and not relation.many:
        other = next((Ref.parse(other).id for other in holder.refs if other != ref), "another")
        raise NotNow(
            f"{Ref.parse(ref).id} is linked to {other} already ({holder.id})",
            what_to_do.format(holder.id),
            code="already_linked",
        )


def _ambiguous(text: str, found: list[str]) -> NotNow:
    return NotNow(
        f"{text} names several: {', '.join(found)}", "name the one that you mean, as it stands here", code="ambiguous"
    )
