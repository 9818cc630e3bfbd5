"""The payment link of an offer: made once, seen at the account, closed when it is paid."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from typing import Any

from shared.apps.stripe.client import StripeApp
from shared.apps.togai.client import TogaiApp
from shared.domains.plans import ATTACHED, CHECKOUT, OFFER
from shared.domains.plans.flows import PLAN_TO_LINK
from shared.domains.plans.stripe import (
    ACCOUNT,
    CLOSED_FOR,
    ORGANIZATION,
    PLAN,
    VERSION,
    NewPaymentLink,
    PaymentLinkMade,
)
from shared.domains.plans.togai import SEPARATOR, SUBSCRIPTION, Done, PaymentLinkOf, offer_id
from shared.errors import NotReady, Rejected, SyncError, WaitingUntold
from shared.identity import Ref
from shared.linking.mappings import Mapping
from shared.runtime.actions import Context, Ended, Result
from shared.runtime.creating import Creation
from shared.runtime.creating import create as made_under

from plan_sync.actions.products import PRICES
from plan_sync.actions.subscriptions import SUBSCRIPTIONS
from plan_sync.decide import address_of, is_address_of

LINKS, SESSIONS, PAYMENT_INTENTS = "/v1/payment_links", "/v1/checkout/sessions", "/v1/payment_intents"
FAILED = ("requires_payment_method", "canceled")
"""States of a payment intent to which no money comes any more by itself."""
ENDED = ("canceled", "incomplete_expired")
"""States of a subscription that asks for nothing any more."""
NO_CHARGE = ("amount_too_small", "amount_too_large")
"""Why Stripe refuses a link for a sum that it charges nobody. How little that is depends on the account's payouts."""
OWNER = "ACCOUNT"
LINK_PLACE = 2
"""Which part of a session's source names the link that sells the same: plan, account, link, number."""


class _Link(Creation[dict[str, Any]]):
    """Found again by the plan and account that its metadata name."""

    def __init__(self, client: StripeApp, metadata: dict[str, str]) -> None:
        self._client = client
        self._metadata = metadata

    async def send(self, body: dict[str, Any], key: str) -> dict[str, Any]:
        return await self._client.create(LINKS, body, key)

    async def find(self, since: int) -> dict[str, Any] | None:
        return await self._client.with_metadata(LINKS, {"active": "true"}, self._metadata)


async def create(context: Context, wanted: NewPaymentLink) -> Result:
    """Make the link of an offer, or find the one that is open. It replaces the link of an earlier version, and one
    whose payment failed. Raises Ended where one was paid, or closed by a person, and where Stripe charges no such sum.
    """
    claims, account = context.claims_of(OFFER.name), context.account("stripe")
    client: StripeApp = await context.client("stripe")
    base = context.ref("togai", "offer", offer_id(wanted.plan_id, wanted.account_id))
    former = await former_links(context, client, base)
    failed = ""
    for link in former[-1:]:
        version = int((link.get("metadata") or {}).get(VERSION) or 0)
        if link.get("active") and version >= wanted.version:
            closed = await _close(client, former[:-1])
            notes = ("linked already", *closed, f"it is paid at {_shown(link, wanted).url}")
            return Result(_shown(link, wanted), bool(closed), notes, _refs(context, link, base, wanted))
        failed = "" if link.get("active") else await failed_checkout(context, client, link, base, wanted.version)
    source = context.ref("togai", "offer", offer_id(wanted.plan_id, wanted.account_id, str(wanted.version), failed))
    body = _body(context, wanted)
    held = await claims.claim(
        source, action="stripe.payment_link.create", app_account=account, body=body, run=context.run.id
    )
    if held.state != "claimed":
        raise NotReady(f"run {held.run} has just made a link for {base}: looking again", code="moved")
    try:
        link, how = await made_under(claims, held, account, _Link(client, body["metadata"]))
    except (Rejected, NotReady) as error:  # Stripe repeats a refusal under the same key: then the next one follows
        raise await _why_refused(
            client, wanted, error, (base, context.ref("togai", "price_plan", wanted.plan_id))
        ) from error
    refs = _refs(context, link, base, wanted)
    await claims.link(held, context.ref("stripe", "payment_link", str(link["id"])), "created", also=refs[1:])
    closed = await _close(client, former)
    return Result(_shown(link, wanted), True, (how, *closed, f"it is paid at {_shown(link, wanted).url}"), refs)


