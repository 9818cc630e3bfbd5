"""Our own clients against the running sandbox; every test has accounts of its own in it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest
import stripe
from shared.apps.model import Access
from shared.apps.stripe import client as stripe_client
from shared.apps.stripe.client import StripeApp
from shared.apps.togai import client as togai_client
from shared.apps.togai.client import TogaiApp
from shared.ratelimit import CallGate
from shared.settings import Settings

from tests.contract.sandbox.conftest import control as control
from tests.contract.sandbox.conftest import process as process
from tests.contract.sandbox.tools import Control, Process

TIMEOUT = 1.0
"""Deadline of a call in these tests: what hangs longer must not hold us."""


class RecordingGate(CallGate):
    """A gate that holds nobody and remembers who was asked to slow down."""

    def __init__(self) -> None:
        super().__init__(Settings(_env_file=None, stripe_quota=0, togai_quota=0))
        self.slowed_down: list[tuple[str, float]] = []
        self.operations: list[str] = []

    def slow_down(self, app_account: str, seconds: float, operation: str = "") -> None:
        self.slowed_down.append((app_account, seconds))
        self.operations.append(operation)


@dataclass
class Side:
    """One account at the sandbox."""

    control: Control
    app: str
    account: str
    key: str
    gate: RecordingGate

    def fault(self, kind: str, **rule: Any) -> Any:
        """A fault for this account only, for the length of a with block."""
        match = {"account": self.account} | rule.pop("match", {})
        return self.control.fault(app=self.app, kind=kind, match=match, **rule)

    def state(self) -> dict[str, Any]:
        """Every object of the account."""
        return self.control.call("GET", "/state", account=self.account)

    def calls(self) -> list[dict[str, Any]]:
        """What was called, the newest last."""
        calls: list[dict[str, Any]] = self.control.call("GET", "/calls", account=self.account)["calls"]
        return calls


@dataclass
class StripeSide(Side):
    client: StripeApp
    base: str
    http: stripe.HTTPClient


@dataclass
class TogaiSide(Side):
    client: TogaiApp
    base: str
    http: httpx2.AsyncClient


@pytest.fixture
async def stripe_side(process: Process, control: Control) -> AsyncIterator[StripeSide]:
    """A fresh Stripe account with our client to it."""
    made, gate, base = control.account("stripe"), RecordingGate(), f"{process.url}/stripe"
    http = stripe_client.http_client(TIMEOUT)
    client = StripeApp(Access("con_s", f"stripe:test:{made['id']}", made["key"], base, gate), http)
    yield StripeSide(control, "stripe", made["id"], made["key"], gate, client, base, http)
    await http.close_async()  # type: ignore[no-untyped-call]


@pytest.fixture
async def togai_side(process: Process, control: Control) -> AsyncIterator[TogaiSide]:
    """A fresh Togai organization with our client to it."""
    made, gate, base = control.account("togai"), RecordingGate(), f"{process.url}/togai"
    async with togai_client.http_client(TIMEOUT) as http:
        client = TogaiApp(Access("con_t", f"togai:test:{made['id']}", made["key"], base, gate), http)
        yield TogaiSide(control, "togai", made["id"], made["key"], gate, client, base, http)


def other_stripe(side: StripeSide, key: str = "", base: str = "") -> StripeApp:
    """The same account with another key, or at another address."""
    return StripeApp(Access("con_s", side.client.app_account, key or side.key, base or side.base, side.gate), side.http)


def other_togai(side: TogaiSide, token: str = "", base: str = "") -> TogaiApp:
    """The same organization with another token, or at another address."""
    return TogaiApp(
        Access("con_t", side.client.app_account, token or side.key, base or side.base, side.gate), side.http
    )
