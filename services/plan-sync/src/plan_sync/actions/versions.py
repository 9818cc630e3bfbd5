"""The version of a price plan that is sold, by whichever of Togai's APIs knows the plan."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from shared.apps.togai.client import TogaiApp
from shared.errors import NotFound, WaitingUntold
from shared.runtime.actions import Context

from plan_sync.actions.schedules import FIRST, SECOND, api_of, today_of
from plan_sync.decide import cards_of_version, present_version
from plan_sync.translation import v2

Json = dict[str, Any]
ACTIVE, DRAFT, ARCHIVED = "ACTIVE", "DRAFT", "ARCHIVED"


@dataclass(frozen=True)
class PlanVersion:
    """A plan, and its present version in the form of the first API; `api`: which one knows it. A draft, and an archived
    plan of the second API, have no details.
    """

    api: str
    status: str
    name: str
    description: str
    version: int
    details: Mapping[str, Any] = field(default_factory=dict)


async def present(context: Context, client: TogaiApp, plan_id: str) -> PlanVersion:
    """The version that holds today where the organization is. The API that the flow link has chosen is asked first.

    Raises NotFound for a plan that neither API knows, WaitingUntold where Togai shows the rate cards of a draft alone.
    """
    second = api_of(context) == SECOND
    try:
        return await (_second(client, plan_id) if second else _first(context, client, plan_id))
    except NotFound as error:
        try:
            return await (_first(context, client, plan_id) if second else _second(client, plan_id))
        except NotFound:
            raise error from None


async def _first(context: Context, client: TogaiApp, plan_id: str) -> PlanVersion:
    plan = await client.price_plan(plan_id)
    shown = present_version(plan, today_of(context))
    details = shown.get("pricePlanDetails") or {}
    return _version(FIRST, plan, shown, details)


async def _second(client: TogaiApp, plan_id: str) -> PlanVersion:
    """The newest active version. A draft of the next one hides its rate cards: Togai lists those of the draft."""
    newest = plan = await client.v2.price_plan(plan_id, "LATEST")
    if newest.get("status") == DRAFT:
        try:
            plan = await client.v2.price_plan(plan_id, "ACTIVE")
        except NotFound:
            return _version(SECOND, newest, newest, {})
    if plan.get("status") == ARCHIVED:
        return _version(SECOND, plan, plan, {})
    cards = await client.v2.rate_cards(plan_id)
    own: Sequence[Mapping[str, Any]] = cards_of_version(cards, plan)
    hidden = newest.get("status") == DRAFT and not own
    if cards and not own and not hidden:
        # They name no version, or another one: a draft may have begun in between.
        again = await client.v2.price_plan(plan_id, "LATEST")
        hidden = (again.get("status"), again.get("version")) != (ACTIVE, plan.get("version"))
        own = cards
    if hidden:
        why = f"price plan {plan_id} has a draft of its next version, and Togai shows the rate cards of that alone"
        raise WaitingUntold(f"{why}: finalize or discard it in Togai", code="draft")
    return _version(SECOND, plan, plan, v2.details_of(plan, own))


def _version(api: str, plan: Json, shown: Mapping[str, Any], details: Mapping[str, Any]) -> PlanVersion:
    return PlanVersion(
        api=api,
        status=str(plan.get("status")),
        name=str(plan.get("name") or plan.get("id")),
        description=str(plan.get("description") or ""),
        version=int(shown.get("version") or 1),
        details=details,
    )
