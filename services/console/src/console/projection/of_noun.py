"""What lists of plans and of invoices ask the tables alike: an entity's link, where an id leads, its newest run."""

from __future__ import annotations

from typing import Literal

from shared.domains.model import Relation
from shared.linking import mappings
from shared.linking.mappings import Mapping
from sqlalchemy import ColumnElement, not_, select, tuple_
from sqlalchemy.orm import aliased
from sqlmodel import Session, col

from console.projection.queries import found_by
from console.projection.tables import MappingRow, RunRow

Noun = Literal["plan", "invoice"]
"""Whose columns a run has: the entity's full ref, its state, and when that run was."""


def pair_of(session: Session, relation: Relation, ref: str) -> Mapping | None:
    """The link of an entity to its other side."""
    row = MappingRow
    query = select(row).where(
        col(row.relation) == relation.name, col(row.state).in_(("linked", "deleted")), found_by(session, row, ref)
    )
    found = session.scalars(query.limit(1)).first()
    return mappings.decode(found.record) if found else None


def refs_of(session: Session, noun: Noun, relation: Relation, text: str) -> set[str]:
    """The full refs of Togai's entities to which any id leads: of either side, of a run, an event or an account."""
    ref = col(getattr(RunRow, noun))
    query = select(ref).where(ref != "", found_by(session, RunRow, text)).distinct()
    found = {str(one) for one in session.scalars(query)}
    pairs = select(MappingRow).where(col(MappingRow.relation) == relation.name, found_by(session, MappingRow, text))
    return found | {mappings.decode(one.record).source for one in session.scalars(pairs)}


def is_newest(noun: Noun, *, with_state: bool = False) -> ColumnElement[bool]:
    """Whether no later run names the same entity; `with_state`: none that says in what state it is."""
    row, later = RunRow, aliased(RunRow)
    of_same = col(getattr(later, noun)) == col(getattr(row, noun))
    newer = tuple_(col(getattr(later, f"{noun}_at")), col(later.id)) > tuple_(
        col(getattr(row, f"{noun}_at")), col(row.id)
    )
    stated = (col(getattr(later, f"{noun}_state")) != "",) if with_state else ()
    return not_(select(col(later.id)).where(of_same, newer, *stated).exists())