async def _why_refused(
    client: StripeApp, wanted: NewPaymentLink, error: SyncError, refs: tuple[str, ...]
) -> SyncError | Ended:
    """What a refusal means. A sum that Stripe charges nobody is not sold; what a person archived in Stripe is neither
    revived nor made again, so the offer waits.
    """
    if error.code in NO_CHARGE:
        why = f"nothing of price plan {wanted.plan_id} can be sold to {wanted.account_id}: {error.message}"
        return Ended("skipped", why, refs)
    for price in wanted.prices.values():
        shown = await client.retrieve(PRICES, price, {"expand[]": "product"})
        product, archived = shown["product"], ""
        if not shown.get("active"):
            archived = f"price {price}"
        elif not product.get("active"):
            archived = f"product {product['id']}"
        if archived:
            why = f"{archived} was archived in Stripe, and nothing is made in its place: unarchive it there"
            return WaitingUntold(f"{why}, the offer goes on within the hour", code="archived_in_stripe")
    return error


def _body(context: Context, wanted: NewPaymentLink) -> dict[str, Any]:
    metadata = {
        PLAN: wanted.plan_id,
        ACCOUNT: wanted.account_id,
        VERSION: str(wanted.version),
        ORGANIZATION: context.account("togai"),
    }
    return {
        "line_items": [{"price": price, "quantity": 1} for price in wanted.prices.values()],
        "currency": wanted.currency.lower(),
        "metadata": metadata,
        "subscription_data" if wanted.mode == SUBSCRIPTION else "payment_intent_data": {"metadata": metadata},
        "restrictions": {"completed_sessions": {"limit": 1}},
    }


def _refs(context: Context, link: dict[str, Any], base: str, wanted: NewPaymentLink) -> tuple[str, ...]:
    """The link, and what it and its run are found by: the offer, the plan, the account."""
    plan = context.ref("togai", "price_plan", wanted.plan_id)
    buyer = context.ref("togai", "account", wanted.account_id)
    return context.ref("stripe", "payment_link", str(link["id"])), base, plan, buyer


def _shown(link: dict[str, Any], wanted: NewPaymentLink) -> PaymentLinkMade:
    url = address_of(str(link["url"]), wanted.account_id, wanted.email)
    return PaymentLinkMade(payment_link=str(link["id"]), url=url)


async def former_links(context: Context, client: StripeApp, base: str) -> list[dict[str, Any]]:
    """Every link that Tandem made for an offer, the newest last. Raises Ended for one at another Stripe account."""
    pairs = sorted(context.claims_of(OFFER.name).index.under(base), key=lambda pair: pair.at)
    return [await client.retrieve(LINKS, context.id_of(pair.target)) for pair in pairs]


async def failed_checkout(context: Context, client: StripeApp, link: dict[str, Any], base: str, wanted: int) -> str:
    """The checkout of a closed link whose payment failed, or whose plan the account has left, by the link or by a
    session of the same; the link itself where it closed since the account bought another plan; empty for none of these.
    Raises Ended where it was paid, where its payment may still come, and where a person closed this version's link.
    """
    ref = (context.ref("stripe", "payment_link", str(link["id"])),)
    failed, version = "", int((link.get("metadata") or {}).get(VERSION) or 0)
    sessions = [session async for session in _completed(context, client, str(link["id"]), base)]
    left = any(_has_left(context, session) for session in sessions)
    for session in sessions:
        if not left:
            await check_failed(client, session, f"its link {link['id']}", ref)
        elif subscription := session.get("subscription"):
            await _check_ended(client, str(subscription), str(session["id"]), ref)
        failed = failed or str(session["id"])
    if not failed and (link.get("metadata") or {}).get(CLOSED_FOR):
        return str(link["id"])
    if not failed and version >= wanted:
        raise Ended("skipped", f"its link {link['id']} was closed by a person: it is not made again", ref)
    return failed


def _has_left(context: Context, session: dict[str, Any]) -> bool:
    """Whether the account had the plan by a checkout and has it no more: whoever offers a plan to it has seen, since
    this run began, that it does not. What a poller found attached may be the same plan under another id.
    """
    if context.run.event_type != PLAN_TO_LINK.trigger:
        return False
    pair = context.claims_of(ATTACHED.name).index.pair(context.ref("stripe", "checkout.session", str(session["id"])))
    return pair is not None and pair.at < context.run.started_at


