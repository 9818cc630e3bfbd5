"""The checkout session of an offer, for an account that has a Stripe customer; and what is closed once one is paid."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from shared.apps.stripe.client import StripeApp
from shared.connections import portal_keys
from shared.domains.customers import CUSTOMER
from shared.domains.plans import CHECKOUT, OFFER
from shared.domains.plans.sessions import SessionMade, SessionRequest
from shared.domains.plans.stripe import CLOSED_FOR, ORGANIZATION, PAID, PLAN, ClosedLink, WaysClosed
from shared.domains.plans.togai import offer_id
from shared.errors import NotFound, NotReady, Rejected
from shared.identity import Ref
from shared.linking.mappings import Mapping
from shared.runtime.actions import Context, Ended, Result
from shared.runtime.creating import Creation
from shared.runtime.creating import create as made_under
from shared.sealed_texts import CHECKOUT_SECRETS, TextSeal

from plan_sync.actions.payment_links import LINKS, SESSIONS, check_failed, sold_by
from plan_sync.actions.schedules import replaces
from plan_sync.decide import session_body


class _Session(Creation[dict[str, Any]]):
    """Found again by its customer and metadata; one that is linked already is an earlier one."""

    def __init__(self, context: Context, client: StripeApp, wanted: dict[str, Any]) -> None:
        self._index = context.claims_of(CHECKOUT.name).index
        self._context = context
        self._client = client
        self._wanted = wanted

    async def send(self, body: dict[str, Any], key: str) -> dict[str, Any]:
        return await self._client.create(SESSIONS, body, key)

    async def find(self, since: int) -> dict[str, Any] | None:
        own = {"customer": self._wanted["customer"], "status": "open", "created[gte]": since}
        async for session in self._client.listed(SESSIONS, own):
            linked = self._index.holders_of(self._context.ref("stripe", "checkout.session", str(session["id"])))
            same = session.get("metadata") == self._wanted["metadata"] and not session.get("payment_link")
            if same and session.get("ui_mode") == self._wanted["ui_mode"] and not linked:
                return session
        return None


async def create(context: Context, wanted: SessionRequest) -> Result:
    """Make the session of an offer, or find the open one. An expired one, one of another link or customer, and one
    whose payment failed are replaced. Raises Ended where there is nothing to pay, or no customer to pay as.
    """
    if wanted.flow_link not in ("", context.link.id):
        raise Ended("skipped", f"flow link {wanted.flow_link} was asked to do it")
    client: StripeApp = await context.client("stripe")
    base = context.ref("togai", "offer", offer_id(wanted.plan_id, wanted.account_id))
    customer, link = _customer_of(context, wanted.account_id, base), await _open_link(context, client, base)
    pairs = _pairs(context, CHECKOUT.name, base)
    notes: list[str] = []
    if pairs:
        session = await client.retrieve(SESSIONS, context.id_of(pairs[-1].target))
        if session.get("status") == "complete" and sold_by(pairs[-1]) == link["id"]:
            what = f"session {session['id']}"
            await check_failed(client, session, what, (base, pairs[-1].target))
        elif session.get("status") == "open":
            if (sold_by(pairs[-1]), session.get("customer")) == (link["id"], customer):
                return Result(_made(context, wanted, session, link), False, ("open already",), pairs[-1].refs)
            await _expire(client, str(session["id"]))
            notes.append(f"{session['id']} has expired: another session takes its place")
    items = [item async for item in client.listed(f"{LINKS}/{link['id']}/line_items", {})]
    body = session_body(link, items, customer, wanted.account_id, wanted.return_url)
    claims, account = context.claims_of(CHECKOUT.name), context.account("stripe")
    number = str(len(pairs))
    source = context.ref("togai", "offer", offer_id(wanted.plan_id, wanted.account_id, str(link["id"]), number))
    held = await claims.claim(
        source, action="stripe.checkout_session.create", app_account=account, body=body, run=context.run.id
    )
    if held.state != "claimed":
        raise NotReady(f"run {held.run} has just made a session for {base}: looking again", code="moved")
    session, how = await made_under(claims, held, account, _Session(context, client, body))
    ref, own = context.ref("stripe", "checkout.session", str(session["id"])), _refs(context, wanted, base)
    await claims.link(held, ref, "created", also=own)
    return Result(_made(context, wanted, session, link), True, (how, *notes), (ref, *own))


def _refs(context: Context, wanted: SessionRequest, base: str) -> tuple[str, ...]:
    plan = context.ref("togai", "price_plan", wanted.plan_id)
    return base, plan, context.ref("togai", "account", wanted.account_id)


def _customer_of(context: Context, account: str, base: str) -> str:
    """The primary Stripe customer. Raises Ended for an account without one: it pays by the link."""
    pair = context.claims_of(CUSTOMER.name).index.pair(context.ref("togai", "account", account))
    if pair is None or pair.state != "linked":
        why = f"account {account} has no Stripe customer: it pays by the payment link, which makes one where needed"
        raise Ended("skipped", why, (base,))
    return context.id_of(next(ref for ref in pair.refs if ref.startswith("stripe:")))


async def _open_link(context: Context, client: StripeApp, base: str) -> dict[str, Any]:
    """The payment link that sells the offer: the session asks for the same. Raises Ended where none is open."""
    pairs = _pairs(context, OFFER.name, base)
    if not pairs:
        raise Ended("skipped", "no payment link was made for it: offer the plan to the account first", (base,))
    link = await client.retrieve(LINKS, context.id_of(pairs[-1].target))
    if not link.get("active"):
        why = f"its payment link {link['id']} is closed: it was paid, or a person closed it"
        raise Ended("skipped", why, (base, pairs[-1].target))
    return link


def _pairs(context: Context, relation: str, base: str) -> list[Mapping]:
    """What was made for an offer, the newest last."""
    return sorted(context.claims_of(relation).index.under(base), key=lambda pair: pair.at)


def _made(context: Context, wanted: SessionRequest, session: dict[str, Any], link: dict[str, Any]) -> SessionMade:
    seal = TextSeal(portal_keys(context.settings), CHECKOUT_SECRETS)
    return SessionMade(
        plan_id=wanted.plan_id,
        account_id=wanted.account_id,
        flow_link=wanted.flow_link,
        session_id=str(session["id"]),
        customer_id=str(session["customer"]),
        payment_link=str(link["id"]),
        expires_at=int(session["expires_at"]),
        sealed=seal.seal(str(session["client_secret"])),
    )


async def _expire(client: StripeApp, session: str) -> bool:
    """Whether it was open: one that was completed meanwhile is no fault, its own event tells of it."""
    try:
        await client.act(SESSIONS, session, "expire", {})
    except Rejected:
        return False
    return True


async def close_others(context: Context, closed: ClosedLink) -> Result:
    """What was paid, or whose payment is on its way, is paid by nothing else: every link of ours for the same offer
    closes, and every open session. Once it is paid, so do those of the account's other offers, unless the flow link
    replaces: nobody could attach their plans. A link that a person made is theirs.
    """
    if closed.organization not in ("", context.account("togai")):
        return Result(WaysClosed(written=False), False, (f"it is an offer of {closed.organization}",))
    refs = (context.ref("stripe", "payment_link", closed.payment_link),) if closed.payment_link else ()
    index = context.claims_of(OFFER.name).index
    held = index.holders_of(refs[0]) if refs else []
    own = {ref for pair in held for ref in pair.also if Ref.parse(ref).noun == "offer"}
    of_account: set[str] = set()
    if closed.plan_id and closed.account_id:
        own.add(context.ref("togai", "offer", offer_id(closed.plan_id, closed.account_id)))
        if closed.payment_status in PAID and not replaces(context):
            of_account.add(context.ref("togai", "account", closed.account_id))
    notes = [] if held or not refs else ["the link is none of Tandem's: it stays open"]
    same = {closed.payment_link} if held else set()
    same |= {Ref.parse(pair.target).id for pair in _made_under(context, OFFER.name, own)}
    pairs = {Ref.parse(pair.target).id: pair for pair in _made_under(context, OFFER.name, own | of_account)}
    if not same | pairs.keys():
        return Result(WaysClosed(written=False), False, (*notes, "no link of Tandem's sells the same"), refs)
    client: StripeApp = await context.client("stripe")
    done: list[str] = []
    for link in sorted(same | pairs.keys()):
        bought = "" if link in same else closed.plan_id
        changed, said = await close_link(client, link, "the same was paid", paid=closed.session_id, bought=bought)
        done += [link] if changed else []
        notes += said
    async for session in _open_sessions(context, client, own | of_account, closed.session_id):
        if await _expire(client, session):
            done.append(session)
            notes.append(f"{session} has expired: the same was paid, or another plan of the account")
    changed_pairs = [pair for link, pair in pairs.items() if link in done]
    others = tuple(ref for pair in changed_pairs for ref in pair.also if Ref.parse(ref).noun == "offer")
    return Result(WaysClosed(written=bool(done), closed=done), bool(done), tuple(notes), (*refs, *sorted(own), *others))


def _made_under(context: Context, relation: str, parents: set[str]) -> list[Mapping]:
    """What was made at the flow link's Stripe account for offers, or for all offers of an account; the newest last."""
    here = context.account("stripe")
    pairs = [pair for parent in sorted(parents) for pair in _pairs(context, relation, parent)]
    return [pair for pair in pairs if str(Ref.parse(pair.target).account) == here]


