"""The address of an offer's page, for a vendor's own portal or mail."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter
from pydantic import ConfigDict, Field
from shared.domains.plans.togai import offer_id
from shared.events.envelope import timestamp
from shared.identity import Ref
from shared.model import Model

from console.api.errors import ErrorBody, NotNow
from console.api.state import SessionDep, StateDep
from console.domains.plans.api import plan_ref
from console.domains.plans.offers import known_offer
from console.domains.plans.tokens import DAY, DAYS, MOST_DAYS, Tokens

router = APIRouter(
    prefix="/api", tags=["plans"], responses={code: {"model": ErrorBody} for code in (400, 404, 409, 503)}
)


class PortalBody(Model):
    """Whose offer, and for how long."""

    model_config = ConfigDict(extra="forbid")

    account: Annotated[str, Field(min_length=1, max_length=300, description="its id or full ref", examples=["acme"])]
    days: int = Field(DAYS, ge=1, le=MOST_DAYS, description="how long the address holds")


class PortalAddress(Model):
    """Whoever has the address sees this offer, and can pay it."""

    url: str
    expires_at: str


@router.post("/plans/{plan:path}/portal", summary="The address of an offer's page")
def make_address(state: StateDep, session: SessionDep, plan: str, body: PortalBody) -> PortalAddress:
    """A public page for the account's own people: what they are about to buy, and paying it. Send it to nobody else."""
    ref = Ref.parse(plan_ref(session, plan))
    account = body.account.rpartition("/")[2]
    offer = Ref(ref.account, "offer", offer_id(ref.id, account))
    own = body.account in (account, str(Ref(ref.account, "account", account)))
    if not own or known_offer(session, offer)[1] is None:
        raise NotNow(
            f"price plan {ref.id} was not offered to {body.account}",
            f"offer it first: `tandem plans offer {ref.id} {account}`",
            code="not_offered",
        )
    ends = time.time() + body.days * DAY
    url = Tokens(state.settings).address(offer, body.days * DAY)
    return PortalAddress(url=url, expires_at=timestamp(datetime.fromtimestamp(ends, UTC)))
