"""Plans: offered to an account by a person."""

from __future__ import annotations

import asyncio
import uuid
from datetime import UTC, datetime
from typing import Annotated

import msgspec
from fastapi import APIRouter
from pydantic import ConfigDict, Field
from shared.connections import Connection, FlowLink
from shared.domains import TRIGGERS, noun_of
from shared.domains.plans.flows import PLAN_TO_LINK
from shared.domains.plans.togai import Offer, offer_id
from shared.events import envelope as envelopes
from shared.events.envelope import Envelope, timestamp
from shared.identity import CONSOLE_SOURCE, Ref, is_id, run_id
from shared.model import Model
from sqlmodel import Session

from console.api import asked
from console.api.errors import BadRequest, ErrorBody
from console.api.links_of_flow import enabled_link
from console.api.state import State, StateDep
from console.projection import queries

router = APIRouter(
    prefix="/api", responses={400: {"model": ErrorBody}, 409: {"model": ErrorBody}, 503: {"model": ErrorBody}}
)


class OfferBody(Model):
    """Whom a plan is offered to."""

    model_config = ConfigDict(extra="forbid")

    account: Annotated[str, Field(min_length=1, max_length=300, description="its id or full ref", examples=["acme"])]
    flow_link: str = Field("", max_length=300, description="the one that does it; needed only if several could")


@router.post("/plans/{plan:path}/offers", status_code=202, tags=["plans"], summary="Offer a price plan to an account")
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
    event = Envelope(
        id=f"req_{uuid.uuid4().hex}",
        source=CONSOLE_SOURCE,
        type=PLAN_TO_LINK.trigger,
        subject=aggregate.id,
        time=timestamp(datetime.now(UTC)),
        appaccount=connection.app_account,
        connection=connection.id,
        aggregate=str(aggregate),
        data=msgspec.Raw(wanted.model_dump_json().encode()),
    )
    topic = state.topics.events(noun_of(event.type))
    place = await state.writer.append(topic, event.aggregate, envelopes.encode(event))
    return asked.LinkAsked(run=run_id(link.id, event.appaccount, event.id, str(place)), event=event.id)


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
