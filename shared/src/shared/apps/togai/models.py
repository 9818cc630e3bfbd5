"""What we read of and send to Togai. Read lenient (unknown fields ignored), written strict.

Limits and required fields are those of Togai's OpenAPI specification of 2024-12.
"""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict, Field, field_validator

from shared.model import Model

ID_LIMIT = 50
NAME_SHORTEST, NAME_LONGEST = 3, 255
EMAIL_LIMIT = 320
USER_NAMESPACE = "USER"


class TogaiAddress(Model):
    """An address as Togai holds it; every part may be missing. The phone number lives in here."""

    model_config = ConfigDict(extra="ignore", frozen=True, populate_by_name=True)

    phone_number: str | None = Field(None, alias="phoneNumber")
    line1: str | None = None
    line2: str | None = None
    postal_code: str | None = Field(None, alias="postalCode")
    city: str | None = None
    state: str | None = None
    country: str | None = None


class TogaiAccount(Model):
    """An account, from an answer. Settings are never in it: they are read on their own."""

    model_config = ConfigDict(extra="ignore", frozen=True, populate_by_name=True)

    id: str = Field(min_length=1)
    customer_id: str = Field(alias="customerId")
    name: str = ""
    status: str = "ACTIVE"
    invoice_currency: str | None = Field(None, alias="invoiceCurrency")
    primary_email: str | None = Field(None, alias="primaryEmail")
    address: TogaiAddress | None = None
    metadata: dict[str, str] = Field(default_factory=dict)
    togai_account_id: str = Field("", alias="togaiAccountId")

    @field_validator("metadata", mode="before")
    @classmethod
    def _no_metadata(cls, value: object) -> object:
        return value or {}


class TogaiCustomer(Model):
    """A customer, from an answer."""

    model_config = ConfigDict(extra="ignore", frozen=True, populate_by_name=True)

    id: str = Field(min_length=1)
    name: str = ""
    primary_email: str | None = Field(None, alias="primaryEmail")
    address: TogaiAddress | None = None
    status: str = "ACTIVE"
    account: TogaiAccount | None = None


class Setting(Model):
    """One named value on an entity. `value` is always a string at Togai."""

    model_config = ConfigDict(extra="ignore", frozen=True, populate_by_name=True)

    id: str
    value: str
    entity_type: str = Field("", alias="entityType")
    entity_id: str = Field("", alias="entityId")
    namespace: str = USER_NAMESPACE


class NewSetting(Model):
    """A setting inside a new customer or account."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    id: str
    value: str
    namespace: str = USER_NAMESPACE
    name: str
    data_type: Literal["STRING", "NUMERIC", "JSON", "JSON_LOGIC"] = Field("STRING", alias="dataType")


class NewAccount(Model):
    """The account inside a new customer: without it Togai would make one under an id of its own."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    id: str = Field(max_length=ID_LIMIT)
    name: str = Field(min_length=NAME_SHORTEST, max_length=NAME_LONGEST)
    invoice_currency: str = Field(alias="invoiceCurrency", pattern="^[A-Z]{3}$")
    primary_email: str = Field(alias="primaryEmail", max_length=EMAIL_LIMIT)
    address: TogaiAddress
    settings: list[NewSetting] = Field(max_length=10)
    metadata: dict[str, str] | None = None


class NewCustomer(Model):
    """The body of POST /customers."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    id: str = Field(max_length=ID_LIMIT)
    name: str = Field(min_length=NAME_SHORTEST, max_length=NAME_LONGEST)
    primary_email: str = Field(alias="primaryEmail", max_length=EMAIL_LIMIT)
    address: TogaiAddress
    account: NewAccount

    def body(self) -> dict[str, object]:
        """JSON as Togai wants it: names in camel case, nothing that is not set."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)
