"""Customers and accounts at Togai: read, made for a Stripe customer under a claim, or linked."""

from __future__ import annotations

from typing import Any

from shared.apps.stripe.client import StripeApp
from shared.apps.stripe.models import TOGAI_ACCOUNT_ID, TOGAI_INVOICE_GROUP, StripeCustomer
from shared.apps.togai.client import TogaiApp
from shared.apps.togai.models import NewCustomer, TogaiAccount
from shared.domains.customers.togai import AccountId, CustomerAndAccount, NewTogaiCustomer
from shared.errors import Conflict, NotFound, NotReady, Rejected, SyncError
from shared.identity import LONGEST_ID, Ref, is_id, is_own_key
from shared.linking.claims import Match
from shared.linking.dry_run import is_dry
from shared.linking.fields import Value
from shared.linking.mappings import Mapping, Rule
from shared.linking.pairs import Side
from shared.runtime.actions import Context, Ended, Result
from shared.runtime.creating import Creation, create

from customer_sync.actions.email_matching import LinkCandidate, match_of, other_side
from customer_sync.actions.indexed import await_poll
from customer_sync.actions.named_by import named_by
from customer_sync.actions.pairs import (
    check_named_account,
    end_if_made_elsewhere,
    end_if_of_others,
    end_if_unlinked,
    free_for_a_person,
    is_unlinked,
    leave_if_nothing_was_made,
    refused,
)
from customer_sync.actions.payers import end_if_further, named_by_checkout
from customer_sync.actions.togai_body import body_of
from customer_sync.actions.togai_settings import ACCOUNT, names_customer, put_setting
from customer_sync.content import created_content, stripe_content, togai_content
from customer_sync.decide import (
    TOGAI_CUSTOMER_ID,
    account_facts,
    left_out,
    phone_of,
    stripe_address,
)
from customer_sync.fields import created_equal, settles_all
from customer_sync.values import METADATA

ACTION = "togai.customer.create"
ALREADY_THERE = (400, 409)
"""What Togai answers for a taken id is not documented: these may say so, and a read tells."""
MADE = "made"
WHY: dict[Rule, str] = {
    "metadata": "the metadata of the customer, or of its checkout, name it",
    "setting": "its Settings name the customer",
    "email": "nobody else has this address",
}


async def read_account(context: Context, wanted: AccountId) -> Result:
    """Fetch before acting: the account, its customer (whose name it is), and the Stripe customer that it names."""
    pair = context.claims.index.pair(ref := context.ref("togai", "account", wanted.account_id))
    polled = context.run.origin == "poll" and context.run.attempts == 1  # a change since is an event of its own
    if wanted.unlinked and (context.shows_present or polled) and pair and pair.run != context.run.id:
        # A webhook and a poll tell of the same account. The run that links it writes both ids, and tries until it has.
        end_if_of_others(context, pair)
        raise Ended("in_sync", f"linked already by run {pair.run} ({pair.id})", pair.refs)
    client: TogaiApp = await context.client("togai")
    with context.ends_if_unknown(ref):
        account = await client.account(wanted.account_id)
    customer = await client.customer(account.customer_id)
    setting = await client.setting(context.settings.stripe_customer_setting, ACCOUNT, account.id)
    content = togai_content(account, customer, context.settings)
    facts = account_facts(account, customer, setting.value if setting else None, context.settings.synced_metadata)
    facts = facts.model_copy(update={"content": content})
    refs = (ref, context.ref("togai", "customer", account.customer_id))
    return Result(facts, False, (), refs)


async def create_customer(context: Context, new: NewTogaiCustomer) -> Result:
    """Make the Togai customer and account of a Stripe customer, or find or link what is there."""
    async with free_for_a_person(context, context.ref("stripe", "customer", new.customer.id)):
        return await _find_or_make(context, new)


