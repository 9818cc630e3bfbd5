"""The payment link of an offer: made once, seen at the account, closed when it is paid."""

from __future__ import annotations

from typing import Any

from shared.apps.stripe.client import StripeApp
from shared.apps.togai.client import TogaiApp
from shared.domains.plans import OFFER
from shared.domains.plans.stripe import (
    ACCOUNT,
    ORGANIZATION,
    PLAN,
    VERSION,
    ClosedLink,
    NewPaymentLink,
    PaymentLinkMade,
)
from shared.domains.plans.togai import Done, PaymentLinkOf, offer_id
from shared.errors import NotFound, NotReady, Rejected
from shared.runtime.actions import Context, Ended, Result
from shared.runtime.creating import Creation
from shared.runtime.creating import create as made_under

LINKS = "/v1/payment_links"
OWNER = "ACCOUNT"


class _Link(Creation[dict[str, Any]]):
    """Found again by the plan and account that its metadata name."""

    def __init__(self, client: StripeApp, metadata: dict[str, str]) -> None:
        self._client = client
        self._metadata = metadata

    async def send(self, body: dict[str, Any], key: str) -> dict[str, Any]:
        return await self._client.create(LINKS, body, key)

    async def find(self, since: int) -> dict[str, Any] | None:
        async for link in self._client.listed(LINKS, {"active": "true"}):
            known = link.get("metadata") or {}
            if all(known.get(name) == value for name, value in self._metadata.items()):
                return link
        return None


async def create(context: Context, wanted: NewPaymentLink) -> Result:
    """Make the link of an offer, or find the one that is open."""
    claims, account = context.claims_of(OFFER.name), context.account("stripe")
    source = context.ref("togai", "offer", offer_id(wanted.plan_id, wanted.account_id))
    metadata = {
        PLAN: wanted.plan_id,
        ACCOUNT: wanted.account_id,
        VERSION: str(wanted.version),
        ORGANIZATION: context.account("togai"),
    }
    body: dict[str, Any] = {
        "line_items": [{"price": price, "quantity": 1} for price in wanted.prices.values()],
        "currency": wanted.currency.lower(),
        "metadata": metadata,
        "payment_intent_data": {"metadata": metadata},
        "restrictions": {"completed_sessions": {"limit": 1}},
    }
    held = await claims.claim(
        source, action="stripe.payment_link.create", app_account=account, body=body, run=context.run.id
    )
    client: StripeApp = await context.client("stripe")
    if held.state != "claimed":
        link = await client.retrieve(LINKS, context.id_of(held.target))
        if not link.get("active"):
            raise Ended(
                "skipped", f"its link {link['id']} was paid, or closed by a person: it is not made again", held.refs
            )
        return Result(_shown(link), False, ("linked already", f"it is paid at {link['url']}"), held.refs)
    link, how = await made_under(claims, held, account, _Link(client, metadata))
    target, buyer = (
        context.ref("stripe", "payment_link", str(link["id"])),
        context.ref("togai", "account", wanted.account_id),
    )
    pair = await claims.link(held, target, "created", also=(buyer,))
    return Result(_shown(link), True, (how, f"it is paid at {link['url']}"), (*pair.refs, buyer))


def _shown(link: dict[str, Any]) -> PaymentLinkMade:
    return PaymentLinkMade(payment_link=str(link["id"]), url=str(link["url"]))


async def deactivate(context: Context, closed: ClosedLink) -> Result:
    """A link of ours that was paid sells nothing more; one that a person made is theirs."""
    if not closed.payment_link:
        return Result(Done(written=False), False, ("the checkout came by no payment link",))
    refs = (context.ref("stripe", "payment_link", closed.payment_link),)
    if not context.claims_of(OFFER.name).index.holders_of(refs[0]):
        return Result(Done(written=False), False, ("the link is none of Tandem's: it stays open",), refs)
    client: StripeApp = await context.client("stripe")
    try:
        link = await client.retrieve(LINKS, closed.payment_link)
        if not link.get("active"):
            return Result(Done(written=False), False, ("closed already",), refs)
        await client.update(LINKS, closed.payment_link, {"active": "false"})
    except NotFound:
        return Result(Done(written=False), False, ("Stripe does not know the link",), refs)
    return Result(Done(written=True), True, (), refs)


async def write_setting(context: Context, wanted: PaymentLinkOf) -> Result:
    """The link stands in the account's Settings, where people and their own portal look."""
    client: TogaiApp = await context.client("togai")
    name = context.settings.payment_link_setting
    refs = (context.ref("togai", "account", wanted.account_id),)
    present = await client.setting(name, OWNER, wanted.account_id)
    if present is None:
        await _create_setting(client, name, wanted)
    elif present.value == wanted.url:
        return Result(Done(written=False), False, (), refs)
    elif present.value and not await _is_ours(context, present.value):
        return Result(
            Done(written=False), False, (f"{name} is {present.value}, which is none of Tandem's: it stays",), refs
        )
    else:
        await client.update_setting(name, wanted.url, OWNER, wanted.account_id)
    notes = (f"{name} was {present.value}",) if present and present.value else ()
    return Result(Done(written=True), True, notes, refs)


async def _is_ours(context: Context, url: str) -> bool:
    """Whether an address is that of a link that Tandem made: any other one was written by a person."""
    index = context.claims_of(OFFER.name).index
    client: StripeApp = await context.client("stripe")
    async for link in client.listed(LINKS, {}):
        if link.get("url") == url:
            return bool(index.holders_of(context.ref("stripe", "payment_link", str(link["id"]))))
    return False


async def _create_setting(client: TogaiApp, name: str, wanted: PaymentLinkOf) -> None:
    try:
        await client.create_setting(name, wanted.url, OWNER, wanted.account_id)
    except Rejected as error:  # it stands by now: whose it is has to be seen first
        raise NotReady(f"{name} of {wanted.account_id} was written meanwhile: looking again", code="moved") from error