async def _completed(context: Context, client: StripeApp, link: str, base: str) -> AsyncIterator[dict[str, Any]]:
    """The completed checkouts that a link was the way to, and those of its offer's sessions that sold the same."""
    async for session in client.listed(SESSIONS, {"payment_link": link, "status": "complete"}):
        yield session
    for pair in context.claims_of(CHECKOUT.name).index.under(base):
        if sold_by(pair) == link:
            session = await client.retrieve(SESSIONS, context.id_of(pair.target))
            if session.get("status") == "complete":
                yield session


def sold_by(pair: Mapping) -> str:
    """The link that sells the same as a session of ours."""
    return Ref.parse(pair.source).id.split(SEPARATOR)[LINK_PLACE]


async def check_failed(client: StripeApp, session: dict[str, Any], what: str, refs: tuple[str, ...]) -> None:
    """Raises Ended for a completed checkout that was paid, or whose payment may still come. What was given back whole
    was not paid.
    """
    if session.get("payment_status") != "unpaid":
        if await _is_given_back(client, session):
            return
        raise Ended("skipped", f"{what} was paid: no other one is made", refs)
    if subscription := session.get("subscription"):
        await _check_ended(client, str(subscription), str(session["id"]), refs)
        return
    intent = session.get("payment_intent")
    state = (await client.retrieve(PAYMENT_INTENTS, str(intent))).get("status") if intent else ""
    if state not in FAILED:
        raise Ended("skipped", f"the payment of {session['id']} is on its way: no other link is made", refs)


async def _is_given_back(client: StripeApp, session: dict[str, Any]) -> bool:
    intent, amount = session.get("payment_intent"), int(session.get("amount_total") or 0)
    if not intent or not amount:
        return False
    shown = await client.retrieve(PAYMENT_INTENTS, str(intent), {"expand[]": "latest_charge"})
    return int((shown.get("latest_charge") or {}).get("amount_refunded") or 0) >= amount


async def _check_ended(client: StripeApp, subscription: str, session: str, refs: tuple[str, ...]) -> None:
    """Raises Ended for a subscription that goes on asking for what was not paid: a second one would bill the same."""
    status = (await client.retrieve(SUBSCRIPTIONS, subscription)).get("status")
    if status not in ENDED:
        why = (
            f"{subscription} of {session} is {status}, and asks for its payment on: no other link is made. Cancel it in"
        )
        raise Ended("skipped", f"{why} Stripe, then offer the plan again", refs)


async def _close(client: StripeApp, links: Iterable[dict[str, Any]]) -> list[str]:
    """What was closed, a sentence each. A checkout that was begun there can still be paid: it attaches the plan."""
    closed = []
    for link in links:
        if link.get("active"):
            await client.update(LINKS, str(link["id"]), {"active": "false"})
            closed.append(f"{link['id']} is closed: another link takes its place")
    return closed


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
    elif present.value and not await _is_ours(context, wanted.account_id, present.value):
        return Result(
            Done(written=False), False, (f"{name} is {present.value}, which is none of Tandem's: it stays",), refs
        )
    else:
        await client.update_setting(name, wanted.url, OWNER, wanted.account_id)
    notes = (f"{name} was {present.value}",) if present and present.value else ()
    return Result(Done(written=True), True, notes, refs)


async def _is_ours(context: Context, account: str, url: str) -> bool:
    """Whether an address is that of a link that Tandem made for the account: any other one was written by a person. The
    newest is asked for first; the one that was just made is not there yet.
    """
    here = context.account("stripe")
    pairs = context.claims_of(OFFER.name).index.under(context.ref("togai", "account", account))
    own = [pair for pair in pairs if str(Ref.parse(pair.target).account) == here and pair.run != context.run.id]
    client: StripeApp = await context.client("stripe")
    for pair in sorted(own, key=lambda pair: pair.at, reverse=True):
        link = await client.retrieve(LINKS, context.id_of(pair.target))
        if is_address_of(url, str(link.get("url"))):
            return True
    return False


async def _create_setting(client: TogaiApp, name: str, wanted: PaymentLinkOf) -> None:
    try:
        await client.create_setting(name, wanted.url, OWNER, wanted.account_id)
    except Rejected as error:  # it stands by now: whose it is has to be seen first
        raise NotReady(f"{name} of {wanted.account_id} was written meanwhile: looking again", code="moved") from error
