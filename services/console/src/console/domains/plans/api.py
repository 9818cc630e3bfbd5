"""Plans: both sides of each with its prices and offers, and an offer that a person makes."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import ConfigDict, Field
from shared.connections import Connection, FlowLink
from shared.domains import TRIGGERS
from shared.domains.plans import PRODUCT
from shared.domains.plans.flows import PLAN_TO_LINK
from shared.domains.plans.progress import STATES, known_of
from shared.domains.plans.togai import Offer, offer_id
from shared.identity import Ref, is_id
from shared.model import Model
from shared.settings import Settings
from sqlmodel import Session

from console.api import asked, shapes
from console.api.errors import BadRequest, ErrorBody, only_one
from console.api.links_of_flow import enabled_link
from console.api.paging import next_cursor
from console.api.records import PlaceDep
from console.api.requests import append, event_about
from console.api.state import SessionDep, State, StateDep, stamp
from console.domains.plans import items as plan_items
from console.domains.plans import queries as plans
from console.domains.plans import tokens
from console.domains.plans.items import PlanDetail, PlanItem, PlanPage, item_fields
from console.projection import queries
from console.projection.entity_runs import pair_of

router = APIRouter(
    prefix="/api", tags=["plans"], responses={code: {"model": ErrorBody} for code in (400, 404, 409, 503)}
)


class OfferBody(Model):
    """Whom a plan is offered to."""

    model_config = ConfigDict(extra="forbid")

    account: Annotated[str, Field(min_length=1, max_length=300, description="its id or full ref", examples=["acme"])]
    flow_link: str = Field("", max_length=300, description="the one that does it; needed only if several could")


def items(session: Session, search: queries.Search) -> PlanPage:
    """A page of the list."""
    found, after = plans.page(session, search)
    return PlanPage(
        items=[PlanItem.model_validate(item_fields(known)) for known in found], next_cursor=next_cursor(after)
    )


def search_of_query(
    search: PlaceDep,
    state: Annotated[str, Query(description=f"only this state: {', '.join(STATES)}", examples=["active"])] = "",
) -> queries.Search:
    """What the list takes."""
    if state and state not in STATES:
        raise BadRequest(f"plans have no state {state[:50]!r}", f"there are: {', '.join(STATES)}")
    return replace(search, equal={"state": state} if state else {})


@router.get("/plans", dependencies=[Depends(stamp)], summary="List price plans")
def list_plans(session: SessionDep, search: Annotated[queries.Search, Depends(search_of_query)]) -> PlanPage:
    """What Togai sells and which product of Stripe it is, the last changed first."""
    return items(session, search)


@router.get("/plans/{plan:path}", dependencies=[Depends(stamp)], summary="One price plan")
def show_plan(state: StateDep, session: SessionDep, plan: str) -> PlanDetail:
    """Both sides, each version's prices and what could not be expressed, offers with their links, and the accounts that
    have it by a checkout. By any id of either side.
    """
    return plan_detail(session, plan, state.settings)


def plan_detail(session: Session, plan: str, settings: Settings | None = None) -> PlanDetail:
    """Everything that is known of a plan; with the settings, the page of each open offer. Raises Unknown, NotNow."""
    ref = plan_ref(session, plan)
    pair, known = pair_of(session, PRODUCT, ref), known_of(ref, plans.runs_of(session, ref))
    more = {
        "description": known.description,
        "mapping": pair.id if pair else None,
        "sides": shapes.sides(pair) if pair else [side for side in [shapes.side(ref)] if side],
        "versions": plan_items.versions(known),
        "offered": plan_items.offers(known, tokens.addresses(settings, known) if settings else {}),
        "associations": plan_items.associations(known),
        "runs": [shapes.run_item(run) for run in plans.ran(session, ref)],
    }
    return PlanDetail.model_validate(item_fields(known, pair) | more)


def plan_ref(session: Session, text: str) -> str:
    """The full ref of Togai's plan to which an id leads. Raises Unknown, NotNow."""
    return only_one(plans.refs_of(session, text), text, "price plan", "tandem plans list")


@router.post("/plans/{plan:path}/offers", status_code=202, summary="Offer a price plan to an account")
async def offer(state: StateDep, plan: str, body: OfferBody) -> asked.LinkAsked:
    """Its product, its prices and a payment link are made in Stripe, as far as they are not there; the link stands in
    the account's Settings. Watch the run that does it: `GET /api/runs/{run}`.
    """
    link, connection = await asyncio.to_thread(_who_does_it, state, body.flow_link)
    wanted = Offer(
        plan_id=_id_of(plan, connection, "price_plan"),
        account_id=_id_of(body.account, connection, "account"),
        flow_link=body.flow_link,
    )
    aggregate = Ref(connection.app_account, "offer", offer_id(wanted.plan_id, wanted.account_id))
    event = event_about(str(aggregate), PLAN_TO_LINK.trigger, wanted, connection.id)
    return await append(state, event, link.id)


def _who_does_it(state: State, named: str) -> tuple[FlowLink, Connection]:
    with Session(state.database.engine) as session:
        link = enabled_link(session, PLAN_TO_LINK.id, named)
        own = link.connections[TRIGGERS[PLAN_TO_LINK.trigger].app]
        return link, next(found for found in queries.connections(session) if found.id == own)


def _id_of(text: str, connection: Connection, noun: str) -> str:
    """The vendor's id of a full ref or a bare id. Raises BadRequest for one of another account or kind."""
    try:
        ref = Ref.parse(text)
    except ValueError:
        ref = None
    if ref and ref.account.count(":") >= 2:
        if (ref.account, ref.noun) != (connection.app_account, noun):
            raise BadRequest(f"{text} is no {noun} of {connection.app_account}", "name one of the flow link's own")
        return ref.id
    if not is_id(text):
        raise BadRequest(f"{text[:100]!r} is no id", "name it by the id that Togai shows")
    return text
