"""One sandbox process for all tests of this folder; every test makes its own account in it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
import stripe
from console.local.ports import free_port

from tests.contract.sandbox import tools


@pytest.fixture(scope="session", autouse=True)
def _quiet_sdk() -> None:
    """Keeps the SDK from writing a telemetry id to the user's folder."""
    stripe.enable_telemetry = False


@pytest.fixture(scope="session")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tools.Process]:
    """The running sandbox."""
    running = tools.Process(tmp_path_factory.mktemp("sandbox"), free_port())
    running.start()
    yield running
    assert running.stop() == 0


@pytest.fixture(scope="session")
def control(process: tools.Process) -> Iterator[tools.Control]:
    """The control API, with rate limits off and quick retries."""
    control = tools.Control(process.url)
    control.call(
        "PATCH", "/settings", {**tools.UNLIMITED, "webhook_delays": [0.05, 0.1, 0.2, 0.4], "webhook_timeout": 5}
    )
    yield control
    control.http.close()


@dataclass
class StripeSide:
    """A Stripe account of its own."""

    url: str
    account: str
    key: str
    sdk: stripe.StripeClient
    http: httpx.Client


@dataclass
class TogaiSide:
    """A Togai organization of its own."""

    url: str
    account: str
    key: str
    http: httpx.Client


@pytest.fixture
def side(process: tools.Process, control: tools.Control) -> Iterator[StripeSide]:
    """A fresh Stripe account in test mode."""
    made = control.account("stripe")
    with tools.stripe_http(process.url, made["key"]) as http:
        sdk = tools.stripe_client(process.url, made["key"])
        yield StripeSide(process.url, made["account"], made["key"], sdk, http)


@pytest.fixture
def org(process: tools.Process, control: tools.Control) -> Iterator[TogaiSide]:
    """A fresh Togai organization."""
    made = control.account("togai")
    with tools.togai_http(process.url, made["key"]) as http:
        yield TogaiSide(process.url, made["account"], made["key"], http)


@pytest.fixture
def receiver() -> Iterator[tools.Receiver]:
    """A webhook endpoint."""
    made = tools.Receiver()
    yield made
    made.close()


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """A folder for a sandbox of one test's own."""
    return tmp_path / "state"
