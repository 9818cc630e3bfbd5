"""Mappings, runs and dead letters: lists that are found by any id, and single records."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Query

from console.api import models, shapes
from console.api.errors import ErrorBody, Unknown
from console.api.paging import decode_cursor, next_cursor, parse_since
from console.api.state import SessionDep, stamp
from console.projection import echoes, queries
from console.projection.queries import Search

router = APIRouter(
    prefix="/api", dependencies=[Depends(stamp)], responses={400: {"model": ErrorBody}, 404: {"model": ErrorBody}}
)


def place_of_query(
    id: Annotated[
        str,
        Query(
            max_length=queries.LONGEST_SEARCH,
            description="any id of either side: the vendor's own, a full ref "
            f"`{models.STRIPE_REF}`, or the id of a run, event, mapping or dead letter",
            examples=[models.CUS],
        ),
    ] = "",
    since: Annotated[str, Query(description="only newer ones: a time, or a span as `24h`", examples=["24h"])] = "",
    limit: Annotated[int, Query(ge=1, le=200, description="items of one page")] = 50,
    cursor: Annotated[str, Query(description="`next_cursor` of the page before")] = "",
) -> Search:
    """What every list takes."""
    return Search(
        id=id,
        since=parse_since(since, datetime.now(UTC)) if since else "",
        limit=limit,
        after=decode_cursor(cursor) if cursor else None,
    )


PlaceDep = Annotated[Search, Depends(place_of_query)]


def search_of_query(
    search: PlaceDep, state: Annotated[str, Query(description="only this state", examples=["linked"])] = ""
) -> Search:
    """What a list of things with a state takes."""
    return replace(search, equal={"state": state} if state else {})


SearchDep = Annotated[Search, Depends(search_of_query)]


@router.get("/mappings", tags=["mappings"], summary="List mappings")
def list_mappings(
    session: SessionDep,
    search: SearchDep,
    origin_app: Annotated[str, Query(description="only pairs that began at this app", examples=["togai"])] = "",
    relation: Annotated[str, Query(description="only links of this kind", examples=["customer"])] = "",
) -> models.MappingPage:
    """Which entity at one app is which at the other. Newest first."""
    search.equal.update({name: value for name, value in (("origin_app", origin_app), ("relation", relation)) if value})
    found, after = queries.mappings_page(session, search)
    now = datetime.now(UTC)
    return models.MappingPage(items=[shapes.mapping_item(m, now) for m in found], next_cursor=next_cursor(after))


@router.get("/mappings/{mapping_id}", tags=["mappings"], summary="One mapping")
def show_mapping(session: SessionDep, mapping_id: str) -> models.MappingDetail:
    """The whole record, with the claim while it stands."""
    found = queries.mapping(session, mapping_id)
    if found is None:
        raise Unknown(
            f"there is no mapping {mapping_id}", "find it with `tandem mappings list --id` and an id of either side"
        )
    return shapes.mapping_detail(found, datetime.now(UTC))


@router.get("/runs", tags=["runs"], summary="List runs")
def list_runs(
    session: SessionDep,
    search: SearchDep,
    flow: Annotated[
        str, Query(description="only runs of this flow", examples=["stripe-customer-to-togai-customer"])
    ] = "",
    with_echoes: Annotated[
        bool, Query(alias="echoes", description="false leaves out runs whose event was Tandem's own write")
    ] = True,
) -> models.RunPage:
    """What ran, how it ended and why. Newest first."""
    if flow:
        search.equal["flow"] = flow
    found, after = queries.runs_page(session, search)
    left_out = {} if with_echoes else echoes.causes(session, found)
    items = [shapes.run_item(run) for run in found if run.id not in left_out]
    return models.RunPage(items=items, next_cursor=next_cursor(after))


@router.get("/runs/{run_id}", tags=["runs"], summary="One run")
def show_run(session: SessionDep, run_id: str) -> models.RunDetail:
    """The whole record: every step with its notes, output and problem."""
    found = queries.run(session, run_id)
    if found is None:
        raise Unknown(
            f"there is no run {run_id}", "find it with `tandem runs list --id` and an event's or an entity's id"
        )
    echo_of = echoes.causes(session, [found]).get(run_id, "")
    return shapes.run_detail(found).model_copy(update={"echo_of": echo_of})


@router.get("/dead-letters", tags=["dead letters"], summary="List dead letters")
def list_dead_letters(
    session: SessionDep,
    search: SearchDep,
    noun: Annotated[str, Query(description="only those of this noun", examples=["customer"])] = "",
) -> models.DeadLetterPage:
    """What was given up on and why. Newest first."""
    if noun:
        search.equal["noun"] = noun
    found, after = queries.dead_letters_page(session, search)
    return models.DeadLetterPage(items=[shapes.dead_letter_item(d) for d in found], next_cursor=next_cursor(after))


@router.get("/dead-letters/{letter_id}", tags=["dead letters"], summary="One dead letter")
def show_dead_letter(session: SessionDep, letter_id: str) -> models.DeadLetterDetail:
    """The whole record: the event as it came, the run as it stood, the traceback of a bug."""
    found = queries.dead_letter(session, letter_id)
    if found is None:
        raise Unknown(f"there is no dead letter {letter_id}", "find it with `tandem dead-letters list --id` and any id")
    return shapes.dead_letter_detail(found)
