"""A plan from a day on by Togai's first API: whoever has it then keeps it, so that a second call attaches nothing."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta
from typing import Any

from shared.apps.togai.client import TogaiApp
from shared.domains.plans.flows import REPLACE
from shared.errors import Rejected, Unavailable
from shared.runtime.actions import Context

from plan_sync.decide import covers

Json = dict[str, Any]


def replaces(context: Context) -> bool:
    """Whether a plan that is paid takes the place of another one of its account, as the flow link has chosen."""
    return context.option(REPLACE.name) == "on"


def days_of(first: date) -> tuple[date, date]:
    """The wanted day, and the next: Togai may refuse today."""
    return first, first + timedelta(days=1)


def holding(schedules: Iterable[Json], plan: str, first: date) -> Json | None:
    """The schedule by which an account has a plan on the wanted day, or the next."""
    own = [one for one in schedules if one.get("pricePlanId") == plan]
    return next((one for day in days_of(first) for one in own if covers(one, day.isoformat())), None)


async def associated(client: TogaiApp, account: str, plan: str, first: date) -> Json:
    """Attach it. Raises Rejected if Togai refuses both days, Unavailable if it does not show it yet."""
    for day in days_of(first):
        try:
            await client.associate(account, plan, day.isoformat())
            break
        except Rejected:
            if day != first:
                raise
    found = holding(await client.pricing_schedules(account), plan, first)
    if found is None:
        raise Unavailable(f"Togai shows no schedule of {plan} for {account} yet")
    return found
