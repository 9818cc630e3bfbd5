"""Accounts at Togai: triggers and actions, with the pure functions that read its webhooks.

No body is documented for Togai's webhooks: what comes is a hint, the entity is fetched before anything is done.
"""

from __future__ import annotations

from typing import Any

from pydantic import ConfigDict, Field

from shared.apps.stripe.models import StripeCustomer
from shared.apps.togai.bodies import WRAPPERS, objects
from shared.domains.bodies import read_request
from shared.domains.customers.stripe import FieldsSynced, LinkChange, Written
from shared.domains.model import Action, Trigger
from shared.errors import Malformed
from shared.identity import is_id
from shared.model import Model

WRAPPED = (*WRAPPERS, "account")
INTERNAL_ACCOUNT_ID = "account."
"""Prefix of `togaiAccountId`, which no call takes: never mistaken for the account's own id."""


class AccountCreated(Model):
    """An account that Togai says is new."""

    model_config = ConfigDict(frozen=True)

    account_id: str


def account(body: Any) -> tuple[str, str] | None:
    """The account that a webhook is about, by probing: `accountId` anywhere first, then the `id` of an account."""
    found = list(objects(body, WRAPPED))
    named = [o.get("accountId") for o in found]
    # An object with a customerId is an account; a bare id may as well be the event's own.
    own = [o.get("id") for o in found if "customerId" in o or "invoiceCurrency" in o]
    bare = [o.get("id") for o in found]
    for entity in (*named, *own, *reversed(bare)):
        if is_id(entity) and not entity.startswith(INTERNAL_ACCOUNT_ID):
            return ("account", entity)
    return None


def account_created(body: Any) -> AccountCreated:
    """Raises Malformed if the body names no account."""
    found = account(body)
    if not found:
        raise Malformed(
            "the webhook from Togai names no account: check that the flow's action payload is exactly "
            '{"payload": "request"}, then create the link by hand or replay it'
        )
    return AccountCreated(account_id=found[1])


def recheck_body(account_id: str) -> dict[str, Any]:
    """The body of an event that only names an account."""
    return {"accountId": account_id}


class AccountUpdated(Model):
    """An account that a poller saw changed, itself or its customer; both as Togai's lists showed them, if they did."""

    model_config = ConfigDict(frozen=True)

    account_id: str
    account: dict[str, Any] | None = None
    customer: dict[str, Any] | None = None


def account_updated(body: Any) -> AccountUpdated:
    """Raises Malformed if the body names no account."""
    account_id = account_created(body).account_id
    found = {name: body.get(name) for name in ("account", "customer")} if isinstance(body, dict) else {}
    return AccountUpdated(account_id=account_id, **{k: v for k, v in found.items() if isinstance(v, dict)})


def link_requested(body: Any) -> LinkChange:
    """What a person asked for in the console. Raises Malformed."""
    return read_request(LinkChange, body, "the request for a link")


def link_subject(body: Any) -> tuple[str, str] | None:
    """The account of the link, else nothing: the console names the aggregate itself."""
    found = body.get("togai_account_id") if isinstance(body, dict) else None
    return ("account", found) if is_id(found) else None


class AccountId(Model):
    """Input: an account's id."""

    model_config = ConfigDict(extra="forbid")

    account_id: str = Field(min_length=1)
    unlinked: bool = Field(False, description="the run ends if another one has linked the account")


class AccountFacts(Model):
    """Output: an account with its customer, in Stripe's terms; `stripe_customer_id` is the one in its Settings."""

    account_id: str
    customer_id: str
    customer_name: str
    account_name: str
    email: str | None
    phone: str | None
    address: dict[str, str]
    metadata: dict[str, str] = {}
    status: str
    stripe_customer_id: str | None
    content: str = Field("", description="digest of all that was read of both")


class StripeId(Model):
    """Input: the Stripe customer that an account's Settings shall name; `known` is what they name now."""

    model_config = ConfigDict(extra="forbid")

    account_id: str = Field(min_length=1)
    stripe_customer_id: str = Field(min_length=1)
    known: str | None = None


class NewTogaiCustomer(Model):
    """Input: the Stripe customer to make at Togai, as the event shows it."""

    model_config = ConfigDict(extra="forbid")

    customer: StripeCustomer
    idempotency_key: str | None = None


class ChangedCustomer(NewTogaiCustomer):
    """Input: the Stripe customer that changed or was deleted, as the event shows it."""

    changed: list[str] | None = None
    made_equal: bool = Field(False, description="the pair was made just now, with equal values: there is nothing to do")
    unchanged: bool | None = Field(None, description="whether the customer is known to be as shown, or known not to be")


class CustomerAndAccount(Model):
    """Output: the Togai customer and its account; `created` is false if they were there and were linked."""

    togai_customer_id: str
    togai_account_id: str
    created: bool


TRIGGERS = (
    Trigger(
        name="togai.account.created",
        app="togai",
        title="Account created in Togai",
        output=AccountCreated,
        subject=account,
        extract=account_created,
        recheck_body=recheck_body,
        hook="Account creation",
    ),
    Trigger(
        name="togai.account.updated",
        app="togai",
        title="Account or its customer changed in Togai",
        output=AccountUpdated,
        subject=account,
        extract=account_updated,
        recheck_body=recheck_body,
        brought="poll",
    ),
    Trigger(
        name="togai.account.link_requested",
        app="togai",
        title="A person asked to change a link",
        output=LinkChange,
        subject=link_subject,
        extract=link_requested,
        by_state=False,
        brought="person",
    ),
)

ACTIONS = (
    Action(
        name="togai.account.read",
        app="togai",
        title="Read account and customer in Togai",
        input=AccountId,
        output=AccountFacts,
        reads=True,
        subject=lambda wanted: ("togai", "account", wanted.account_id),
    ),
    Action(
        name="togai.account.write_stripe_id",
        calls={"togai": 1},
        app="togai",
        title="Write the Stripe customer's id to an account's Settings",
        input=StripeId,
        output=Written,
        subject=lambda wanted: ("togai", "account", wanted.account_id),
    ),
    Action(
        name="togai.customer.create",
        app="togai",
        title="Create customer and account in Togai",
        input=NewTogaiCustomer,
        output=CustomerAndAccount,
        subject=lambda new: ("stripe", "customer", new.customer.id),
    ),
    Action(
        name="togai.account.sync_fields",
        calls={},
        app="togai",
        title="Bring a pair in step after a change in Stripe",
        input=ChangedCustomer,
        output=FieldsSynced,
        subject=lambda changed: ("stripe", "customer", changed.customer.id),
    ),
)
