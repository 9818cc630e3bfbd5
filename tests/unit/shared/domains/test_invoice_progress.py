"""What an invoice is, as its runs show it."""

from __future__ import annotations

from typing import Any

import pytest
from shared.domains.invoices.progress import known_of
from shared.domains.progress import Progress

REF = "togai:test:org_1/invoice/inv.1"
READ = "togai.invoice.read"


def progress(at: str, done: dict[str, dict[str, Any]], *ran: str, ended: bool = True) -> Progress:
    """A run that ended well, or one that is under way."""
    state = "succeeded" if ended else "running"
    return Progress(at=at, state=state, ended=ended, waits="", reason="", refs=[REF], ran=ran, done=done)


@pytest.mark.parametrize(("state", "shown"), [("paid", "paid"), ("refunded", "refunded"), ("open", "waiting")])
def test_what_is_at_its_end_waits_for_nothing(state: str, shown: str) -> None:
    """While news of it is read it stays what it is."""
    snapshot = {"state": state, "facts": [], "recorded": "", "currency": "USD"}
    known = known_of(
        REF, [progress("2", {}, READ, ended=False), progress("1", {"stripe.invoice.read_state": snapshot})]
    )

    assert known.state == shown