async def _find_or_make(context: Context, new: NewTogaiCustomer) -> Result:
    stripe_ref = context.ref("stripe", "customer", new.customer.id)
    if pair := context.claims.index.pair(stripe_ref):
        return _known(context, pair, stripe_ref)
    await await_poll(context, stripe_ref)
    customer = new.customer
    if not context.shows_present or context.claims.index.open_claim(stripe_ref) or is_unlinked(context, stripe_ref):
        customer = await _present(context, customer)
    if customer.deleted:
        raise await _deleted(context, customer, stripe_ref)
    if group := customer.metadata.get(TOGAI_INVOICE_GROUP):
        raise Ended("skipped", f"it pays for invoice group {group} of Togai, which has no account", (stripe_ref,))
    match = match_of(context, customer.email)
    named = customer.metadata.get(TOGAI_ACCOUNT_ID)
    end_if_unlinked(context, stripe_ref, context.ref("togai", "account", named) if named else "")
    if named and not await _another_was_made(context, customer):
        _check_free(context, new, stripe_ref, context.ref("togai", "account", named))
        return await _link(context, customer, named, "metadata", match)
    if not named and not context.claims.index.open_claim(stripe_ref):
        await end_if_further(context, stripe_ref, "")
        if paid_for := await named_by_checkout(context, customer):
            await end_if_further(context, stripe_ref, paid_for)
            return await _link(context, customer, paid_for, "metadata", match)
    body, notes = body_of(context, customer)
    if account := await _named_by(context, stripe_ref):
        return await _link(context, customer, account, "setting", match)
    candidate = LinkCandidate(stripe_ref, customer.email, "togai", match)
    if found := await _matched_by_email(context, candidate, context.ref("togai", "account", body.account.id)):
        return await _link(context, customer, context.id_of(found), "email", match)
    return await _make(context, customer, body, notes, match)


async def _make(
    context: Context, customer: StripeCustomer, body: NewCustomer, notes: tuple[str, ...], match: Match
) -> Result:
    """Create both under a claim, or resume the one that was begun."""
    stripe_ref = context.ref("stripe", "customer", customer.id)
    account_ref = context.ref("togai", "account", body.account.id)
    if _may_be_taken(context, stripe_ref, account_ref):
        await _check_id_is_free(context, stripe_ref, account_ref)
    held = await context.claims.claim(
        stripe_ref,
        action=ACTION,
        app_account=context.account("togai"),
        body=body.body(),
        run=context.run.id,
        target=account_ref,
        match=match,
    )
    if held.state != "claimed":
        return _known(context, held, stripe_ref)
    if held.target != account_ref:
        return await _link(context, customer, context.id_of(held.target), "email", match)
    creation = _Account(context, await context.client("togai"), customer, held)
    how, _ = await create(context.claims, held, context.account("togai"), creation)
    customer_ref = context.ref("togai", "customer", body.id)
    settings, sent = context.settings, _sent(held)
    equal = created_equal(held, settings.field_owners, _values(context, held))
    shown: dict[Side, str] = {}
    # What an address had to leave out the next comparison shows.
    if not left_out(customer) and settles_all(equal, settings.synced_metadata):
        shown["togai"] = created_content(sent, settings)
        if sent == body:  # whoever goes on with a claim that another run began may know a later customer
            ids = {TOGAI_CUSTOMER_ID: body.id, TOGAI_ACCOUNT_ID: body.account.id}
            named = customer.model_copy(update={"metadata": customer.metadata | ids})
            shown["stripe"] = stripe_content(named, settings)
    await context.pairs.created(held, "stripe", equal, shown)
    await context.claims.link(held, account_ref, "created" if how == MADE else "natural-id", also=(customer_ref,))
    check_named_account(customer, body.account.id)
    return _made(body.id, body.account.id, True, (*notes, how), stripe_ref, account_ref, customer_ref)


class _Account(Creation[str]):
    """The account under the id that is derived from its customer's, with the Togai customer above it: how it came to be
    there, in words. That id is never spent, so a claim of any age is sent again as it is.
    """

    key_expires = False

    def __init__(self, context: Context, client: TogaiApp, customer: StripeCustomer, held: Mapping) -> None:
        self._context = context
        self._client = client
        self._customer = customer
        self._held = held
        self._account = context.id_of(held.target)

    async def send(self, body: dict[str, Any], key: str) -> str:
        await self._client.create_customer(body)
        return MADE

    async def find(self, since: int) -> str | None:
        # Asked for only where the flow link is off, since no key of this create expires.
        return "found under its id (its flow link is off)" if await self.is_named() else None

    async def is_named(self) -> bool:
        """Whether the account stands, and its Settings name the customer."""
        return await names_customer(self._context, self._client, self._account, self._customer.id)

    async def taken(self, error: Rejected) -> str | None:
        """The account that an earlier try made. Raises Conflict for somebody else's."""
        if error.status not in ALREADY_THERE:
            return None
        try:
            there = await _check_id_is_free(self._context, self._held.source, self._held.target)
        except Conflict as conflict:
            await self._context.claims.withdraw(self._held, f"account {self._account} is somebody else's")
            raise conflict from error
        return "found under its id, from an earlier try" if there else None

    def refused(self, error: Rejected) -> SyncError:
        return refused(error, f"{self._customer.id} in Stripe")

    async def left_off(self, held: Mapping) -> None:
        await leave_if_nothing_was_made(self._context, held)


