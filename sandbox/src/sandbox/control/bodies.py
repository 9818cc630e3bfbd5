"""Request bodies of the control API."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from sandbox.tenants import RESOURCES, Right


class Body(BaseModel):
    """A body with known fields only."""

    model_config = ConfigDict(extra="forbid", strict=True)


class NewAccount(Body):
    """A Stripe account in one mode, or a Togai organization."""

    app: Literal["stripe", "togai"]
    id: str | None = Field(None, min_length=1, max_length=60, pattern=r"^[A-Za-z0-9_.-]+$")
    key: str | None = Field(None, min_length=1, max_length=255)
    live: bool = False
    name: str = "Sandbox"
    base_currency: str = Field("USD", pattern=r"^[A-Z]{3}$")


class NewKey(Body):
    """Another key to an account; with rights it is a restricted one."""

    account: str
    key: str | None = Field(None, min_length=1, max_length=255)
    rights: dict[Literal["account", "customers", "events", "webhook_endpoints"], Right] | None = None

    def full_rights(self) -> dict[str, Right] | None:
        """Rights for every resource; what is not named is none."""
        if self.rights is None:
            return None
        given: dict[str, Right] = dict(self.rights.items())
        return {resource: given.get(resource, "none") for resource in RESOURCES}


class NewSubscription(Body):
    """A Togai webhook."""

    account: str
    event: str = "Account creation"
    url: str = Field(min_length=1)


class Archive(Body):
    """A Togai customer or account to archive."""

    account: str
    customer: str | None = None
    togai_account: str | None = None


class Advance(Body):
    """Seconds to move the clock forward."""

    advance: float = Field(ge=0, strict=False)


class Roll(Body):
    """A webhook endpoint whose secret is rolled, and how long the old one goes on signing."""

    account: str
    endpoint: str
    overlap: float = Field(24 * 3600.0, ge=0, strict=False)
