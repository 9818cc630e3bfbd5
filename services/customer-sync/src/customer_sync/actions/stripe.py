"""Customers at Stripe: made for a Togai account under a claim, with their Togai ids written into them."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping as Dict
from typing import Any

import msgspec
from shared.apps.stripe.client import StripeApp
from shared.apps.stripe.models import TOGAI_ACCOUNT_ID, StripeCustomer
from shared.domains.customers.stripe import CustomerMade, NewStripeCustomer, TogaiIds, Written
from shared.errors import (
    Conflict,
    NotFound,
    NotReady,
    Rejected,
    SyncError,
    Waiting,
)
from shared.identity import LONGEST_ID, Ref, is_id
from shared.linking.claims import Match
from shared.linking.fields import Value
from shared.linking.mappings import Mapping, Rule
from shared.runtime.actions import Context, Ended, Result
from shared.runtime.creating import Creation, create, since
from shared.setting_values import METADATA_KEYS_LIMIT

from customer_sync.actions.email_matching import LinkCandidate, match_of, other_side
from customer_sync.actions.indexed import await_poll
from customer_sync.actions.named_by import named_by
from customer_sync.actions.pairs import (
    check_named_account,
    end_if_linked_elsewhere,
    end_if_made_elsewhere,
    end_if_of_others,
    end_if_unlinked,
    free_for_a_person,
    leave_if_nothing_was_made,
    refused,
)
from customer_sync.content import stripe_content
from customer_sync.decide import TOGAI_CUSTOMER_ID, stripe_customer
from customer_sync.fields import created_equal, is_same, settles_all
from customer_sync.values import ARCHIVED, METADATA, STATUS

ACTION = "stripe.customer.create"


async def create_customer(context: Context, new: NewStripeCustomer) -> Result:
    """Make the Stripe customer of a Togai account, or find or link the one that is there."""
    async with free_for_a_person(context, context.ref("togai", "account", new.togai_account_id)):
        return await _find_or_make(context, new)


async def _find_or_make(context: Context, new: NewStripeCustomer) -> Result:
    account_ref = context.ref("togai", "account", new.togai_account_id)
    customer_ref = context.ref("togai", "customer", new.togai_customer_id)
    if pair := context.claims.index.pair(account_ref):
        return _known(context, pair, account_ref)
    named = context.ref("stripe", "customer", new.stripe_customer_id) if new.stripe_customer_id else ""
    end_if_unlinked(context, account_ref, named)
    if new.status == ARCHIVED and not context.claims.index.open_claim(account_ref):
        raise Ended("skipped", f"account {new.togai_account_id} is archived in Togai: nothing is made for it")
    await await_poll(context, account_ref)
    match = match_of(context, new.email)
    another = await _another_was_made(context, new)
    if named and not another:
        why = f"the Settings of account {new.togai_account_id} name {new.stripe_customer_id}"
        return await _link(context, new, named, "setting", why, match)
    if customer := await _named_by(context, new.togai_account_id):
        why = f"the metadata of {context.id_of(customer)} name account {new.togai_account_id}"
        return await _link(context, new, customer, "metadata", why, match)
    candidate = LinkCandidate(account_ref, new.email, "stripe", match, customer_ref)
    if found := await _matched_by_email(context, candidate):
        what = f"{Ref.parse(found).id} is the only unlinked customer with the address {new.email}"
        return await _link(context, new, found, "email", what, match)
    return await _make(context, new, another, match)


async def _make(context: Context, new: NewStripeCustomer, another: StripeCustomer | None, match: Match) -> Result:
    """Create it under a claim, or resume the one that was begun."""
    account_ref = context.ref("togai", "account", new.togai_account_id)
    customer_ref = context.ref("togai", "customer", new.togai_customer_id)
    params, notes = stripe_customer(new)
    held = await context.claims.claim(
        account_ref,
        action=ACTION,
        app_account=context.account("stripe"),
        body=params,
        run=context.run.id,
        match=match,
    )
    if held.state != "claimed":
        return _known(context, held, account_ref)
    if held.target:
        return await _link(context, new, held.target, "manual", f"run {held.run} began this link", match)
    made, how = (another, "found by list (a person named another)") if another else await _create(context, held, new)
    stripe_ref = context.ref("stripe", "customer", made.id)
    settings, sent = context.settings, _sent(held)
    equal = created_equal(held, settings.field_owners, _values(sent, settings.synced_metadata))
    shown = {"stripe": stripe_content(StripeCustomer.model_validate({"id": made.id, **sent}), settings)}
    if sent == params and new.content and settles_all(equal, settings.synced_metadata):
        # Who goes on with a claim that another run began may know more of the account than was sent.
        shown["togai"] = new.content
    await context.pairs.created(msgspec.structs.replace(held, target=stripe_ref), "togai", equal, shown)
    await context.claims.link(held, stripe_ref, "created", also=(customer_ref,))
    return _made(made.id, True, (*notes, how), account_ref, stripe_ref, customer_ref)


async def _another_was_made(context: Context, new: NewStripeCustomer) -> StripeCustomer | None:
    """The customer that was made for the account before a person named another one. It is linked, for nobody would find
    it otherwise, and who then writes its id meets the person's: a conflict.
    """
    held = context.claims.index.open_claim(context.ref("togai", "account", new.togai_account_id))
    if not new.stripe_customer_id or held is None or not held.is_create:
        return None
    made = await _Customer(context, await context.client("stripe"), new.togai_account_id).find(since(held))
    return made if made and made.id != new.stripe_customer_id else None


async def _named_by(context: Context, account: str) -> str:
    """The ref of the customer whose metadata name the account; empty for none."""

    async def names(customer: str) -> bool:
        client: StripeApp = await context.client("stripe")
        try:
            found = await client.retrieve_customer(customer)
        except NotFound:
            return False
        return not found.deleted and found.metadata.get(TOGAI_ACCOUNT_ID) == account

    return await named_by(context, context.ref("togai", "account", account), "stripe", names)


async def _matched_by_email(context: Context, candidate: LinkCandidate) -> str:
    """Whom the e-mail rule links, unless the create was begun already."""
    if held := context.claims.index.open_claim(candidate.ref):
        return held.target
    return await other_side(context, candidate)


def _sent(held: Mapping) -> Dict[str, Any]:
    # Whoever resumes a claim sends its body, whatever the customer looks like by now.
    assert held.claim
    return held.claim.body


def _values(params: Dict[str, Any], synced_metadata: Iterable[str]) -> dict[str, Value]:
    """The fields of a create as they are compared."""
    chosen = {f"{METADATA}{key}": params["metadata"].get(key, "") for key in synced_metadata}
    plain: dict[str, Value] = {name: params.get(name, "") for name in ("name", "email", "phone")}
    return plain | {"address": params.get("address", {}), STATUS: ""} | chosen


def _known(context: Context, pair: Mapping, account_ref: str) -> Result:
    end_if_of_others(context, pair)
    end_if_made_elsewhere(context, pair, account_ref)
    other = next(ref for ref in pair.refs if ref != account_ref)
    output = CustomerMade(customer_id=Ref.parse(other).id, created=pair.is_made)
    return Result(output, pair.run == context.run.id, (f"linked already ({pair.id})",), pair.refs)


def _made(customer: str, created: bool, notes: tuple[str, ...], *refs: str) -> Result:
    return Result(CustomerMade(customer_id=customer, created=created), True, notes, refs)


class _Customer(Creation[StripeCustomer]):
    """Found again by the account that its metadata name."""

    def __init__(self, context: Context, client: StripeApp, account_id: str) -> None:
        self._context = context
        self._client = client
        self._account = account_id

    async def send(self, body: dict[str, Any], key: str) -> StripeCustomer:
        return await self._client.create_customer(body, key)

    async def find(self, since: int) -> StripeCustomer | None:
        async for customer in self._client.customers_since(since):
            if customer.metadata.get(TOGAI_ACCOUNT_ID) == self._account and not self.is_taken(customer.id):
                return customer
        return None

    def is_taken(self, customer: str) -> bool:
        """Whether a customer is another account's, or was this one's until a person took the link back."""
        index, ref = self._context.claims.index, self._context.ref("stripe", "customer", customer)
        account = self._context.ref("togai", "account", self._account)
        pair = index.pair(ref)
        was_unlinked = any(ref in decided.refs for decided in index.unlinked(account))
        return was_unlinked or bool(pair and account not in pair.refs)

    def refused(self, error: Rejected) -> SyncError:
        return refused(error, f"account {self._account} in Togai")

    async def left_off(self, held: Mapping) -> None:
        await leave_if_nothing_was_made(self._context, held)


async def _create(context: Context, held: Mapping, new: NewStripeCustomer) -> tuple[StripeCustomer, str]:
    """Call Stripe under the claim, or find what was made. Raises NotReady where Stripe answers with what an earlier
    create of this account's made, which is the account's no more: the next attempt has another key.
    """
    creation = _Customer(context, await context.client("stripe"), new.togai_account_id)
    made, how = await create(context.claims, held, context.account("stripe"), creation)
    if creation.is_taken(made.id):
        await context.claims.next_attempt(held, context.account("stripe"))
        raise NotReady(f"Stripe answered with {made.id}, which was made before: trying again", code="next_attempt")
    return made, how


def _belongs(context: Context, stripe_ref: str, named: str) -> str:
    """What speaks against linking a customer whose metadata name another account, and what a person can do."""
    pair, other = context.claims.index.pair(stripe_ref), Ref.parse(named).id
    if pair is None:
        return f"whose metadata name account {other}: choose, or correct one of the two"
    account = next((Ref.parse(ref).id for ref in pair.refs if ref != stripe_ref), other)
    return (
        f"which is linked to account {account}: `tandem mappings relink {pair.id}` takes it from there, or correct the "
        "Settings"
    )


async def _link(
    context: Context, new: NewStripeCustomer, stripe_ref: str, rule: Rule, why: str, match: Match
) -> Result:
    """Link a Stripe customer that is there, make none."""
    account_ref = context.ref("togai", "account", new.togai_account_id)
    customer_ref = context.ref("togai", "customer", new.togai_customer_id)
    client: StripeApp = await context.client("stripe")
    customer_id = context.id_of(stripe_ref)
    if not is_id(customer_id):
        raise Conflict(f"{why[:LONGEST_ID]}, which can be no id of a Stripe customer: correct or clear the setting")
    try:
        customer = await client.retrieve_customer(customer_id)
    except NotFound as error:
        raise Conflict(f"{why}, which Stripe does not know: correct or clear the setting") from error
    other = customer.metadata.get(TOGAI_ACCOUNT_ID)
    if other and other != new.togai_account_id:
        named = context.ref("togai", "account", other)
        raise Conflict(f"{why}, {_belongs(context, stripe_ref, named)}", candidates=(account_ref, stripe_ref, named))
    held = await context.claims.claim(
        account_ref,
        action=ACTION,
        app_account=context.account("stripe"),
        body={},
        run=context.run.id,
        target=stripe_ref,
        match=match,
    )
    if held.state != "claimed":
        return _known(context, held, account_ref)
    ids = TogaiIds(
        customer_id=customer.id, togai_customer_id=new.togai_customer_id, togai_account_id=new.togai_account_id
    )
    # Before the link: whoever dies in between is followed by one that finds a claim and writes them, not a link.
    gone = customer.deleted or not await _write_ids(client, customer, ids)
    pair = await context.claims.link(held, stripe_ref, rule, also=(customer_ref,))
    if gone:
        await context.claims.mark_deleted(pair, f"{customer.id} was deleted in Stripe")
        raise Ended("in_sync", f"{why}, which was deleted in Stripe", pair.refs)
    return _made(customer.id, False, (f"{why}: linked",), account_ref, stripe_ref, customer_ref)


async def write_togai_ids(context: Context, ids: TogaiIds) -> Result:
    """Write the Togai ids to the customer's metadata. A customer that is gone by now makes the pair a deleted one.

    An event that is handled once more may have written them the first time: nobody writes twice what is there.
    """
    client: StripeApp = await context.client("stripe")
    ref = context.ref("stripe", "customer", ids.customer_id)
    end_if_linked_elsewhere(context, ref, context.ref("togai", "account", ids.togai_account_id))
    then, shown, refs = ids.customer, ids.customer, (ref,)
    try:
        if not context.shows_present:
            then = context.just_read.get(ref) or then
            shown = context.just_read.get(ref) or await client.retrieve_customer(ids.customer_id)
            context.just_read[ref] = shown
            check_named_account(shown, ids.togai_account_id)
            if _shows(shown, ids):
                return Result(Written(written=False, unchanged=_unchanged(context, then, shown)), False, (), refs)
        present = await _update_ids(client, ids, shown)
    except NotFound as error:
        pair = context.claims.index.pair(ref)
        if pair and pair.state == "linked":
            await context.claims.mark_deleted(pair, f"{ids.customer_id} was deleted in Stripe")
        raise Ended("in_sync", f"{ids.customer_id} was deleted in Stripe meanwhile", refs) from error
    return Result(Written(written=True, unchanged=_unchanged(context, then, present)), True, (), refs)


def _unchanged(context: Context, then: StripeCustomer | None, present: StripeCustomer) -> bool:
    """Whether the customer looks as it did when its account was made of it."""
    return then is not None and is_same(then, present, context.settings.synced_metadata)


async def _update_ids(client: StripeApp, ids: TogaiIds, present: StripeCustomer | None) -> StripeCustomer:
    """Raises Waiting where Stripe would refuse it: only a change of the customer mends that."""
    keys = {*(present.metadata if present else ()), *_metadata(ids)}
    if len(keys) > METADATA_KEYS_LIMIT:
        raise Waiting(
            f"{ids.customer_id} has {len(keys) - len(_metadata(ids))} other metadata keys, and Tandem adds "
            f"{' and '.join(_metadata(ids))}: Stripe takes {METADATA_KEYS_LIMIT}. Remove "
            f"{len(keys) - METADATA_KEYS_LIMIT} of them in Stripe, the run goes on by itself",
            code="too_many_keys",
        )
    try:
        return await client.update_customer(ids.customer_id, {"metadata": _metadata(ids)})
    except NotFound:
        raise
    except Rejected as error:
        raise refused(error, f"{ids.customer_id} in Stripe") from error


async def _write_ids(client: StripeApp, customer: StripeCustomer, ids: TogaiIds) -> bool:
    """Whether the customer has its ids now: not if it was deleted meanwhile."""
    if not _shows(customer, ids):
        try:
            await _update_ids(client, ids, customer)
        except NotFound:
            return False
    return True


def _shows(customer: StripeCustomer, ids: TogaiIds) -> bool:
    return all(customer.metadata.get(name) == value for name, value in _metadata(ids).items())


def _metadata(ids: TogaiIds) -> dict[str, str]:
    return {TOGAI_CUSTOMER_ID: ids.togai_customer_id, TOGAI_ACCOUNT_ID: ids.togai_account_id}