def _may_be_taken(context: Context, stripe_ref: str, account_ref: str) -> bool:
    """Whether somebody may stand under the id that nothing was claimed for yet. The index costs no call; where nobody
    fills it the create itself tells, which a dry run does not make.
    """
    if context.claims.index.open_claim(stripe_ref):
        return False
    return context.registry.index.get(account_ref) is not None or (is_dry.get() and not context.settings.polling)


async def _check_id_is_free(context: Context, stripe_ref: str, account_ref: str) -> bool:
    """Whether an account stands under the id that a customer's would get and names it. Raises Conflict if it does not:
    it is somebody else's.
    """
    client: TogaiApp = await context.client("togai")
    account, customer = context.id_of(account_ref), context.id_of(stripe_ref)
    try:
        await client.account(account)
    except NotFound:
        return False
    if await names_customer(context, client, account, customer):
        return True
    raise Conflict(
        f"Togai has an account {account} that does not name {customer} in its Settings: set "
        f"{context.settings.stripe_customer_setting} there to link them",
        code="id_taken",
        candidates=(stripe_ref, account_ref),
    )


async def _another_was_made(context: Context, customer: StripeCustomer) -> bool:
    """Whether an account was made for the customer before a person named another one. It is linked, for nobody would
    find it otherwise, and shown as a conflict.
    """
    held = context.claims.index.open_claim(context.ref("stripe", "customer", customer.id))
    if held is None or not held.is_create:
        return False
    return await _Account(context, await context.client("togai"), customer, held).is_named()


async def _deleted(context: Context, customer: StripeCustomer, stripe_ref: str) -> Ended:
    """The customer is gone. A claim that was begun for it is brought to an end: whoever waits for it would do so for
    ever. What lands later names the customer in its Settings, and is linked as deleted then.
    """
    reason = f"{customer.id} was deleted in Stripe"
    if held := context.claims.index.open_claim(stripe_ref):
        client: TogaiApp = await context.client("togai")
        account_id = context.id_of(held.target)
        if await names_customer(context, client, account_id, customer.id):
            parent = context.ref("togai", "customer", (await client.account(account_id)).customer_id)
            pair = await context.claims.link(held, held.target, "natural-id", also=(parent,))
            await context.claims.mark_deleted(pair, reason)
            return Ended("in_sync", f"{reason}: its account stays", pair.refs)
        await context.claims.withdraw(held, reason)
    return Ended("skipped", f"{reason} before it was linked", (stripe_ref,))


async def _named_by(context: Context, stripe_ref: str) -> str:
    """The account whose Settings name the customer; empty for none."""

    async def names(account: str) -> bool:
        return await names_customer(context, await context.client("togai"), account, context.id_of(stripe_ref))

    found = await named_by(context, stripe_ref, "togai", names)
    return context.id_of(found) if found else ""


async def _matched_by_email(context: Context, candidate: LinkCandidate, account_ref: str) -> str:
    """Whom the e-mail rule links, unless the create was begun already."""
    if held := context.claims.index.open_claim(candidate.ref):
        return held.target if held.target != account_ref else ""
    return await other_side(context, candidate)


def _sent(held: Mapping) -> NewCustomer:
    # Whoever resumes a claim sends its body, whatever the customer looks like by now.
    assert held.claim
    return NewCustomer.model_validate(held.claim.body)


def _values(context: Context, held: Mapping) -> dict[str, Value]:
    """The fields of a create as they are compared: of the body that was sent, whatever the customer is by now."""
    sent = _sent(held)
    values: dict[str, Value] = {
        "name": sent.name,
        "email": sent.primary_email,
        "phone": phone_of(sent.address) or "",
        "address": stripe_address(sent.address),
    }
    chosen = sent.account.metadata or {}
    return values | {f"{METADATA}{key}": chosen.get(key, "") for key in context.settings.synced_metadata}


