"""An account's schedules, by the API of Togai's that the flow link has chosen."""

from __future__ import annotations

from shared.apps.togai.client import TogaiApp
from shared.domains.plans import ATTACHED
from shared.errors import ChangedMore, NotReady
from shared.runtime.actions import Context

from plan_sync.actions.drafts import SecondApi
from plan_sync.actions.schedules import SECOND, AccountPlans, FirstApi, api_of


def plans_of(context: Context, client: TogaiApp, account: str, api: str = "") -> AccountPlans:
    """Those of an account by the named API, else by the flow link's."""
    return SecondApi(client, account) if (api or api_of(context)) == SECOND else FirstApi(client, account)


def check_not_attaching(context: Context, account: str) -> None:
    """Raises NotReady while a paid checkout is being attached to an account: what it has is about to change, and a plan
    that stands there already may be the one that was paid.
    """
    for held in context.claims_of(ATTACHED.name).index.open_under(context.ref("togai", "account", account)):
        why = f"run {held.run} is attaching the plan of a checkout to account {account}: looking again"
        raise NotReady(why, code="claimed")


def check_beside(plans: AccountPlans, account: str, plan: str) -> None:
    """Raises ChangedMore where more than the plan changed: what was written stands, and is linked already."""
    if lost := plans.changed_beside(plan):
        raise ChangedMore(
            f"account {account} has {plan}, and does not have any more what it had beside: {'; '.join(lost)}. Put it "
            "back in Togai, then retry this",
            code="schedules_changed",
        )
