"""What waits for a person: conflicts and differences."""

from __future__ import annotations

from fastapi import APIRouter, Depends
from shared.flows.runs import Run
from shared.linking.mappings import Mapping
from sqlmodel import Session

from console.api import models, relations, shapes
from console.api.errors import ErrorBody, Unknown
from console.api.paging import next_cursor
from console.api.records import PlaceDep
from console.api.state import SessionDep, stamp
from console.projection import missed, pending
from console.projection.queries import Search

router = APIRouter(
    prefix="/api", dependencies=[Depends(stamp)], responses={400: {"model": ErrorBody}, 404: {"model": ErrorBody}}
)


def conflict_items(session: Session, found: list[Run]) -> list[models.ConflictItem]:
    """Conflicts with the mappings of what there is to choose from."""
    holders = pending.holders(session, {ref for run in found if run.problem for ref in run.problem.candidates})
    contexts = relations.contexts(session)
    return [_conflict_item(run, holders, relations.deciding(session, run, contexts)) for run in found]


def _conflict_item(run: Run, holders: dict[tuple[str, str], Mapping], flow_link: str) -> models.ConflictItem:
    relation = relations.of_run(run)
    held = {ref: mapping for (name, ref), mapping in holders.items() if name == relation}
    return shapes.conflict_item(run, held, relation, flow_link)


def differences(session: Session, search: Search) -> models.DifferencePage:
    """A page of them."""
    found, after = pending.differences_page(session, search)
    return models.DifferencePage(
        items=[shapes.difference_item(d) for d in found],
        next_cursor=next_cursor(after),
        behind=missed.behind(session, search.id),
    )


@router.get("/conflicts", tags=["conflicts"], summary="List conflicts")
def list_conflicts(session: SessionDep, search: PlaceDep) -> models.ConflictPage:
    """Entities that wait for a decision: several things could be one, or one is linked already. Newest first.

    Decide with `POST /api/mappings/link`, `/relink` or `/separate`: the run then goes on by itself.
    """
    found, after = pending.conflicts_page(session, search)
    return models.ConflictPage(items=conflict_items(session, found), next_cursor=next_cursor(after))


@router.get("/conflicts/{run_id}", tags=["conflicts"], summary="One conflict")
def show_conflict(session: SessionDep, run_id: str) -> models.ConflictItem:
    """What is to get its other side, why that could not be decided, and what there is to choose from."""
    found = pending.conflict(session, run_id)
    if found is None:
        raise Unknown(f"run {run_id} is in no conflict", f"it may have gone on: `tandem runs show {run_id}`")
    return conflict_items(session, [found])[0]


@router.get("/differences", tags=["differences"], summary="List differences")
def list_differences(session: SessionDep, search: PlaceDep) -> models.DifferencePage:
    """Fields of linked pairs that were changed on the side that does not own them: neither copied nor reverted.

    A difference goes by itself when both sides are equal again: write the owner's value, or change the other one.
    """
    return differences(session, search)
