"""What an invoice is, as people see it: one word for both sides together. Pure."""

from __future__ import annotations

from typing import Literal, get_args

InvoiceState = Literal[
    "waiting", "held", "draft", "open", "paid", "void", "uncollectible", "failed", "partly paid", "refunded"
]
"""`waiting`: Togai has it, and something must come before Stripe has it; `held`: a person said so."""
STATES: tuple[InvoiceState, ...] = get_args(InvoiceState)
