"""Which plan an account has when, and a plan from a day on, by the API of Togai's that the flow link has chosen.

Whoever has the plan then keeps it, so that a second call attaches nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, timedelta
from typing import Any, Protocol
from zoneinfo import ZoneInfo

from shared.apps.togai.client import TogaiApp
from shared.domains.plans.flows import API, REPLACE
from shared.domains.plans.togai import Attached
from shared.errors import NotFound, Rejected, SyncError, Unavailable, WaitingUntold
from shared.linking.mappings import Mapping
from shared.runtime.actions import Context, Result
from shared.runtime.creating import Creation

from plan_sync.decide import covers

Json = dict[str, Any]
FIRST, SECOND = API.values


def replaces(context: Context) -> bool:
    """Whether a plan that is paid takes the place of another one of its account, as the flow link has chosen."""
    return context.option(REPLACE.name) == "on"


def api_of(context: Context) -> str:
    """The API that the flow link has chosen; empty where its flow has no such choice."""
    return context.option(API.name)


def zone_of(context: Context) -> ZoneInfo:
    """The organization's time zone: plans begin on its days."""
    return ZoneInfo(context.settings.togai_time_zone)


def today_of(context: Context) -> date:
    """The day where the organization is."""
    return datetime.now(zone_of(context)).date()


def days_of(first: date) -> tuple[date, date]:
    """The wanted day, and the next: Togai may refuse today."""
    return first, first + timedelta(days=1)


def second_api_only(plan: str) -> WaitingUntold:
    """Why a plan cannot be attached by the first API."""
    why = (
        f"Togai's first API does not know price plan {plan}: set api=v2 (`tandem flow-links set`) on the flow links of"
    )
    return WaitingUntold(f"{why} offers and of paid checkouts", code="second_api")


def holding(schedules: Iterable[Json], plan: str, first: date) -> Json | None:
    """The schedule by which an account has a plan on the wanted day, or the next."""
    own = [one for one in schedules if one.get("pricePlanId") == plan]
    return next((one for day in days_of(first) for one in own if covers(one, day.isoformat())), None)


def attached(
    schedule: Json, effect: bool, notes: tuple[str, ...], refs: tuple[str, ...], *, again: bool = False
) -> Result:
    """That the account has the plan by a schedule; `again`: it had it before."""
    since = str(schedule.get("startDate") or "")[:10]
    return Result(Attached(schedule_id=str(schedule["id"]), since=since, again=again), effect, notes, refs)


class AccountPlans(Protocol):
    """An account's schedules, by one of Togai's APIs."""

    async def read(self) -> list[Json]:
        """What stands there."""

    def noted(self, first: date) -> dict[str, Any]:
        """What a claim must keep of what was read, for whoever goes on."""

    async def check_free(self) -> None:
        """Raises WaitingUntold where what a person has begun there must be ended first."""

    def attaching(self, plan: str, first: date, held: Mapping | None, *, resumed: bool) -> Creation[Json]:
        """The plan from a day on, or from the next if Togai refuses that. `held` is the claim under which it is
        done, None for none; `resumed`: it was begun before.
        """

    async def associated(self, plan: str, first: date) -> Json:
        """The same without a claim. Raises Rejected if Togai refuses both days."""

    async def take_back(self, plan: str, first: date, held: Mapping) -> bool:
        """Whether something was begun under a claim, which cannot end any more: it is begun no more."""

    def changed_beside(self, plan: str) -> list[str]:
        """What the attaching changed beside it, a sentence each."""


class FirstApi:
    """By the first API: one call attaches, and what stands there gives way."""

    def __init__(self, client: TogaiApp, account: str) -> None:
        self._client = client
        self._account = account
        self.rows: list[Json] = []

    async def read(self) -> list[Json]:
        self.rows = await self._client.pricing_schedules(self._account)
        return self.rows

    def noted(self, first: date) -> dict[str, Any]:
        return {}

    async def check_free(self) -> None:
        """It knows no drafts."""

    def attaching(self, plan: str, first: date, held: Mapping | None, *, resumed: bool) -> Creation[Json]:
        return _Association(self, plan, first, resumed=resumed)

    async def associated(self, plan: str, first: date) -> Json:
        answered: list[Json] = []
        for day in days_of(first):
            try:
                answered = await self._client.associate(self._account, plan, day.isoformat())
                break
            except NotFound as error:
                raise await self._unknown(plan, error) from error
            except Rejected:
                if day != first:
                    raise
        found = holding(answered, plan, first) or holding(await self.read(), plan, first)
        if found is None:
            raise Unavailable(f"Togai took {plan} for {self._account} and shows no schedule of it yet")
        return found

    async def _unknown(self, plan: str, error: NotFound) -> SyncError:
        """What a 404 means: the account is gone, or the plan is one of the second API."""
        try:
            await self._client.v2.price_plan(plan, "ACTIVE")
        except NotFound:
            return error
        return second_api_only(plan)

    async def take_back(self, plan: str, first: date, held: Mapping) -> bool:
        return False  # one call begins and ends

    def changed_beside(self, plan: str) -> list[str]:
        return []


class _Association(Creation[Json]):
    """Found again by the plan and the day. One that was begun before is looked for first; else whoever calls has just
    read what the account has, and where it has the plan nothing is sent: the same call twice makes two schedules.
    """

    key_expires = False

    def __init__(self, api: FirstApi, plan: str, first: date, *, resumed: bool) -> None:
        self._api = api
        self._plan = plan
        self._first = first
        self._resumed = resumed

    async def send(self, body: Json, key: str) -> Json:
        found = await self.find(0) if self._resumed else holding(self._api.rows, self._plan, self._first)
        return found or await self._api.associated(self._plan, self._first)

    async def find(self, since: int) -> Json | None:
        return holding(await self._api.read(), self._plan, self._first)
