"""Whose Stripe customer an invoice is for: that of its account, or of its invoice group, which has one of its own."""

from __future__ import annotations

from typing import Any

from shared.apps.stripe.client import StripeApp
from shared.apps.stripe.models import TOGAI_INVOICE_GROUP
from shared.apps.togai.client import TogaiApp
from shared.domains.customers import CUSTOMER
from shared.domains.invoices import INVOICE_GROUP
from shared.domains.invoices.stripe import ORGANIZATION
from shared.errors import Malformed, NotLinked, Waiting
from shared.linking.mappings import Mapping
from shared.runtime.actions import Context
from shared.runtime.creating import Creation, create

from invoice_sync.actions.collection import CUSTOMERS
from invoice_sync.decide import group_customer, group_of

Json = dict[str, Any]
OWNER = "INVOICE_GROUP"


async def customer_for(context: Context, account_id: str, group_id: str) -> str:
    """The Stripe customer's id. Raises NotLinked for an account without one, Waiting for a group whose one is gone."""
    return await _of_group(context, group_id) if group_id else _of_account(context, account_id)


def _of_account(context: Context, account_id: str) -> str:
    account = context.ref("togai", "account", account_id)
    pair = context.claims_of(CUSTOMER.name).index.pair(account)
    if pair is None:
        raise NotLinked(
            f"account {account_id} has no Stripe customer: `tandem import accounts --id {account_id}` makes or finds "
            "one, `tandem customers link` links one",
            CUSTOMER.name,
            account,
            code="no_customer",
        )
    if pair.state == "deleted":
        why = f"the Stripe customer of {account_id} is deleted: link another one"
        raise NotLinked(why, CUSTOMER.name, account, code="no_customer")
    return context.id_of(next(ref for ref in pair.refs if ref.startswith("stripe:")))


class _GroupCustomer(Creation[Json]):
    """Found again by the group and organization that its metadata name."""

    def __init__(self, client: StripeApp, metadata: dict[str, str]) -> None:
        self._client = client
        self._metadata = metadata

    async def send(self, body: Json, key: str) -> Json:
        return await self._client.create(CUSTOMERS, body, key)

    async def find(self, since: int) -> Json | None:
        return await self._client.with_metadata(CUSTOMERS, {"created[gte]": since}, self._metadata)


async def _of_group(context: Context, group_id: str) -> str:
    """Linked before, named by the group's Settings, or made. It is claimed, so that it is made once."""
    claims, source = context.claims_of(INVOICE_GROUP.name), context.ref("togai", "invoice_group", group_id)
    held = claims.index.pair(source)
    if held is None:
        togai: TogaiApp = await context.client("togai")
        name = context.settings.stripe_customer_setting
        setting = await togai.setting(name, OWNER, group_id)
        if setting and setting.value and claims.index.open_claim(source) is None:
            held = await _linked(context, source, context.ref("stripe", "customer", setting.value))
        else:
            held = await _made(context, togai, source, await togai.invoice_group(group_id))
    if held.state == "deleted":
        raise Waiting(f"the Stripe customer of invoice group {group_id} is deleted", code="no_customer")
    return context.id_of(held.target)


async def _linked(context: Context, source: str, target: str) -> Mapping:
    claims, stripe = context.claims_of(INVOICE_GROUP.name), context.account("stripe")
    held = await claims.claim(
        source, action="stripe.customer.adopt", app_account=stripe, body={}, run=context.run.id, target=target
    )
    return await claims.link(held, target, "setting") if held.state == "claimed" else held


async def _made(context: Context, togai: TogaiApp, source: str, group: Json) -> Mapping:
    """The link comes last: of a linked one nobody would write the Settings after a death."""
    claims, stripe = context.claims_of(INVOICE_GROUP.name), context.account("stripe")
    metadata = {TOGAI_INVOICE_GROUP: str(group["id"]), ORGANIZATION: context.account("togai")}
    body = group_customer(group) | {"metadata": metadata}
    held = await claims.claim(
        source, action="stripe.customer.create", app_account=stripe, body=body, run=context.run.id
    )
    if held.state != "claimed":
        return held
    made, _ = await create(claims, held, stripe, _GroupCustomer(await context.client("stripe"), metadata))
    await togai.fill_setting(context.settings.stripe_customer_setting, str(made["id"]), OWNER, str(group["id"]))
    return await claims.link(held, context.ref("stripe", "customer", str(made["id"])), "created")


async def payers_of(client: TogaiApp, invoice: Json) -> list[str]:
    """The accounts that a payment of an invoice may name: its owner, or of a group its accounts, as Togai lists them.
    Raises Malformed for a group that has none.
    """
    group = group_of(invoice)
    if not group:
        return [str(invoice["ownerId"])]
    members = await members_of(client, group)
    if not members:
        raise Malformed(f"invoice group {group} has no account that a payment could name")
    return members


async def members_of(client: TogaiApp, group_id: str) -> list[str]:
    """The accounts of an invoice group, as Togai lists them. Raises NotFound."""
    return [str(member) for member in (await client.invoice_group(group_id)).get("accounts") or ()]
