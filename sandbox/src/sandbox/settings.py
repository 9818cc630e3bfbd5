"""What the control API can switch: limits, delays and the answers on which Togai's documentation is silent."""

from __future__ import annotations

from typing import Literal
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, field_validator


class Settings(BaseModel):
    """The sandbox's switches; None turns a limit off."""

    model_config = ConfigDict(extra="forbid", strict=True)

    stripe_test_rate: int | None = Field(25, description="requests a second and account, test mode")
    stripe_live_rate: int | None = Field(100, description="requests a second and account, live mode")
    stripe_operation_rate: int | None = Field(25, description="requests a second, account and operation")
    stripe_live_http_endpoints: bool = Field(False, description="let live-mode endpoints use plain http")
    public_url: str | None = Field(None, description="where people find the pages; null: where the call came to")
    webhook_delays: list[float] = Field(
        default=[1, 2, 4, 8, 16, 32, 60, 60, 60, 60], description="seconds before each retry of a Stripe delivery"
    )
    webhook_timeout: float = Field(
        10.0, gt=0, strict=False, description="seconds until a delivery attempt counts as failed"
    )
    stripe_void_returns_credit: bool = Field(True, description="whether a void gives the customer's balance back")
    togai_rate: int | None = Field(10, description="requests a second and organization")
    togai_unauthenticated: int | None = Field(5, description="unauthenticated calls in 30 minutes until the lock")
    togai_retry_after: int | None = Field(None, description="seconds in a Retry-After header on 429")
    togai_duplicate: Literal[200, 400, 409] = Field(400, description="answer to a create with a taken id")
    togai_setting_write: Literal[201, 204] = Field(201, description="answer to a successful write of a setting")
    togai_association_from: Literal["today", "tomorrow"] = Field("today", description="first day of a new plan")
    togai_draft_list: Literal["whole", "changed"] = Field("whole", description="what the list of a draft shows")
    togai_time_zone: str = Field("UTC", description="time zone of every organization: when its day begins")
    togai_price_plan_quota: int | None = Field(None, description="most price plans of an organization")
    togai_customer_quota: int | None = Field(None, description="most customers of an organization")
    togai_account_quota: int | None = Field(None, description="most accounts of an organization")
    togai_alias_quota: int | None = Field(None, description="most aliases of an organization")

    @field_validator("togai_time_zone")
    @classmethod
    def _is_known(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (OSError, LookupError, ValueError) as error:
            raise ValueError(f"no time zone {name!r}") from error
        return name
