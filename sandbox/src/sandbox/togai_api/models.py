"""Request bodies of Togai's API: unknown fields are refused, and nothing is coerced.

Null counts as not sent: the spec declares no field nullable, and the documentation of `metadata` says "not null".
"""

from __future__ import annotations

import json
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
)

from sandbox.clock import rfc3339
from sandbox.togai_api.errors import TogaiError

Id = Annotated[str, StringConstraints(min_length=1, max_length=50)]
Name = Annotated[str, StringConstraints(min_length=3, max_length=255)]
Email = Annotated[str, StringConstraints(max_length=320)]
Currency = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]
Alias = Annotated[str, StringConstraints(min_length=3, max_length=50)]
Text = Annotated[str, StringConstraints(min_length=1)]
DataType = Literal["STRING", "NUMERIC", "JSON", "JSON_LOGIC"]


def unique(values: list[str]) -> list[str]:
    if len(set(values)) != len(values):
        raise ValueError("items must be unique")
    return values


Tags = Annotated[list[str], AfterValidator(unique)]
Aliases = Annotated[list[Alias], Field(max_length=10), AfterValidator(unique)]


def _number(value: Any) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise ValueError("Input should be a valid number")
    return Decimal(value)


Number = Annotated[Decimal, BeforeValidator(_number)]
Day = Annotated[date, Field(strict=False)]


class Body(BaseModel):
    """A body with known fields only."""

    model_config = ConfigDict(extra="forbid", strict=True)


B = TypeVar("B", bound=Body)


class Address(Body):
    """An address; every field is optional."""

    phoneNumber: str | None = None
    line1: str | None = None
    line2: str | None = None
    postalCode: str | None = None
    city: str | None = None
    state: str | None = None
    country: Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$")] | None = None


class EntitySetting(Body):
    """A setting that is created with its entity."""

    id: Text
    value: str
    namespace: Text
    name: Text
    dataType: DataType


class NewSetting(EntitySetting):
    """A setting with the entity that it belongs to."""

    entityType: Text
    entityId: Text


class SettingChange(Body):
    """What PATCH may change of a setting."""

    name: Text | None = None
    value: str | None = None
    dataType: DataType | None = None


class AccountAlias(Body):
    """An alias with its effective dates."""

    value: Annotated[str, StringConstraints(min_length=1, max_length=50)]
    effectiveFrom: Annotated[AwareDatetime, Field(strict=False)] | None = None
    effectiveUntil: Annotated[AwareDatetime, Field(strict=False)] | None = None


class AliasRemoval(Body):
    """An alias to remove, by its own id."""

    id: Text
    from_: Annotated[AwareDatetime | None, Field(strict=False)] = Field(None, alias="from")


class BillingInformation(Body):
    """Who gets the mails."""

    emailRecipients: list[Email] | None = None
    additionalEmailRecipients: list[Email] | None = None


class AccountFields(Body):
    """What an account can be created and changed with."""

    invoiceCurrency: Currency | None = None
    netTermDays: Annotated[int, Field(ge=-(2**31), lt=2**31)] | None = None
    primaryEmail: Email | None = None
    billingInformation: BillingInformation | None = None
    address: Address | None = None
    metadata: dict[str, str] | None = None
    tags: Tags | None = None
    status: Literal["ACTIVE", "DRAFT"] | None = None


class NestedAccount(AccountFields):
    """The account inside a new customer."""

    id: Id
    name: Name
    aliases: Aliases | None = None
    accountAliases: list[AccountAlias] | None = None
    settings: Annotated[list[EntitySetting], Field(max_length=10)] | None = None


class NewAccount(NestedAccount):
    """An account for a customer that is there."""

    customerId: Annotated[str, StringConstraints(min_length=1, max_length=255)]


class AccountChange(AccountFields):
    """What PATCH may change of an account; `metadata` replaces the whole map."""

    name: Name | None = None


class NewCustomer(Body):
    """A customer, with its first account inside."""

    id: Id
    name: Name
    primaryEmail: Email
    address: Address
    settings: Annotated[list[EntitySetting], Field(max_length=10)] | None = None
    account: NestedAccount | None = None


class CustomerChange(Body):
    """What PATCH may change of a customer."""

    name: Name | None = None
    primaryEmail: Email | None = None
    address: Address | None = None


class AliasesAdded(Body):
    """Aliases for an account."""

    aliases: Annotated[list[Alias], Field(min_length=1, max_length=10), AfterValidator(unique)] | None = None
    accountAliases: Annotated[list[AccountAlias], Field(min_length=1, max_length=10)] | None = None


class AliasesRemoved(Body):
    """Aliases to take from an account."""

    aliases: list[str] | None = None
    accountAliases: list[AliasRemoval] | None = None


class FreeAlias(Body):
    """An alias that belongs to no account yet."""

    value: Annotated[str, StringConstraints(min_length=1, max_length=255)]


class FreeAliases(Body):
    """Aliases to register."""

    aliases: Annotated[list[FreeAlias], Field(min_length=1, max_length=100)]


def read(model: type[B], body: bytes) -> B:
    """The body as its model; raises 400 with the first thing that is wrong."""
    try:
        # Amounts are kept as they were written: a float would change some of them.
        parsed = json.loads(body or b"null", parse_float=Decimal, parse_constant=_refused)
    except (ValueError, RecursionError) as error:
        raise TogaiError(400, "Invalid request: the body is not JSON") from error
    try:
        return model.model_validate(parsed)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise TogaiError(
            400, f"Invalid request: {place}: {first['msg']}" if place else f"Invalid request: {first['msg']}"
        ) from error


def _refused(word: str) -> None:
    raise ValueError(f"{word} is no JSON")


def sent(body: Body) -> dict[str, Any]:
    """The fields that were sent with a value, as JSON values; amounts stay exact."""
    found: dict[str, Any] = _plain(body.model_dump(exclude_none=True, by_alias=True))
    return found


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    if isinstance(value, datetime):
        return rfc3339(value.timestamp())
    return value.isoformat() if isinstance(value, date) else value
