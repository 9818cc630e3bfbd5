"""Request bodies of Togai's invoices and payments."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, Field, StringConstraints, model_validator

from sandbox.togai_api.models import Body, Id, Number, Text

Status = Literal[
    "DRAFT", "DUE", "PAID", "VOID", "UN_COLLECTIBLE", "REFUND_INITIATED", "REFUND_COMPLETED", "MERGED",
    "PARTIALLY_PAID",
]  # fmt: skip
InvoiceClass = Literal["INVOICE", "ORDER", "BILLABLE"]
InvoiceType = Literal["STANDARD", "AD_HOC", "CUSTOM", "COMPOSITE", "STANDARD_ADVANCED", "ADHOC_ADVANCED"]
Moment = Annotated[AwareDatetime, Field(strict=False)]
Note = Annotated[str, StringConstraints(max_length=512)]


class CustomLine(Body):
    """A line of a custom invoice: an amount, or a quantity at a price."""

    id: str | None = None
    description: str | None = None
    value: Number | None = None
    valuePerQuantity: Number | None = None
    quantity: Number | None = None
    billableId: str | None = None

    @model_validator(mode="after")
    def _has_one_amount(self) -> CustomLine:
        if (self.value is None) == (self.valuePerQuantity is None or self.quantity is None):
            raise ValueError("give either value, or valuePerQuantity and quantity")
        return self


Lines = Annotated[list[CustomLine], Field(min_length=1, max_length=50)]


class NewInvoice(Body):
    """A custom invoice."""

    accountId: Text
    startDate: Moment
    endDate: Moment
    status: Literal["DRAFT", "DUE", "PAID"]
    lineItems: Lines
    ownerType: Literal["ACCOUNT", "INVOICE_GROUP"] | None = None
    idempotencyKey: str | None = None
    autoAdvance: bool | None = None
    applyCredits: bool | None = None
    applyWalletBalance: bool | None = None


class InvoiceChange(Body):
    """What PATCH may change: the status of every invoice, and the rest of a custom draft."""

    status: Literal["DUE", "PAID", "VOID", "UN_COLLECTIBLE", "REFUND_INITIATED"] | None = None
    startDate: Moment | None = None
    endDate: Moment | None = None
    lineItems: Lines | None = None
    autoAdvance: bool | None = None


class Charge(Body):
    """A charge that is added to a draft: an amount as text, or a quantity at a rate."""

    name: Text
    value: Annotated[str, StringConstraints(pattern=r"^-?[0-9]{1,15}(\.[0-9]{1,15})?$")] | None = None
    rate: Number | None = None
    quantity: Number | None = None
    considerForRevenue: bool | None = None

    @model_validator(mode="after")
    def _has_one_amount(self) -> Charge:
        if (self.value is None) == (self.rate is None or self.quantity is None):
            raise ValueError("give either value, or rate and quantity")
        return self


class Charges(Body):
    """All such charges of a draft: they replace what stood there."""

    items: list[Charge]


class Reference(Body):
    """Where a payment was made."""

    sourceName: Text
    sourceType: Literal["GATEWAY", "CASH", "CHEQUE", "BANK_TRANSFER", "CARD"]
    transactionNumber: Text
    description: str | None = None
    metadata: dict[str, Any] | None = None


class PaidLine(Body):
    """What a payment is for."""

    type: Literal["INVOICE", "CREDIT", "WALLET_CREDIT"]
    order: Annotated[int, Field(ge=0, lt=2**31)]
    togaiId: Id | None = None
    amount: Annotated[Number, Field(gt=0)] | None = None


class NewPayment(Body):
    """A payment that was made elsewhere."""

    accountId: Text
    currency: Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]
    totalAmount: Annotated[Number, Field(gt=0)]
    externalPaymentReference: Reference
    lineItemRecords: Annotated[list[PaidLine], Field(min_length=1)]
    description: Note | None = None
    notes: Note | None = None


class WalletTopUp(Body):
    """What is put into an account's wallet."""

    topupAmount: Annotated[Number, Field(gt=0)]
