"""Calls for the fields of a linked pair: reading both sides, and writing what a look decided on.

A write is announced before it is sent. Of a refused one the field that the vendor refused is left out and shown, the
rest is sent again. What a write replaces stands in the run.
"""

from __future__ import annotations

from collections.abc import Mapping as Dict
from dataclasses import dataclass, replace
from typing import Any

from shared.apps.stripe.models import StripeCustomer
from shared.apps.togai.models import TogaiAccount, TogaiCustomer
from shared.domains.customers.stripe import FieldWrite
from shared.errors import FlowLinkOff, NotFound, NotReady, RateLimited, Rejected
from shared.identity import Ref
from shared.linking.claims import now
from shared.linking.mappings import Mapping
from shared.linking.pairs import Known, Side, digest
from shared.runtime.actions import Context, Ended

from customer_sync.actions.vendors import stripe_of, togai_of
from customer_sync.fields import Decision, owner_of
from customer_sync.patches import carried, former_fields, former_params, stripe_params, togai_changes
from customer_sync.values import METADATA, STATUS, TOGAI_STATUS, PairSnapshot, Value, is_archived


@dataclass
class Look:
    """One look at a pair, and what was decided on it."""

    context: Context
    pair: Mapping
    side: Side
    known: Known
    seen: PairSnapshot
    decision: Decision

    def refuse(self, to: Side, name: str, error: Rejected) -> None:
        """Leave a field out, with the vendor's text."""
        owner = owner_of(name, self.pair, self.context.settings.field_owners)
        text = f"{to.title()} refused the value: {error.message}"
        self.decision.refuse(to, name, text, owner=owner, seen=self.seen, known=self.known)


async def gone(context: Context, pair: Mapping, customer: str) -> Ended:
    """Deletion travels as a mark: the account stays active, and no event makes the customer again."""
    await context.claims.mark_deleted(pair, f"{customer} was deleted in Stripe")
    return Ended("succeeded", f"{customer} was deleted in Stripe: the link is marked, the account stays", pair.refs)


async def stripe_customer(context: Context, pair: Mapping, customer_id: str) -> StripeCustomer:
    """The pair's customer. Raises Ended if it is gone."""
    try:
        found = await (await stripe_of(context)).retrieve_customer(customer_id)
    except NotFound:
        found = StripeCustomer(id=customer_id, deleted=True)
    if found.deleted:
        raise await gone(context, pair, customer_id)
    return found


async def togai_account(context: Context, pair: Mapping, account_id: str) -> tuple[TogaiAccount, TogaiCustomer]:
    """The pair's account and the customer above it. Raises Ended if the account is gone."""
    client = await togai_of(context)
    try:
        account = await client.account(account_id)
    except NotFound as error:
        await context.claims.mark_deleted(pair, f"Togai does not know account {account_id} any more")
        raise Ended("succeeded", f"Togai does not know account {account_id} any more", pair.refs) from error
    return account, await client.customer(account.customer_id)


async def read_pair(
    context: Context,
    pair: Mapping,
    *,
    togai: tuple[TogaiAccount, TogaiCustomer] | None = None,
    stripe: StripeCustomer | None = None,
) -> PairSnapshot:
    """Both sides: what is given is taken, the rest is asked for. Raises Ended if one is gone."""
    account_ref, customer_ref = sides(pair)
    stripe = stripe or await stripe_customer(context, pair, context.id_of(customer_ref))
    account, customer = togai or await togai_account(context, pair, context.id_of(account_ref))
    parent = context.ref("togai", "customer", account.customer_id)
    return PairSnapshot(
        account,
        customer,
        stripe,
        is_sole_account=len(context.claims.index.under(parent)) <= 1,
        is_created_here=pair.origin_app == "stripe",
    )


def sides(pair: Mapping) -> tuple[str, str]:
    """The refs of the account and of the customer."""
    account = next(ref for ref in pair.refs if Ref.parse(ref).app == "togai")
    return account, next(ref for ref in pair.refs if ref != account)


