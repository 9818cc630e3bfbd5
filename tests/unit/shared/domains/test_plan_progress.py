"""What became of a price plan's offers, as its runs show it."""

from __future__ import annotations

from typing import Any

import pytest
from shared.domains.plans.progress import ATTACH, PAID_BY, PAYMENT, known_of
from shared.domains.progress import Progress

PLAN = "togai:test:org_1/price_plan/pp.1"
REFS = ("togai:test:org_1/offer/pp.1~acme", "stripe:test:acct_1/checkout.session/cs_1")


def progress(at: str, done: dict[str, dict[str, Any]], *ran: str) -> Progress:
    """A run about one checkout."""
    return Progress(at=at, state="skipped", ended=True, waits="", reason="", refs=REFS, ran=ran, done=done)


@pytest.mark.parametrize(
    ("ended", "state"), [("failed", "failed"), ("refunded", "confirming"), ("pending", "confirming")]
)
def test_a_payment_that_has_ended_is_not_on_its_way_again(ended: str, state: str) -> None:
    """A run of the completion that comes last shows what was before."""
    on_its_way = {PAYMENT: {"amount": 4900, "currency": "usd", "payment_status": "unpaid"}}
    read = {PAID_BY: {"state": ended, "currency": "usd", "amount": 4900, "refunded": 0}}
    runs = [
        progress("1", on_its_way, PAYMENT, ATTACH),
        progress("2", read, PAID_BY),
        progress("3", on_its_way, PAYMENT, ATTACH),
    ]
    offer = known_of(PLAN, runs).offers["acme"]

    assert (offer.state, offer.payments["cs_1"].state) == (state, ended)
