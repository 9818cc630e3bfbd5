"""How far ingress is with reading the vendors' lists, as it tells itself."""

from __future__ import annotations

from http import HTTPStatus
from typing import Literal

import httpx
from pydantic import Field, ValidationError
from shared.model import Model
from shared.settings import Settings

from console.api.parts import DEADLINE, noted
from console.http import own_machine
from console.local.parts import ingress_admin_url

FEW_LEFT = 0.8
"""Share of the reads that a vendor allows from which on somebody should know."""


class PollerItem(Model):
    """One list of one app account."""

    app_account: str = Field(examples=["stripe:test:acct_1Nv0FGQ9RKHgCVdK"])
    kind: str = Field(description="which list of its app", examples=["stripe-events"])
    interval: float | None = Field(None, description="seconds between two polls; null for a list that was read once")
    at: str = Field("", description="when it was last read")
    position: str = Field("", description="time up to which everything is in the log")
    complete: bool = Field(False, description="whether the first full pass has ended")
    passes: int = Field(0, description="full passes so far")
    seen: int = Field(0, description="entities read in the present pass")
    found: int = Field(0, description="events that no webhook had brought")
    gap_seconds: float | None = Field(None, description="age of the last complete look")
    level: Literal["ok", "warning", "alarm"] = "ok"
    problem: str = Field("", description="what is not well, and what to do")


class ReadsItem(Model):
    """How often an app account was read in the last 30 days, by all processes."""

    app_account: str
    used: int
    allowed: int = Field(description="how many the vendor allows, by the payments of these days")


class Pollers(Model):
    """What ingress says of its pollers."""

    polling: bool = Field(True, description="whether pollers are on at all")
    leader: bool = Field(False, description="whether the ingress that was asked is the one that polls")
    webhooks: str = Field("", description="`come in`, or `polling only` where no vendor can reach this machine")
    problem: str = Field("", description="why nothing is read at present")
    items: list[PollerItem] = []
    reads: list[ReadsItem] = Field([], description="of accounts whose vendor counts reads: Stripe's in live mode")


async def ask(settings: Settings) -> Pollers | None:
    """None if no ingress can be asked from here, or if it knows no pollers."""
    async with own_machine(timeout=DEADLINE) as client:
        try:
            answer = await client.get(f"{ingress_address(settings)}/pollers")
            return Pollers.model_validate_json(answer.content) if answer.status_code == HTTPStatus.OK else None
        except (httpx.HTTPError, ValidationError):
            return None


def ingress_address(settings: Settings) -> str:
    """Of the ingress that `tandem up` started, else of one on this machine."""
    urls = [part.pages for part in noted(settings) if part.name == "ingress" and part.pages]
    return (urls or [ingress_admin_url(settings)])[0].rstrip("/")


def problems(found: Pollers | None, *levels: str) -> list[str]:
    """The items on one of the levels, each in a sentence; that nothing is read at all is a warning."""
    if found is None:
        return []
    whole = [f"pollers: {found.problem}"] if found.problem and "warning" in levels else []
    late = (item for item in found.items if item.level in levels)
    remedy = "see the log of ingress and `tandem connections list`"
    if "warning" in levels:
        whole += [_few_left(one) for one in found.reads if one.used >= FEW_LEFT * one.allowed]
    return whole + [f"{item.kind} of {item.app_account}: {item.problem or _gap(item)}; {remedy}" for item in late]


def _few_left(item: ReadsItem) -> str:
    return (
        f"{item.app_account} was read {item.used:,} times in 30 days of {item.allowed:,} that the vendor allows: the "
        "pollers are slower, webhooks bring what happens meanwhile; ask Stripe for a larger allocation of reads"
    )


def _gap(item: PollerItem) -> str:
    days = (item.gap_seconds or 0.0) / 86400
    return f"not read for {days:.0f} days" if days >= 1 else "it is not read as it should be"
