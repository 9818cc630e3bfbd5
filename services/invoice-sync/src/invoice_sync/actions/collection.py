"""The terms of a new Stripe invoice: sent or charged, to which address, under which number, by which methods."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from shared.apps.stripe.client import StripeApp
from shared.apps.togai.client import TogaiApp
from shared.domains.invoices.togai import InvoiceFacts
from shared.errors import NotReady, Rejected, SyncError, Waiting
from shared.linking.mappings import Mapping
from shared.runtime.actions import Context

from invoice_sync.decide import due_params, moved_due
from invoice_sync.terms import CHARGE, SEND, has_method, number_params, transfer_params

CUSTOMERS = "/v1/customers"
NO_EMAIL = "Missing email"
"""Begins Stripe's refusal to make an invoice that is sent, for a customer without an address; it has no code."""

NUMBER = "number"
"""The parameter that Stripe names where another invoice has the number."""
TERMS_REFUSED = "terms_refused"
NO_ADDRESS = (
    "it is not sent: neither Stripe nor Togai has an e-mail address. Show the customer the page where it is paid"
)


@dataclass(frozen=True)
class Terms:
    """Parameters of the invoice, and in words what differs from what the flow link asks for."""

    params: dict[str, Any]
    notes: tuple[str, ...] = ()


def refused(error: Rejected) -> SyncError:
    """What becomes of a run whose invoice Stripe refused: other terms follow where they are the reason."""
    if NO_EMAIL in error.message or error.param == NUMBER:
        return NotReady(f"{error.message}: it is made on other terms", code=TERMS_REFUSED)
    return error


async def terms_of(
    context: Context, client: StripeApp, customer_id: str, wanted: InvoiceFacts, earlier: Mapping | None
) -> Terms:
    """The terms; `earlier` is the withdrawn claim of a create that Stripe refused. The customer is read only where they
    depend on it.

    Raises Waiting for an invoice that is to be sent and has no address to go to.
    """
    charges, transfers = context.option("collection") == CHARGE, context.option("bank_transfer") == "on"
    is_own = context.option("number") == "on"
    is_taken = earlier is not None and earlier.refused == NUMBER
    placed, note = number_params(wanted.number, is_own=is_own, is_taken=is_taken)
    notes = [note]
    customer = await client.retrieve(CUSTOMERS, customer_id) if charges or transfers or earlier else None
    if charges and customer and not has_method(customer):
        charges = False
        notes.append(f"it is sent: Stripe customer {customer_id} has no payment method on file")
    if customer and not charges and not customer.get("email"):
        note = await _fill_email(context, client, customer_id, wanted)
        charges = not note
        notes.append(note or NO_ADDRESS)
    offered: dict[str, Any] = {}
    if transfers and customer and not charges:
        country = str((customer.get("address") or {}).get("country") or "")
        offered, note = transfer_params(country, wanted.currency)
        notes.append(note)
    days = context.settings.invoice_days_until_due
    due = {} if charges else due_params(wanted.due_date, wanted.net_term_days, days, time.time())
    notes.append(moved_due(wanted.due_date, due))
    params = {"collection_method": CHARGE if charges else SEND, **due, **placed, **offered}
    return Terms(params, tuple(note for note in notes if note))


async def _fill_email(context: Context, client: StripeApp, customer_id: str, wanted: InvoiceFacts) -> str:
    """Write the address that Togai has to Stripe; what was done, empty where there is none and none is needed.

    Raises Waiting where there is none, and the flow link holds such an invoice.
    """
    email = await _email_in_togai(context, wanted)
    if email:
        await client.update(CUSTOMERS, customer_id, {"email": email})
        return f"{email} is written to Stripe customer {customer_id}, which had no e-mail address"
    if context.option("email_missing") == CHARGE:
        return ""
    raise Waiting(f"Stripe customer {customer_id} has no e-mail address: set it in Togai", code="no_email")


async def _email_in_togai(context: Context, wanted: InvoiceFacts) -> str:
    togai: TogaiApp = await context.client("togai")
    if wanted.group_id:
        return str((await togai.invoice_group(wanted.group_id)).get("email") or "")
    return await togai.email_of(await togai.account(wanted.account_id))
