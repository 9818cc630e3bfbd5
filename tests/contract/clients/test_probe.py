"""A closed connection: one probe at a time opens it again, and only the vendor's word on the key keeps it closed."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from cryptography.fernet import Fernet
from shared.apps.clients import Clients
from shared.connections import Connection, Secrets, Vault
from shared.errors import ConnectionClosed
from shared.events.topics import Topics
from shared.registry import Registry
from shared.settings import Settings

from tests.contract.clients.conftest import TogaiSide
from tests.fakes.log import FakeLog

LONG_AGO = "2020-01-01T00:00:00Z"


class Bench:
    """The clients of one worker, with a closed connection to a Togai that knows its key."""

    def __init__(self, side: TogaiSide) -> None:
        settings = Settings(_env_file=None, call_timeout=1.0)
        self.registry, self.opened = Registry(), list[str]()
        self.registry.on_open.append(self.opened.append)
        vault = Vault([Fernet.generate_key().decode()])
        sealed = vault.seal(Secrets(api_key=side.key))
        self.registry.keep_connection(
            Connection(
                id="con", app="togai", app_account=side.account, mode="test", api_base=side.base, sealed=sealed,
                state="closed", reason="401: the key was revoked", changed_at=LONG_AGO,
            )
        )  # fmt: skip
        self.clients = Clients(settings, self.registry, vault, side.gate, FakeLog(), Topics(settings))

    @property
    def state(self) -> tuple[str, str]:
        """Of the connection, with its reason."""
        found = self.registry.connections["con"]
        return found.state, found.reason


@pytest.fixture
async def bench(togai_side: TogaiSide) -> AsyncIterator[Bench]:
    """With its connections to the sandbox."""
    made = Bench(togai_side)
    async with made.clients:
        yield made


async def test_a_good_probe_opens_it_and_tells_who_waits(bench: Bench) -> None:
    """Once; a call then goes by the same client as ever."""
    await bench.clients.togai("con")
    await bench.clients.togai("con")

    assert bench.state == ("open", "")
    assert bench.opened == ["con"]


async def test_a_vendor_that_is_away_says_nothing_of_the_key(bench: Bench, togai_side: TogaiSide) -> None:
    """It stays closed for the reason that it was closed for, and the next probe waits its time."""
    with togai_side.fault("error_before"), pytest.raises(ConnectionClosed, match="401: the key was revoked"):
        await bench.clients.togai("con")
    with pytest.raises(ConnectionClosed, match="401: the key was revoked"):
        await bench.clients.togai("con")

    assert bench.state == ("closed", "401: the key was revoked")
    assert bench.opened == []
    assert len(togai_side.calls()) == 1


async def test_a_key_that_is_refused_still_is_the_new_reason(bench: Bench, togai_side: TogaiSide) -> None:
    """In the vendor's words."""
    with togai_side.fault("unauthorized"), pytest.raises(ConnectionClosed):
        await bench.clients.togai("con")
    state, reason = bench.state

    assert state == "closed"
    assert "answered 401" in reason