async def close_link(
    client: StripeApp, link: str, why: str, *, paid: str = "", bought: str = ""
) -> tuple[bool, list[str]]:
    """Whether it was open, and what to say. A visit of it that was begun, but for the one that `paid`, could still be
    paid: it expires. `bought` is another plan for which it closes; empty for its own.
    """
    try:
        if not (await client.retrieve(LINKS, link)).get("active"):
            return False, [f"{link} is closed already"]
    except NotFound:
        return False, [f"Stripe does not know the link {link}"]
    await client.update(LINKS, link, {"active": "false"} | ({f"metadata[{CLOSED_FOR}]": bought} if bought else {}))
    notes = [f"{link} is closed: the account bought {bought}"] if bought else []
    async for session in client.listed(SESSIONS, {"payment_link": link, "status": "open"}):
        if session["id"] != paid and await _expire(client, str(session["id"])):
            notes.append(f"{session['id']} has expired: {why}")
    return True, notes


async def _open_sessions(context: Context, client: StripeApp, parents: set[str], paid: str) -> AsyncIterator[str]:
    for session in {Ref.parse(pair.target).id: None for pair in _made_under(context, CHECKOUT.name, parents)}:
        if session != paid and (await client.retrieve(SESSIONS, session)).get("status") == "open":
            yield session


async def expire_of_plan(context: Context, client: StripeApp, plan: str) -> list[str]:
    """The open sessions of ours that sell a plan, which is sold no more."""
    expired, index = [], context.claims_of(CHECKOUT.name).index
    async for session in client.listed(SESSIONS, {"status": "open"}):
        metadata = session.get("metadata") or {}
        of_plan = (metadata.get(PLAN), metadata.get(ORGANIZATION)) == (plan, context.account("togai"))
        ours = index.holders_of(context.ref("stripe", "checkout.session", str(session["id"])))
        if of_plan and ours and await _expire(client, str(session["id"])):
            expired.append(str(session["id"]))
    return expired
