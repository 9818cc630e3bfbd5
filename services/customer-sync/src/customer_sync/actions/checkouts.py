"""Customers that pay by a link: of the account that their checkout names, or of a new one."""

from __future__ import annotations

from shared.apps.stripe.client import StripeApp
from shared.domains.customers.checkouts import FURTHER, CheckoutAccount, CheckoutCustomer
from shared.domains.customers.togai import NewTogaiCustomer
from shared.domains.plans.stripe import PAID
from shared.errors import Conflict, Waiting
from shared.identity import Ref
from shared.runtime.actions import Context, Ended, Result

from customer_sync.actions import togai
from customer_sync.actions.email_matching import match_of
from customer_sync.actions.pairs import is_unlinked
from customer_sync.actions.payers import account_of_further


async def add_customer(context: Context, wanted: CheckoutCustomer) -> Result:
    """The account that a checkout is for. Its customer is the account's own where it has none, else a further one; a
    checkout that names no account makes one by the rules for a new customer. Raises Ended for one that is not paid and
    names no account, or is of another organization, Waiting for a guest's that names no account.
    """
    if wanted.organization not in ("", context.account("togai")):
        raise Ended("skipped", f"it paid for a plan of {wanted.organization}")
    found = CheckoutAccount(account_id=wanted.account_id)
    if wanted.account_id and not wanted.customer_id:
        return Result(found, False, ("a guest paid: Stripe keeps no customer",))
    if wanted.account_id:
        effect, note, refs = await _join(context, wanted.customer_id, wanted.account_id)
        return Result(found, effect, (note,), refs)
    if wanted.payment_status not in PAID:
        raise Ended("skipped", "it is not paid yet: its payment starts this again")
    if not wanted.customer_id:
        why = f"checkout {wanted.session_id} names no account, and Stripe keeps no customer of it: attach price plan "
        raise Waiting(f"{why}{wanted.plan_id} in Togai, or refund the payment in Stripe", code="nobody")
    return await _made(context, wanted)


async def _made(context: Context, wanted: CheckoutCustomer) -> Result:
    """The account of a customer whose checkout names none: by the rules for a new customer, where it has none."""
    ref = context.ref("stripe", "customer", wanted.customer_id)
    if further := account_of_further(context, ref):
        return Result(CheckoutAccount(account_id=context.id_of(further)), False, ("a further customer of it",), (ref,))
    if (pair := context.claims.index.pair(ref)) and pair.state == "linked":
        account = next(one for one in pair.refs if one != ref)
        return Result(CheckoutAccount(account_id=context.id_of(account)), False, ("linked already",), pair.refs)
    client: StripeApp = await context.client("stripe")
    customer = await client.retrieve_customer(wanted.customer_id)
    made = await togai.create_customer(context, NewTogaiCustomer(customer=customer))
    account_id = str(getattr(made.output, "togai_account_id", ""))
    return Result(CheckoutAccount(account_id=account_id), made.effect, made.notes, made.refs)


async def _join(context: Context, customer_id: str, account_id: str) -> tuple[bool, str, tuple[str, ...]]:
    """Record whose the customer is: whether something was written, how in words, and what the run is found by."""
    index = context.claims.index
    customer, account = context.ref("stripe", "customer", customer_id), context.ref("togai", "account", account_id)
    if pair := index.pair(customer):
        other = next((ref for ref in pair.refs if ref not in (customer, account)), "")
        return False, f"{customer_id} is that of {Ref.parse(other).id}: it stays so" if other else "linked", pair.refs
    if account_of_further(context, customer):
        return False, "recorded already", (customer, account)
    if is_unlinked(context, account):
        return False, "a person unlinked the account: it stays so until a person links it", (customer, account)
    if index.pair(account) is None:
        client: StripeApp = await context.client("stripe")
        shown = await client.retrieve_customer(customer_id)
        try:
            linked = await togai.link_named(context, shown, account_id, match_of(context, shown.email))
        except Conflict as conflict:  # what was paid for is attached all the same
            return False, conflict.message, (customer, account)
        return linked.effect, f"{customer_id} is the account's customer", linked.refs
    payer = context.ref("togai", "payer", f"{account_id}~{customer_id}")
    claims = context.claims_of(FURTHER.name)
    held = await claims.claim(
        customer,
        action="togai.account.add_customer",
        app_account=context.account("togai"),
        body={},
        run=context.run.id,
        target=payer,
    )
    if held.state == "claimed":
        await claims.link(held, payer, "metadata", also=(account,))
    return True, f"{customer_id} is a further customer of the account", (customer, account)
