"""What the vendors say of a key: written down apart from its secrets, for the key that it is about and no other."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from cryptography.fernet import Fernet
from shared.connections import Connection, Limits, Secrets, Vault
from shared.errors import Blocked, ConnectionClosed, KeyRefused, QuotaUsed
from shared.events.envelope import timestamp
from shared.events.topics import Topics
from shared.identity import key_fingerprint
from shared.key_states import KeyState, decode
from shared.retries import is_worth_retrying
from shared.runtime.clients import Clients
from shared.runtime.registry import Registry
from shared.settings import Settings

from tests.contract.clients.conftest import StripeSide, TogaiSide
from tests.fakes.log import FakeLog

LONG_AGO = "2020-01-01T00:00:00Z"


class Harness:
    """The clients of one worker, with a connection to a vendor that knows its key."""

    def __init__(self, side: TogaiSide | StripeSide) -> None:
        settings = Settings(_env_file=None, call_timeout=1.0)
        self.registry, self.opened, self.log = Registry(), list[str](), FakeLog()
        self.vault = Vault([Fernet.generate_key().decode()])
        self.topics = Topics(settings)
        app: Any = side.app
        self.bare = Connection(
            id="con", app=app, app_account=f"{app}:test:{side.account}", mode="test", api_base=side.base, sealed=""
        )
        self.connect(side.key)
        self.registry.on_open.append(self.opened.append)
        self.clients = Clients(settings, self.registry, self.vault, side.gate, self.log, self.topics)

    def connect(self, key: str) -> None:
        """Give the connection a key, as the console does."""
        self.registry.keep_connection(self.vault.seal(self.bare, Secrets(api_key=key)))

    def refuse(self, key: str, operation: str = "", at: str = LONG_AGO) -> None:
        """A vendor's refusal, as another worker wrote it down."""
        self.registry.keep_key_state(
            KeyState(
                connection="con", fingerprint=key_fingerprint(key), state="refused", operation=operation,
                reason="401: the key was revoked" if not operation else "403: no right", at=at,
            )
        )  # fmt: skip

    @property
    def state(self) -> tuple[str, str]:
        """Of the connection's present key, with the reason."""
        found = self.registry.key_states.refusal(self.registry.connections["con"])
        return ("closed", found.reason) if found else ("open", "")

    @property
    def key_states(self) -> list[tuple[str, str, str]]:
        """What was written down: key, operation, state."""
        found = [decode(record.value) for record in self.log.on(self.topics.key_states)]
        return [(state.fingerprint, state.operation, state.state) for state in found]


@pytest.fixture
async def harness(togai_side: TogaiSide) -> AsyncIterator[Harness]:
    """With its connection to the sandbox, closed long ago."""
    made = Harness(togai_side)
    made.refuse(togai_side.key)
    async with made.clients:
        yield made


@pytest.fixture
async def stripe_harness(stripe_side: StripeSide) -> AsyncIterator[Harness]:
    """With an open connection to the sandbox."""
    made = Harness(stripe_side)
    async with made.clients:
        yield made


async def test_a_good_probe_opens_it_and_tells_who_waits(harness: Harness, togai_side: TogaiSide) -> None:
    """Once; a call then goes by the same client as ever."""
    await harness.clients.of("con")
    await harness.clients.of("con")

    assert harness.state == ("open", "")
    assert harness.opened == ["con"]
    assert harness.key_states == [(key_fingerprint(togai_side.key), "", "good")]


async def test_a_vendor_that_is_away_says_nothing_of_the_key(harness: Harness, togai_side: TogaiSide) -> None:
    """It stays closed for the reason that it was closed for, and the next probe waits its time."""
    with togai_side.fault("error_before"), pytest.raises(ConnectionClosed, match="401: the key was revoked"):
        await harness.clients.of("con")
    with pytest.raises(ConnectionClosed, match="401: the key was revoked"):
        await harness.clients.of("con")

    assert harness.state == ("closed", "401: the key was revoked")
    assert harness.opened == []
    assert len(togai_side.calls()) == 1


async def test_a_key_that_is_refused_still_is_the_new_reason(harness: Harness, togai_side: TogaiSide) -> None:
    """In the vendor's words."""
    with togai_side.fault("unauthorized"), pytest.raises(ConnectionClosed):
        await harness.clients.of("con")
    state, reason = harness.state

    assert state == "closed"
    assert "answered 401" in reason


async def test_a_401_about_the_former_key_closes_nothing(harness: Harness) -> None:
    """It was sent before the key was changed and is answered after: the new key stays open, nothing is written."""
    harness.connect("togai_new")
    late = KeyRefused("Togai: answered 401", connection="con", fingerprint=key_fingerprint("togai_former"))
    error = await harness.clients.close(late)

    assert isinstance(error, ConnectionClosed)
    assert harness.state == ("open", "")
    assert harness.registry.is_open("con")
    assert harness.log.written == []


async def test_a_worker_that_does_not_know_the_new_key_yet_writes_nothing_over_it(harness: Harness) -> None:
    """What it says is about the former key, in a record of its own: the secrets stand in none that a worker writes."""
    harness.connect("togai_former")
    await harness.clients.close(
        KeyRefused("Togai: answered 401", connection="con", fingerprint=key_fingerprint("togai_former"))
    )
    (record,) = harness.log.written
    harness.connect("togai_new")

    assert (record.topic, harness.key_states) == (
        "tandem.key-states",
        [(key_fingerprint("togai_former"), "", "refused")],
    )
    assert b"sealed" not in record.value
    assert harness.state == ("open", "")


