"""What we read of Stripe's objects. Lenient: unknown fields are ignored, new enum values pass.

Field limits are those of Stripe's OpenAPI specification for `POST /v1/customers` (2026-05-27.dahlia).
"""

from __future__ import annotations

from pydantic import ConfigDict, Field, field_validator

from shared.identity import LONGEST_ID
from shared.model import Model

NAME_LIMIT = 256
EMAIL_LIMIT = 512
PHONE_LIMIT = 20
DESCRIPTION_LIMIT = 5000
METADATA_VALUE_LIMIT = 500
TOGAI_ACCOUNT_ID = "togai_account_id"
"""Name in a customer's metadata of the Togai account that it is linked to, or is to be."""
TOGAI_INVOICE_GROUP = "togai_invoice_group_id"
"""Name in a customer's metadata of the invoice group in Togai that it pays for: it has no account."""


class StripeAddress(Model):
    """An address as Stripe holds it; every part may be missing."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    line1: str | None = None
    line2: str | None = None
    city: str | None = None
    state: str | None = None
    postal_code: str | None = None
    country: str | None = None


class StripeCustomer(Model):
    """A customer, from an answer or from an event. A deleted one has nothing but its id and `deleted`."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    id: str = Field(min_length=1, max_length=LONGEST_ID)
    name: str | None = None
    business_name: str | None = None
    individual_name: str | None = None
    email: str | None = None
    phone: str | None = None
    description: str | None = None
    address: StripeAddress | None = None
    currency: str | None = None
    metadata: dict[str, str] = Field(default_factory=dict)
    created: int = 0
    livemode: bool = False
    deleted: bool = False

    @field_validator("metadata", mode="before")
    @classmethod
    def _no_metadata(cls, value: object) -> object:
        return value or {}
