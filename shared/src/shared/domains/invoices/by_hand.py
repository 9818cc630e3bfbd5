"""What a person decides about an invoice: held, released, looked at again, each with a reason."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import ConfigDict, Field

from shared.domains.bodies import read_request
from shared.domains.flow import Flow, FlowStep
from shared.domains.model import Action, Trigger
from shared.identity import is_id
from shared.model import Model


class InvoiceDecision(Model):
    """What a person asked for. `invoice_id` is Togai's."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    invoice_id: str = Field(min_length=1)
    change: Literal["hold", "release", "resync"]
    reason: str = Field(min_length=1)
    flow_link: str = Field("", description="the one that does it; empty: whichever gets it")


class InvoiceDecided(Model):
    """The decision that holds now."""

    invoice_id: str
    change: Literal["hold", "release", "resync"]


def _decision(body: Any) -> InvoiceDecision:
    return read_request(InvoiceDecision, body, "the decision about an invoice")


def subject(body: Any) -> tuple[str, str] | None:
    """The invoice that a request of a person names."""
    found = body.get("invoice_id") if isinstance(body, dict) else None
    return ("invoice", found) if is_id(found) else None


REQUESTED = Trigger(
    name="togai.invoice.decision_requested",
    app="togai",
    title="Decision about an invoice asked for by a person",
    output=InvoiceDecision,
    subject=subject,
    extract=_decision,
    by_state=False,
    brought="person",
)

DECIDE = Action(
    name="togai.invoice.decide",
    app="togai",
    title="Hold an invoice, release it, or look at it again",
    input=InvoiceDecision,
    output=InvoiceDecided,
)

INVOICES_BY_HAND = Flow(
    id="invoices-by-hand",
    title="Invoices held and released by hand",
    description="What a person holds is made no further in Stripe until a person releases it.",
    direction="outbound",
    visibility="built-in",
    trigger=REQUESTED.name,
    steps=(
        FlowStep(
            id="decision",
            action=DECIDE.name,
            input={name: f"{{{{ trigger.{name} }}}}" for name in InvoiceDecision.model_fields},
        ),
    ),
)