async def test_a_new_key_opens_the_connection_at_once(harness: Harness) -> None:
    """What was refused to the former one is no word about it, and what waited goes on."""
    assert harness.state[0] == "closed"
    harness.connect("togai_new")

    assert harness.state == ("open", "")
    assert harness.opened == ["con"]


async def test_a_missing_right_holds_back_what_needs_it_and_nothing_else(
    stripe_harness: Harness, stripe_side: StripeSide
) -> None:
    """Written down once with Stripe's words; no call of that kind is sent for a while, others are."""
    rights = {"customers": "read", "account": "read"}
    key = stripe_side.control.call("POST", "/keys", {"account": stripe_side.account, "rights": rights})["key"]
    stripe_harness.connect(key)
    client = await stripe_harness.clients.of("con")
    with pytest.raises(Blocked, match="rak_customer_write") as caught:
        await client.create_customer({"name": "Acme"}, "k")
    await stripe_harness.clients.block(caught.value)
    with pytest.raises(Blocked, match="rak_customer_write") as again:
        await client.create_customer({"name": "Acme"}, "k")
    await stripe_harness.clients.block(again.value)

    assert stripe_harness.key_states == [(key_fingerprint(key), "customers.create", "refused")]
    assert stripe_harness.state == ("open", "")
    assert [call["status"] for call in stripe_side.calls()] == [403]
    assert [customer async for customer in client.customers_since(0)] == []


async def test_what_is_allowed_again_wakes_who_waits(stripe_harness: Harness, stripe_side: StripeSide) -> None:
    """After a while one call tries it: its success takes the refusal back, for all workers."""
    stripe_harness.refuse(stripe_side.key, "customers.create")
    await (await stripe_harness.clients.of("con")).create_customer({"name": "Acme"}, "k")

    assert stripe_harness.key_states == [(key_fingerprint(stripe_side.key), "customers.create", "good")]
    assert stripe_harness.opened == ["con"]


@pytest.mark.parametrize("changed", [{"api_base": "/elsewhere"}, {"id": "con_2"}, {"mode": "live"}])
async def test_a_record_that_somebody_rewrote_sends_nothing(
    harness: Harness, togai_side: TogaiSide, changed: dict[str, Any]
) -> None:
    """Whoever can write to Kafka gets no key: the run waits, nobody is called, and the next right record goes on."""
    harness.registry.key_states = Registry().key_states
    good = harness.registry.connections["con"]
    base = {name: togai_side.base + value if name == "api_base" else value for name, value in changed.items()}
    rewritten = msgspec.structs.replace(good, **base)
    harness.registry.keep_connection(rewritten)
    with pytest.raises(Blocked, match=rf"its {next(iter(changed))} is not what .*tandem connections add") as caught:
        await harness.clients.of(rewritten.id)
    await harness.clients.block(caught.value)

    assert (caught.value.connection, is_worth_retrying(caught.value)) == (rewritten.id, False)
    assert (togai_side.calls(), harness.log.written) == ([], [])
    harness.registry.keep_connection(good)
    assert await (await harness.clients.of("con")).organization() in ("", togai_side.account)


async def test_a_client_that_was_made_before_the_record_changed_is_not_used(
    harness: Harness, togai_side: TogaiSide
) -> None:
    """It holds the key already, and the record says another address now."""
    client = await harness.clients.of("con")
    before = len(togai_side.calls())
    harness.registry.keep_connection(
        msgspec.structs.replace(harness.registry.connections["con"], api_base=f"{togai_side.base}/elsewhere")
    )
    with pytest.raises(Blocked):
        await harness.clients.of("con")
    with pytest.raises(ConnectionClosed, match="replaced"):
        await client.organization()

    assert len(togai_side.calls()) == before


async def test_a_quota_that_is_used_up_is_tried_by_one_call_at_a_time(harness: Harness, togai_side: TogaiSide) -> None:
    """The others wait for what comes of it; its success lets them go on. Until the next try is due nobody calls."""
    harness.registry.key_states = Registry().key_states
    fingerprint, operation = key_fingerprint(togai_side.key), "customers.get"
    state = KeyState(
        connection="con", fingerprint=fingerprint, state="refused", operation=operation, quota=True,
        reason="The quota of 100 customers is used up", at=LONG_AGO,
    )  # fmt: skip
    client = await harness.clients.of("con")
    harness.registry.keep_key_state(msgspec.structs.replace(state, at=timestamp(datetime.now(UTC))))
    with pytest.raises(QuotaUsed, match="The quota of 100 customers"):
        await client.customer("c1")
    early = len(togai_side.calls())
    harness.registry.keep_key_state(state)
    found = await asyncio.gather(*(client.customer(f"c{n}") for n in range(5)), return_exceptions=True)

    assert (early, len(togai_side.calls())) == (0, 1)
    assert [type(each) for each in found].count(QuotaUsed) == 4


async def test_what_is_no_part_of_the_key_leaves_its_client(stripe_harness: Harness, stripe_side: StripeSide) -> None:
    """Limits, titles: a call that waits meanwhile goes out; one whose key was replaced does not."""
    harness = stripe_harness
    client = await harness.clients.of("con")
    present = harness.registry.connections["con"]
    limits = Limits(quota=5)
    harness.registry.keep_connection(msgspec.structs.replace(present, limits=limits, title="EU", changed_at="now"))

    await client.customers_page()
    assert await harness.clients.of("con") is client
    harness.connect("sk_test_another")
    with pytest.raises(ConnectionClosed, match="replaced or removed"):
        await client.customers_page()
