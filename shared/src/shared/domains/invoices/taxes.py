"""Tax by Stripe: calculated while Togai's invoice is a draft, written to it as a charge, recorded as a transaction."""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict, Field

from shared.domains.flow import Flow, FlowStep
from shared.domains.invoices.togai import InvoiceId
from shared.domains.model import Action
from shared.model import Model

TAX_CHARGE = "Tax (calculated by Stripe)"
"""Name of the miscellaneous charge in Togai. By it the charge is known again: as a tax, and as ours."""


class TaxBase(Model):
    """What is taxed of an invoice. `net` is in minor units, `written` in the currency itself."""

    model_config = ConfigDict(extra="forbid")

    invoice_id: str
    account_id: str
    group_id: str = ""
    currency: str
    status: Literal["DRAFT", "VOID"]
    net: int = Field(description="without the tax that was written before")
    written: str = Field(description="the tax that Togai shows by now; 0 for none")
    charges: list[dict[str, str]] = Field(description="what others charge, which is to stay")


class TaxRecorded(Model):
    """The tax, in the currency itself, and its transaction at Stripe; both are empty once it is reversed."""

    tax: str = ""
    transaction: str = ""


class TaxToWrite(TaxBase):
    """The charge as Togai is to show it."""

    tax: str


class TaxWritten(Model):
    """Whether the charge changed."""

    written: bool


READ, RECORD, WRITE = "togai.invoice.read_tax_base", "stripe.tax.record", "togai.invoice.write_tax"

ACTIONS = (
    Action(
        name=READ,
        app="togai",
        title="Read what is to be taxed of a draft",
        input=InvoiceId,
        output=TaxBase,
        reads=True,
    ),
    Action(
        name=RECORD,
        app="stripe",
        title="Calculate and record the tax of an invoice, or reverse it",
        input=TaxBase,
        output=TaxRecorded,
        rights=("Tax: write",),
    ),
    Action(name=WRITE, app="togai", title="Write a draft's tax to Togai", input=TaxToWrite, output=TaxWritten),
)
_BASE = {name: f"{{{{ steps.base.{name} }}}}" for name in TaxBase.model_fields}

DRAFT_TO_TAX = Flow(
    id="togai-invoice-draft-to-stripe-tax",
    title="Togai draft invoice -> Stripe tax",
    description="Stripe calculates the tax of a draft that Togai has finalized; Togai's invoice has it as a charge.",
    direction="outbound",
    visibility="built-in",
    trigger="togai.invoice.generated",
    more_triggers=("togai.invoice.updated",),
    moves_money=True,
    opt_in=True,
    steps=(
        FlowStep(id="base", action=READ, input={"invoice_id": "{{ trigger.invoice_id }}"}),
        FlowStep(id="recorded", action=RECORD, input=_BASE),
        FlowStep(id="written", action=WRITE, input=_BASE | {"tax": "{{ steps.recorded.tax }}"}),
    ),
)
