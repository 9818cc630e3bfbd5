"""Tax by Stripe: what a draft's net total asks for is recorded there once, and written to Togai as a charge."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from shared.apps.stripe.client import StripeApp
from shared.apps.togai.client import TogaiApp
from shared.domains.invoices import INVOICE_TAX
from shared.domains.invoices.stripe import INVOICE_ID, ORGANIZATION
from shared.domains.invoices.taxes import TAX_CHARGE, TaxBase, TaxRecorded, TaxToWrite, TaxWritten
from shared.domains.invoices.togai import InvoiceId
from shared.errors import AmountMismatch, NotReady, Rejected, Waiting
from shared.identity import digest
from shared.linking.mappings import Mapping
from shared.runtime.actions import Context, Ended, Result
from shared.runtime.creating import Creation, create

from invoice_sync.actions.groups import customer_for
from invoice_sync.actions.holding import BY_HAND
from invoice_sync.actions.keys import under_key
from invoice_sync.decide import amounts_of, group_of
from invoice_sync.lines import TAXES, is_by_stripe, kept_charges, leaves
from shared import money

Json = dict[str, Any]
CALCULATIONS, TRANSACTIONS = "/v1/tax/calculations", "/v1/tax/transactions"
TAX, TAX_BASE = "togai_tax", "togai_tax_base"
"""In the metadata of a tax transaction: the tax, in the currency itself, and a mark of what was taxed."""
LOST = (
    "Stripe has recorded this tax, and its answer was lost: reverse that transaction there, then `tandem invoices "
    "resync` records it again"
)
REVERSED = ("tax_transaction_already_reversed", "resource_already_exists")
"""Codes by which Stripe says that a reversal was made before."""


async def read(context: Context, wanted: InvoiceId) -> Result:
    """A draft that Togai has finalized, or an invoice that was voided. Raises Ended for every other one."""
    client: TogaiApp = await context.client("togai")
    invoice = await client.invoice(wanted.invoice_id)
    source, status = context.ref("togai", "invoice", wanted.invoice_id), str(invoice.get("status"))
    if status == "VOID" and _recorded(context, source) is None:
        raise Ended("skipped", "no tax of it is recorded at Stripe", (source,))
    if status not in ("DRAFT", "VOID"):
        raise Ended("skipped", f"it is {status}: tax is calculated while it is a draft", (source,))
    if status == "DRAFT" and invoice.get("finalizingStatus") != "FINALIZED":
        raise Ended("skipped", "Togai is finalizing it: the next event starts this again", (source,))
    tree, amounts = invoice.get("revenueInfo") or {}, amounts_of(invoice)
    found = list(leaves(tree))
    written = sum((leaf.value for leaf in found if is_by_stripe(leaf)), Decimal(0))
    if status == "DRAFT" and any(leaf.type in TAXES for leaf in found):
        raise Ended("skipped", "Togai taxes it itself", (source,))
    if status == "DRAFT" and amounts.total - written <= 0:
        raise Ended("skipped", "there is nothing to be taxed", (source,))
    group = group_of(invoice)
    base = TaxBase(
        invoice_id=wanted.invoice_id,
        account_id="" if group else str(invoice.get("ownerId") or ""),
        group_id=group,
        currency=amounts.currency,
        status="VOID" if status == "VOID" else "DRAFT",
        net=money.exact(amounts.total - written, amounts.currency),
        written=f"{written:f}",
        charges=kept_charges(tree),
    )
    return Result(base, False, (), (source,))


def _recorded(context: Context, source: str) -> Mapping | None:
    pair = context.claims_of(INVOICE_TAX.name).index.pair(source)
    return pair if pair and pair.state == "linked" else None


def recorded_tax(context: Context, invoice_id: str) -> Decimal | None:
    """The tax that is recorded at Stripe for an invoice; None for none."""
    pair = _recorded(context, context.ref("togai", "invoice", invoice_id))
    return Decimal(pair.reason.partition(" ")[2]) if pair else None


class _Transaction(Creation[Json]):
    """Its reference is ours and can be used once: a second one is refused, however old the claim is."""

    key_expires = False

    def __init__(self, client: StripeApp) -> None:
        self._client = client

    async def send(self, body: Json, key: str) -> Json:
        return await self._client.create(f"{TRANSACTIONS}/create_from_calculation", body, key)

    async def find(self, since: int) -> Json | None:
        return None  # Stripe lists no tax transactions: under the next key it says whether there is one

    def refused(self, error: Rejected) -> Rejected | Waiting:
        if error.code != "resource_already_exists":
            return error
        return Waiting(f"{LOST} ({error.message})", code="tax_recorded")


async def record(context: Context, base: TaxBase) -> Result:
    """Record the tax of what is to be taxed now; what was recorded of another amount is reversed. Raises Waiting where
    Stripe cannot tell the tax, and what `customer_for` raises.
    """
    client: StripeApp = await context.client("stripe")
    source, pair = (ref := context.ref("togai", "invoice", base.invoice_id)), _recorded(context, ref)
    if base.status == "VOID":
        if pair:
            await _reverse(context, client, pair, "it is void in Togai")
        return Result(TaxRecorded(), pair is not None, ("its tax is reversed",), (source,))
    customer = await customer_for(context, base.account_id, base.group_id)
    mark = digest([customer, base.currency, base.net])
    if pair and pair.reason.partition(" ")[0] == mark:
        return _result(context, pair, "recorded already", effect=False)
    if pair:
        await _reverse(context, client, pair, "the draft has changed")
    held = context.claims_of(INVOICE_TAX.name).index.open_claim(source)
    if held is None:
        held = await _claimed(context, client, base, customer, mark)
    assert held.claim
    metadata = held.claim.body["metadata"]
    made, how = await create(context.claims_of(INVOICE_TAX.name), held, context.account("stripe"), _Transaction(client))
    target = context.ref("stripe", "tax_transaction", str(made["id"]))
    pair = await context.claims_of(INVOICE_TAX.name).link(
        held, target, "created", reason=f"{metadata[TAX_BASE]} {metadata[TAX]}"
    )
    if metadata[TAX_BASE] != mark:
        raise NotReady("the draft has changed since its tax was calculated: looking again", code="changed")
    return _result(context, pair, how, effect=True)


async def _claimed(context: Context, client: StripeApp, base: TaxBase, customer: str, mark: str) -> Mapping:
    source = context.ref("togai", "invoice", base.invoice_id)
    name = f"{base.invoice_id} {mark}{_again(context, source)}"
    line = {"amount": base.net, "reference": base.invoice_id, "tax_behavior": "exclusive"}
    body = {"currency": base.currency.lower(), "customer": customer, "line_items": [line]}
    try:
        found = await under_key(
            context, "stripe.tax.calculate", f"{source} {name}", lambda key: client.create(CALCULATIONS, body, key)
        )
    except Rejected as error:
        if error.code != "customer_tax_location_invalid":
            raise
        why = f"Stripe does not know where customer {customer} is: give it an address"
        raise Waiting(f"{why} ({error.message})", code="no_address") from error
    tax = money.major(int(found["tax_amount_exclusive"]), base.currency)
    metadata = {INVOICE_ID: base.invoice_id, ORGANIZATION: context.account("togai"), TAX: f"{tax:f}", TAX_BASE: mark}
    return await context.claims_of(INVOICE_TAX.name).claim(
        source,
        action=f"stripe.tax.record.{digest(name)}",
        app_account=context.account("stripe"),
        body={"calculation": found["id"], "reference": name, "metadata": metadata},
        run=context.run.id,
    )


def _again(context: Context, source: str) -> str:
    """What sets a reference apart from those that are used up, for the same invoice may be taxed again. Raises Waiting
    after an answer that was lost: a person reverses that transaction first, then asks for another attempt.
    """
    earlier = context.claims_of(INVOICE_TAX.name).index.claim_of(source, context.account("stripe"))
    if earlier is None or earlier.state != "withdrawn":
        return ""
    if earlier.refused == "reference" and context.run.origin not in BY_HAND:
        raise Waiting(LOST, code="tax_recorded")
    return f" {digest(earlier.at)}"


def _result(context: Context, pair: Mapping, how: str, *, effect: bool) -> Result:
    tax = pair.reason.partition(" ")[2]
    return Result(TaxRecorded(tax=tax, transaction=context.id_of(pair.target)), effect, (f"{tax}: {how}",), pair.refs)


async def _reverse(context: Context, client: StripeApp, pair: Mapping, why: str) -> None:
    """Take a transaction back as a whole, then forget it."""
    name = context.id_of(pair.target)
    body = {"mode": "full", "original_transaction": name, "reference": f"{name} reversed"}
    try:
        await under_key(
            context, "stripe.tax.reverse", name, lambda key: client.create(f"{TRANSACTIONS}/create_reversal", body, key)
        )
    except Rejected as error:
        if error.code not in REVERSED:
            raise
    await context.claims_of(INVOICE_TAX.name).withdraw(pair, why)


async def write(context: Context, wanted: TaxToWrite) -> Result:
    """The charge beside those of others. Raises AmountMismatch where the total is not the sum then: its tax counts as
    not recorded, so that nothing is sent of it.
    """
    refs = (context.ref("togai", "invoice", wanted.invoice_id),)
    if wanted.status == "VOID" or Decimal(wanted.tax) == Decimal(wanted.written):
        return Result(TaxWritten(written=False), False, (), refs)
    client: TogaiApp = await context.client("togai")
    own = [{"name": TAX_CHARGE, "value": wanted.tax}] if Decimal(wanted.tax) else []
    await client.put_charges(wanted.invoice_id, [*wanted.charges, *own])
    net, total = money.major(wanted.net, wanted.currency), amounts_of(await client.invoice(wanted.invoice_id)).total
    if total != net + Decimal(wanted.tax):
        if pair := _recorded(context, refs[0]):
            await _reverse(context, await context.client("stripe"), pair, "Togai's total is another one")
        raise AmountMismatch(
            f"with {wanted.tax} of tax the draft comes to {total} {wanted.currency} in Togai, not to "
            f"{net + Decimal(wanted.tax)}: look at its miscellaneous charges. Nothing of it is sent"
        )
    return Result(TaxWritten(written=True), True, (f"{TAX_CHARGE}: {wanted.tax}",), refs)