async def _present(context: Context, customer: StripeCustomer) -> StripeCustomer:
    client: StripeApp = await context.client("stripe")
    try:
        found = await client.retrieve_customer(customer.id)
    except NotFound as error:  # a deleted one is answered as such
        if context.claims.index.open_claim(ref := context.ref("stripe", "customer", customer.id)) is None:
            raise Ended("skipped", f"Stripe has no customer {customer.id} in this account and mode", (ref,)) from error
        return StripeCustomer(id=customer.id, deleted=True)
    context.just_read[context.ref("stripe", "customer", customer.id)] = found
    return found


def _known(context: Context, pair: Mapping, stripe_ref: str) -> Result:
    end_if_of_others(context, pair)
    end_if_made_elsewhere(context, pair, stripe_ref)
    account = Ref.parse(next(ref for ref in pair.refs if ref != stripe_ref)).id
    customer = next((Ref.parse(r).id for r in pair.also if Ref.parse(r).noun == "customer"), "")
    output = CustomerAndAccount(togai_customer_id=customer, togai_account_id=account, created=pair.is_made)
    notes = (f"linked already ({pair.id})",)
    return Result(output, pair.run == context.run.id, notes, (*pair.refs, *pair.also))


def _made(customer: str, account: str, created: bool, notes: tuple[str, ...], *refs: str) -> Result:
    output = CustomerAndAccount(togai_customer_id=customer, togai_account_id=account, created=created)
    return Result(output, True, notes, refs)


async def link_named(context: Context, customer: StripeCustomer, account_id: str, match: Match) -> Result:
    """Link a customer to the account that its checkout names. Raises Conflict where that cannot be."""
    async with free_for_a_person(context, context.ref("stripe", "customer", customer.id)):
        return await _link(context, customer, account_id, "metadata", match)


async def _link(context: Context, customer: StripeCustomer, account_id: str, rule: Rule, match: Match) -> Result:
    """A Togai account that is there: link it, make none."""
    stripe_ref = context.ref("stripe", "customer", customer.id)
    account_ref = context.ref("togai", "account", account_id)
    client: TogaiApp = await context.client("togai")
    account = await _named_account(client, customer, account_id)
    held = await context.claims.claim(
        stripe_ref,
        action=ACTION,
        app_account=context.account("togai"),
        body={},
        run=context.run.id,
        target=account_ref,
        match=match,
    )
    if held.state == "claimed":
        await put_setting(context, client, account.id, customer.id)
        customer_ref = context.ref("togai", "customer", account.customer_id)
        await context.claims.link(held, account_ref, rule, also=(customer_ref,))
    notes = (f"account {account_id} linked: {WHY[rule]}",)
    return _made(account.customer_id, account.id, False, notes, stripe_ref, account_ref)


def _check_free(context: Context, new: NewTogaiCustomer, stripe_ref: str, account_ref: str) -> None:
    """The account that the customer's metadata names: by our own create, or by a person's hand.

    Raises Ended for the first while its pair is being made, NotReady while another claim that was first holds the
    account, Conflict if it is linked to another customer.
    """
    began = context.claims.index.open_claim(stripe_ref)
    for mapping in context.claims.index.holders_of(account_ref):
        if stripe_ref in mapping.refs:
            continue
        if mapping.state == "claimed":
            if began:
                continue  # of two claims the later one gives way
            if is_own_key(new.idempotency_key):
                why = f"echo: run {mapping.run} is making this pair ({mapping.id})"
                raise Ended("skipped", why, (stripe_ref, account_ref), echo_of=mapping.run)
            raise NotReady(f"run {mapping.run} is about to link {account_ref}: looking again", code="claimed")
        raise Conflict(
            f"the metadata of {new.customer.id} names account {Ref.parse(account_ref).id}, which is linked to another "
            "customer: correct the metadata, or relink",
            candidates=(stripe_ref, *mapping.refs),
        )


async def _named_account(client: TogaiApp, customer: StripeCustomer, account_id: str) -> TogaiAccount:
    if not is_id(account_id):
        raise Conflict(
            f"the metadata of {customer.id} names {account_id[:LONGEST_ID]!r}, which can be no Togai account: "
            "correct or remove togai_account_id, the run then goes on by itself"
        )
    try:
        return await client.account(account_id)
    except NotFound as error:
        raise Conflict(
            f"the metadata of {customer.id} names Togai account {account_id}, which Togai does not know: "
            "correct or remove togai_account_id, then retry"
        ) from error
