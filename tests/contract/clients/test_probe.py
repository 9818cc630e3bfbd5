"""A closed connection: one probe at a time opens it again, and only the vendor's word on the key keeps it closed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
from cryptography.fernet import Fernet
from shared.apps.clients import Clients
from shared.connections import Connection, Secrets, Vault
from shared.errors import Blocked, ConnectionClosed
from shared.events.topics import Topics
from shared.registry import Registry
from shared.retries import is_worth_retrying
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
        closed = Connection(
            id="con", app="togai", app_account=side.account, mode="test", api_base=side.base, sealed="",
            state="closed", reason="401: the key was revoked", changed_at=LONG_AGO,
        )  # fmt: skip
        self.registry.keep_connection(vault.seal(closed, Secrets(api_key=side.key)))
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


@pytest.mark.parametrize("changed", [{"api_base": "/elsewhere"}, {"id": "con_2"}, {"mode": "live"}])
async def test_a_record_that_somebody_rewrote_sends_nothing(
    bench: Bench, togai_side: TogaiSide, changed: dict[str, Any]
) -> None:
    """Whoever can write to Kafka gets no key: the run waits, nobody is called, and the next right record goes on."""
    good = msgspec.structs.replace(bench.registry.connections["con"], state="open")
    base = {name: togai_side.base + value if name == "api_base" else value for name, value in changed.items()}
    rewritten = msgspec.structs.replace(good, **base)
    bench.registry.keep_connection(rewritten)
    with pytest.raises(Blocked, match=rf"its {next(iter(changed))} is not what .*tandem connections add") as caught:
        await bench.clients.togai(rewritten.id)

    assert (caught.value.connection, is_worth_retrying(caught.value)) == (rewritten.id, False)
    assert togai_side.calls() == []
    bench.registry.keep_connection(good)
    assert await (await bench.clients.togai("con")).organization() in ("", togai_side.account)


async def test_a_client_that_was_made_before_the_record_changed_is_not_used(
    bench: Bench, togai_side: TogaiSide
) -> None:
    """It holds the key already, and the record says another address now."""
    await bench.clients.togai("con")
    bench.registry.keep_connection(
        msgspec.structs.replace(bench.registry.connections["con"], api_base=f"{togai_side.base}/elsewhere")
    )
    with pytest.raises(Blocked):
        await bench.clients.togai("con")
