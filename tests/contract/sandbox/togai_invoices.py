"""What Togai's documents say of its invoice and payment operations; see `togai_table`."""

from __future__ import annotations

from typing import Any

NEW_INVOICE: dict[str, Any] = {
    "accountId": "A1", "ownerType": "ACCOUNT", "startDate": "2026-01-01T00:00:00Z", "endDate": "2026-02-01T00:00:00Z",
    "idempotencyKey": "key-1", "status": "DRAFT", "autoAdvance": False, "applyCredits": True,
    "applyWalletBalance": True,
    "lineItems": [{"description": "Payout", "valuePerQuantity": 0.001, "quantity": 32109}, {"value": 5}],
}  # fmt: skip
CHANGED_INVOICE: dict[str, Any] = {
    "startDate": "2026-01-02T00:00:00Z", "autoAdvance": True, "lineItems": [{"description": "Other", "value": 7}],
}  # fmt: skip
CHARGES: dict[str, Any] = {
    "items": [{"name": "Sales tax", "value": "12.50"}, {"name": "q&r", "rate": 20, "quantity": 10}]
}  # fmt: skip
NEW_PAYMENT: dict[str, Any] = {
    "accountId": "A1", "currency": "USD", "totalAmount": 40, "description": "Stripe payment", "notes": "in_1",
    "externalPaymentReference": {
        "sourceName": "stripe", "sourceType": "GATEWAY", "transactionNumber": "pi_1", "metadata": {"invoice": "in_1"},
    },
    "lineItemRecords": [{"type": "INVOICE", "togaiId": "DUE", "amount": 30.5, "order": 1},
                        {"type": "WALLET_CREDIT", "amount": 9.5, "order": 2}],
}  # fmt: skip

SUMMARY = frozenset({
    "id", "customerId", "ownerId", "status", "invoiceClass", "invoiceType", "invoiceDate", "updatedAt", "totalAmount",
    "paidAmount",
})  # fmt: skip
SUMMARY_MORE = frozenset({
    "pricePlanId", "finalizingStatus", "startDate", "endDate", "endDateInclusive", "dueDate", "generatedAt",
    "sequenceId", "pdfUrl", "invoiceDetails", "netTermDays",
})  # fmt: skip
INVOICE = SUMMARY | {"revenueInfo"}
INVOICE_MORE = SUMMARY_MORE | {"usageInfo", "autoAdvance", "metadata", "info"}
WALLET = frozenset({
    "id", "accountId", "customerId", "balance", "creditUnit", "status", "holdAmount", "effectiveFrom", "metadata",
})  # fmt: skip
WALLET_ENTRY = frozenset({
    "id", "description", "walletId", "transactionType", "status", "entityId", "amount", "createdAt", "closingBalance",
})  # fmt: skip
PAYMENT = frozenset({
    "id", "accountId", "externalPaymentReferences", "lineItemRecords", "totalAmount", "currency", "version",
    "createdBy", "createdAt",
})  # fmt: skip
PAYMENT_MORE = frozenset({"description", "notes"})

WRONG: dict[str, list[Any]] = {
    "custom_status": ["VOID", "due", ""],
    "new_status": ["DRAFT", "MERGED", "REFUND_COMPLETED", 5],
    "custom_lines": ["x", [], [{}], [{"quantity": 1}], [{"value": "5"}], [{"value": 1}] * 51],
    "charges": ["x", [{}], [{"name": "x"}], [{"name": "x", "value": 5}], [{"name": "x", "value": "much"}]],
    "positive": ["5", 0, -1, True],
    "source": ["PAYPAL", ""],
    "note": [5, "n" * 513],
    "records": ["x", [], [{}], [{"type": "INVOICE"}], [{"type": "OTHER", "order": 1}]],
}
INVOICE_TYPES = {
    "accountId": "text", "startDate": "moment", "endDate": "moment", "status": "custom_status",
    "lineItems": "custom_lines",
    "autoAdvance": "flag", "applyCredits": "flag", "applyWalletBalance": "flag", "idempotencyKey": "text",
    "lineItems.0.quantity": "rate",
}  # fmt: skip
PAYMENT_TYPES = {
    "accountId": "text", "currency": "currency", "totalAmount": "positive", "description": "note", "notes": "note",
    "externalPaymentReference": "hash", "externalPaymentReference.sourceType": "source",
    "externalPaymentReference.transactionNumber": "text", "lineItemRecords": "records",
    "lineItemRecords.0.amount": "positive",
}  # fmt: skip
