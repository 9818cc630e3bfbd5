"""The Settings of a Togai account, where the id of its Stripe customer stands."""

from __future__ import annotations

from shared.apps.togai.client import TogaiApp
from shared.domains.customers.stripe import Written
from shared.domains.customers.togai import StripeId
from shared.errors import Conflict
from shared.runtime.actions import Context, Result

from customer_sync.actions.pairs import end_if_linked_elsewhere

ACCOUNT = "ACCOUNT"


async def write_stripe_id(context: Context, wanted: StripeId) -> Result:
    """Write the Stripe customer's id to the account's Settings, unless it stands there. Raises Conflict if another one
    does, which a person wrote.
    """
    refs = (context.ref("togai", "account", wanted.account_id),)
    if wanted.known == wanted.stripe_customer_id:
        return Result(Written(written=False), False, (), refs)
    end_if_linked_elsewhere(context, refs[0], context.ref("stripe", "customer", wanted.stripe_customer_id))
    client: TogaiApp = await context.client("togai")
    if wanted.known and (
        present := await client.setting(context.settings.stripe_customer_setting, ACCOUNT, wanted.account_id)
    ):
        _check_setting(present.value, wanted.account_id, wanted.stripe_customer_id)
    await put_setting(context, client, wanted.account_id, wanted.stripe_customer_id)
    return Result(Written(written=True), True, (), refs)


async def put_setting(context: Context, client: TogaiApp, account_id: str, stripe_customer_id: str) -> None:
    """The Settings name the Stripe customer. Raises Conflict if they name another one, which a person wrote."""
    name = context.settings.stripe_customer_setting
    present = await client.fill_setting(name, stripe_customer_id, ACCOUNT, account_id)
    _check_setting(present, account_id, stripe_customer_id)


def _check_setting(value: str | None, account_id: str, stripe_customer_id: str) -> None:
    if value and value != stripe_customer_id:
        raise Conflict(
            f"the Settings of account {account_id} name {value}, it is linked to {stripe_customer_id}: correct the "
            "setting or the link"
        )


async def names_customer(context: Context, client: TogaiApp, account_id: str, stripe_customer_id: str) -> bool:
    """Whether the account's Settings name a Stripe customer."""
    setting = await client.setting(context.settings.stripe_customer_setting, ACCOUNT, account_id)
    return bool(setting and setting.value == stripe_customer_id)