async def write(look: Look) -> list[FieldWrite]:
    """Announce, then send what was decided. `look.decision` is without the refused fields afterwards."""
    context, decision = look.context, look.decision
    if decision.overwrites and not context.registry.may_overwrite(context.link, now().timestamp()):
        context.pairs.check_overwrites(look.pair, context.link.id)
    sets = decision.write | {"togai": carried(decision, look.seen, context.settings.synced_metadata)}
    digests = {to: {name: digest(value) for name, value in values.items()} for to, values in sets.items()}
    overwrites = bool(decision.overwrites)
    await context.pairs.begin(look.pair, look.side, context.run.id, digests, look.known, overwrites=overwrites)
    try:
        return [*await _write_stripe(look), *await _write_togai(look)]
    except (RateLimited, Rejected, NotReady, FlowLinkOff):
        await context.pairs.withdraw(look.pair, look.side, context.run.id)
        raise


async def _write_stripe(look: Look) -> list[FieldWrite]:
    """An update is all or nothing at Stripe, which names the parameter that it refused."""
    values = look.decision.write["stripe"]
    while values:
        try:
            return [await _send_stripe(look, values)]
        except NotFound as error:
            raise await gone(look.context, look.pair, look.seen.stripe.id) from error
        except Rejected as error:
            refused = [name for name in values if _is_parameter(error.param, name)]
            if not refused and len(values) > 1:
                return await _one_by_one(look, "stripe", _send_stripe)
            for name in refused or list(values):
                look.refuse("stripe", name, error)
    return []


async def _send_stripe(look: Look, values: Dict[str, Value]) -> FieldWrite:
    params = stripe_params(values)
    await (await stripe_of(look.context)).update_customer(look.seen.stripe.id, params)
    ref = look.context.ref("stripe", "customer", look.seen.stripe.id)
    return FieldWrite(entity=ref, set=params, former=former_params(params, look.seen.stripe))


def _is_parameter(param: str, name: str) -> bool:
    """Whether the parameter that Stripe names belongs to a field: `address[country]`, `metadata[VATN]`."""
    root, _, rest = param.partition("[")
    if root != "metadata":
        return root == name
    key = rest.rstrip("]")
    if name != STATUS and not name.startswith(METADATA):
        return False
    return not key or key == (TOGAI_STATUS if name == STATUS else name.removeprefix(METADATA))


async def _write_togai(look: Look) -> list[FieldWrite]:
    """Togai names no field in its refusals: they are sent one by one after one."""
    values = look.decision.write["togai"]
    if not values:
        return []
    try:
        return await _send_togai(look, values)
    except Rejected:
        # Active again, it may have been archived for that moment only; a refusal for good comes again.
        return await _one_by_one(look, "togai", _send_togai)


async def _one_by_one(look: Look, to: Side, send: Any) -> list[FieldWrite]:
    made: list[FieldWrite] = []
    for name, value in list(look.decision.write[to].items()):
        try:
            sent = await send(look, {name: value})
        except NotFound:
            raise
        except Rejected as error:
            look.refuse(to, name, error)
            continue
        made += sent if isinstance(sent, list) else [sent]
        if to == "togai" and len(look.decision.write[to]) > 1:
            # Addresses and metadata are sent whole: the next one must carry what this one wrote.
            account, customer = await togai_account(look.context, look.pair, look.seen.account.id)
            look.seen = replace(look.seen, account=account, customer=customer)
    return made


async def _send_togai(look: Look, values: Dict[str, Value]) -> list[FieldWrite]:
    """Raises NotReady if the account was archived since it was looked at: Togai refuses, the next look knows why."""
    context, seen = look.context, look.seen
    client = await togai_of(context)
    account, customer = togai_changes(values, seen)
    made: list[FieldWrite] = []
    try:
        if customer:
            await client.update_customer(seen.customer.id, customer)
            ref = context.ref("togai", "customer", seen.customer.id)
            made.append(FieldWrite(entity=ref, set=customer, former=former_fields(customer, seen.customer)))
        if account:
            await client.update_account(seen.account.id, account)
            ref = context.ref("togai", "account", seen.account.id)
            made.append(FieldWrite(entity=ref, set=account, former=former_fields(account, seen.account)))
    except Rejected as error:
        now_account, now_customer = await togai_account(context, look.pair, seen.account.id)
        if not is_archived(replace(seen, account=now_account, customer=now_customer)):
            raise
        raise NotReady(f"{seen.account.id} was archived meanwhile: looking again", code="archived") from error
    return made


def said(made: FieldWrite) -> str:
    """What a write replaced, in words."""
    former = {name: value for name, value in made.former.items() if value not in ("", None, {})}
    return f"{made.entity}: wrote {', '.join(made.set)}" + (f"; there was {former}" if former else "")
