"""Customers at Stripe: triggers and actions, with the pure functions that read its events."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import ConfigDict, Field, ValidationError

from shared.apps.stripe.models import StripeCustomer
from shared.apps.stripe.webhooks import data_object
from shared.domains.model import Action, LinkRequest, Trigger
from shared.domains.writes import FieldWrite
from shared.errors import Malformed
from shared.identity import LONGEST_ID
from shared.model import Model


class CustomerEvent(Model):
    """A Stripe customer as an event shows it; `idempotency_key` is that of the request behind the event, if any.

    `changed` names the fields that an update changed, metadata by key as `metadata.VATN`; None if nothing tells.
    """

    model_config = ConfigDict(frozen=True)

    customer: StripeCustomer
    idempotency_key: str | None = None
    changed: list[str] | None = None


def recheck_body(customer_id: str) -> dict[str, Any]:
    """The body of an event that only names a customer."""
    return {"data": {"object": {"object": "customer", "id": customer_id}}}


def customer_event(body: Any) -> CustomerEvent:
    """The customer in an event. Raises Malformed."""
    try:
        request = body.get("request") or {}
        key = request.get("idempotency_key") if isinstance(request, dict) else None
        customer = StripeCustomer.model_validate(body["data"]["object"])
        return CustomerEvent(customer=customer, idempotency_key=key, changed=_changed(body["data"]))
    except (ValidationError, KeyError, TypeError, AttributeError) as error:
        raise Malformed(f"the event holds no Stripe customer: {error}") from error


def _changed(data: Any) -> list[str] | None:
    """What `previous_attributes` of an update names (Stripe's event object); None if there are none."""
    former = data.get("previous_attributes")
    if not isinstance(former, dict):
        return None
    keys = former.get("metadata")
    named = [f"metadata.{key}" for key in keys] if isinstance(keys, dict) else []
    # Metadata that was null comes as no map: then any key may have changed, and its bare name stays.
    return sorted([name for name in former if name != "metadata" or not named] + named)


class TogaiIds(Model):
    """Input: the Togai ids that a Stripe customer's metadata shall show; `customer` as the event shows it."""

    model_config = ConfigDict(extra="forbid")

    customer_id: str = Field(min_length=1)
    togai_customer_id: str = Field(min_length=1)
    togai_account_id: str = Field(min_length=1)
    customer: StripeCustomer | None = None


class NewStripeCustomer(Model):
    """Input: a Togai account and its customer, as far as Stripe keeps it."""

    model_config = ConfigDict(extra="forbid")

    togai_account_id: str = Field(min_length=1)
    togai_customer_id: str = Field(min_length=1)
    customer_name: str
    account_name: str = ""
    email: str | None = None
    phone: str | None = None
    address: dict[str, str] = Field(default_factory=dict, description="line1, line2, city, state, postal_code, country")
    metadata: dict[str, str] = Field(default_factory=dict, description="the chosen keys of the account's metadata")
    stripe_customer_id: str | None = Field(None, description="the customer that the account names already")
    status: str = "ACTIVE"
    content: str = Field("", description="digest of what was read of both in Togai, as their next event may show it")


class CustomerMade(Model):
    """Output: the Stripe customer; `created` is false if it was there and was linked."""

    customer_id: str
    created: bool


class Written(Model):
    """Output: whether something had to be written, and whether the customer is still as the event showed it."""

    written: bool
    unchanged: bool = False


class ChangedAccount(Model):
    """Input: the Togai account that changed, with account and customer as the poller saw them if it did."""

    model_config = ConfigDict(extra="forbid")

    account_id: str = Field(min_length=1)
    account: dict[str, Any] | None = None
    customer: dict[str, Any] | None = None
    made_equal: bool = Field(False, description="the pair was made just now, with equal values: there is nothing to do")


class FieldsSynced(Model):
    """Output: what was written where so that both sides of a pair agree, and which fields differ and stay so."""

    to_stripe: list[str] = []
    to_togai: list[str] = []
    different: list[str] = []
    writes: list[FieldWrite] = []


class LinkChange(Model):
    """Input: what a person wants done with a link. `separate` says that an entity matches none that is there, `revert`
    that what `writes` replaced is written back where it still stands.
    """

    model_config = ConfigDict(extra="forbid")

    change: Literal["link", "unlink", "relink", "separate", "revert"]
    togai_account_id: str = Field("", max_length=LONGEST_ID)
    stripe_customer_id: str = Field("", max_length=LONGEST_ID)
    reason: str = Field(min_length=1)
    writes: list[FieldWrite] = []
    flow_link: str = Field("", description="the flow link that was asked to do it; empty: every one that it starts")


def link_change(asked: LinkRequest) -> LinkChange:
    """A person's request as the body of the event that asks for it."""
    return LinkChange(
        change=asked.change,
        togai_account_id=asked.sides.get("togai", ""),
        stripe_customer_id=asked.sides.get("stripe", ""),
        reason=asked.reason,
        writes=list(asked.writes),
        flow_link=asked.flow_link,
    )


class LinkChanged(Model):
    """Output: the mapping as it is now."""

    mapping: str
    togai_account_id: str
    stripe_customer_id: str
    writes: list[FieldWrite] = []


def _linked(change: LinkChange) -> tuple[str, str, str]:
    if change.togai_account_id:
        return ("togai", "account", change.togai_account_id)
    return ("stripe", "customer", change.stripe_customer_id)


def _trigger(name: str, title: str) -> Trigger:
    return Trigger(
        name=name,
        app="stripe",
        title=title,
        output=CustomerEvent,
        subject=data_object,
        extract=customer_event,
        recheck_body=recheck_body,
        rights=("Customers: read", "Events: read"),
    )


TRIGGERS = (
    _trigger("stripe.customer.created", "Customer created in Stripe"),
    _trigger("stripe.customer.updated", "Customer updated in Stripe"),
    _trigger("stripe.customer.deleted", "Customer deleted in Stripe"),
)

ACTIONS = (
    Action(
        name="stripe.customer.create",
        calls={"stripe": 1},
        app="stripe",
        title="Create customer in Stripe",
        input=NewStripeCustomer,
        output=CustomerMade,
        rights=("Customers: write",),
        subject=lambda new: ("togai", "account", new.togai_account_id),
    ),
    Action(
        name="stripe.customer.write_togai_ids",
        calls={"stripe": 1},
        app="stripe",
        title="Write the Togai ids to a Stripe customer's metadata",
        input=TogaiIds,
        output=Written,
        rights=("Customers: write",),
        subject=lambda ids: ("stripe", "customer", ids.customer_id),
    ),
    Action(
        name="stripe.customer.sync_fields",
        calls={},
        app="stripe",
        title="Bring a pair in step after a change in Togai",
        input=ChangedAccount,
        output=FieldsSynced,
        rights=("Customers: write",),
        subject=lambda changed: ("togai", "account", changed.account_id),
    ),
    Action(
        name="stripe.customer.change_link",
        app="stripe",
        title="Change a link by hand",
        input=LinkChange,
        output=LinkChanged,
        rights=("Customers: write",),
        subject=_linked,
    ),
)
