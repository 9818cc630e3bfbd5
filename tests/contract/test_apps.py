"""One suite that every app passes, the made-up one too: what the rest may rely on, whoever the vendor is."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from ingress.polling.scheduler import event_topics
from shared.apps import APPS
from shared.apps.receiving import RawWebhook, Refused
from shared.domains import subject_of
from shared.errors import KeyRefused, RateLimited, SyncError, Unavailable
from shared.events import envelope as envelopes
from shared.ratelimit.quotas import SOURCES
from shared.settings import Settings

from tests.contract.kits import HAPPENS, KITS, TIMEOUT, Kit, Webhook
from tests.fakes.polling import NOW, SETTINGS, Clock, FoldingLog, Memory, MemoryEventLog
from tests.made_up.conftest import registered as registered

LATER = 5000.0
"""Seconds between two polls: beyond what waits for webhooks, and beyond what a poll reads again anyway."""
MOST = 10
"""Polls in which a pass must come to its end."""


@pytest.fixture
def kit(request: pytest.FixtureRequest) -> Kit:
    """One app's part of the suite."""
    return KITS[request.param]()


every_app = pytest.mark.parametrize("kit", sorted(KITS), indirect=True)


def test_every_app_is_in_this_suite() -> None:
    """Whoever adds one writes its kit."""
    assert set(KITS) == set(APPS)


# --- what it says of itself -------------------------------------------------------------------------------------------


@every_app
@pytest.mark.parametrize("mode", ["test", "live"])
def test_it_says_what_it_is_allowed_in_each_mode(kit: Kit, mode: str) -> None:
    """And the limits ask the adapter: no list of vendors stands beside it."""
    quota = kit.app.quota(SETTINGS, mode)

    assert min(quota.rate, quota.operation_rate, quota.concurrency) >= 0
    assert SOURCES[kit.app.name](SETTINGS, mode) == quota


@every_app
def test_every_poll_has_one_poller_and_an_interval(kit: Kit) -> None:
    """Their kinds are the app's own, and no two apps have the same."""
    pollers = kit.app.pollers_of(Memory().context(kit.connection.app_account, Clock()))
    kept = [spec for poller in pollers for spec in poller.polls]

    assert sorted(spec.kind for spec in kept) == sorted(spec.kind for spec in kit.app.polls)
    assert all(spec.kind.startswith(f"{kit.app.name}-") and spec.title for spec in kit.app.polls)
    assert all(kit.app.poll_interval(spec, SETTINGS, mode) > 0 for spec in kept for mode in ("test", "live"))
    assert set(kit.app.fills_index) <= {spec.kind for spec in kit.app.polls}


@every_app
def test_set_ups_own_connection_is_complete(kit: Kit) -> None:
    """If it makes one: of the sandbox, or of the environment's names that the app tells."""
    wanted, connector = kit.app.connector.from_settings(Settings(_env_file=None)), kit.app.connector
    if wanted is None:
        assert (connector.key_variable, connector.base_variable) == ("", "")
        return

    assert (wanted.app, connector.mode_of(wanted)) == (kit.app.name, "test")
    assert wanted.key
    assert wanted.api_base == connector.default_base(Settings(_env_file=None))
    assert connector.own_key(Settings(_env_file=None)) == ""
    assert {connector.key_variable.lower(), connector.base_variable.lower()} <= set(Settings.model_fields)
    with_key = Settings(_env_file=None, **{connector.key_variable.lower(): "x"})  # type: ignore[arg-type]
    assert (connector.own_key(with_key), with_key.sandboxed) == ("x", False), "its setting is no VendorKey"


# --- webhooks ---------------------------------------------------------------------------------------------------------


async def receive(kit: Kit, hook: Webhook) -> tuple[envelopes.Envelope, int]:
    """What an app makes of a request, and how often it read the body. Raises Refused."""
    reads = 0

    async def read() -> bytes:
        nonlocal reads
        reads += 1
        assert not hook.unread, "it was to be refused without its body"
        return hook.body

    raw = RawWebhook(
        path=list(hook.path), header=lambda name: hook.headers.get(name, b""), read=read, subject_of=subject_of,
        now=time.time(),
    )  # fmt: skip
    return await kit.app.receive(raw, kit.connection, hook.secrets or kit.secrets), reads


@every_app
async def test_a_good_webhook_becomes_an_envelope(kit: Kit) -> None:
    """Of the connection's account, with the vendor's body."""
    hook = kit.webhook()
    made, reads = await receive(kit, hook)

    assert made.type.startswith(f"{kit.app.name}.")
    assert (made.appaccount, made.connection, made.origin, made.refused, reads) == (
        kit.connection.app_account, kit.connection.id, "live", "", 1,
    )  # fmt: skip
    assert made.aggregate.startswith(f"{made.appaccount}/")
    assert made.body() == json.loads(hook.body)


@pytest.mark.parametrize(
    ("kit", "why"),
    [pytest.param(name, why, id=f"{name}: {why}") for name in sorted(KITS) for why in KITS[name]().refused()],
    indirect=["kit"],
)
async def test_a_webhook_that_proves_nothing_is_refused(kit: Kit, why: str) -> None:
    """With a 4xx and a short code; without its body where that is possible."""
    with pytest.raises(Refused) as refused:
        await receive(kit, kit.refused()[why])

    assert 400 <= refused.value.status < 500
    assert refused.value.reason
    assert not set(refused.value.reason) - set("abcdefghijklmnopqrstuvwxyz0123456789_")


@every_app
def test_no_secret_is_among_what_it_refuses(kit: Kit) -> None:
    """Of every app: nothing set opens no door, and neither does what is blank."""
    assert {"no secret", "a blank secret", "unknown address"} <= set(kit.refused())


@every_app
@pytest.mark.parametrize(
    "body", [b"", b"{", b"\xff\xfe", b"7", b"null", b"[]", b"{}", b"[" * 5000, b'{"a":' * 200 + b"1" + b"}" * 200]
)
async def test_any_body_is_refused_or_can_be_kept(kit: Kit, body: bytes) -> None:
    """Nothing that a sender writes is an error of ours."""
    try:
        made, _ = await receive(kit, kit.webhook(body))
    except Refused:
        return

    assert envelopes.decode(envelopes.encode(made)).aggregate == made.aggregate
    made.body()


# --- calls ------------------------------------------------------------------------------------------------------------

DEEP = b'{"data":' * 3000 + b"1" + b"}" * 3000
UNREADABLE = [
    b"",
    b"no json",
    b"[]",
    b"7",
    b"{}",
    b'{"data": [7], "id": null}',
    b'{"data": 7, "entries": 7, "id": 7}',
    b"\xff\xfe",
    DEEP,
]
STATUSES = [301, 400, 401, 402, 403, 404, 405, 408, 409, 410, 418, 422, 425, 429, 451, 500, 501, 502, 503, 504, 520]
DROPPED = 0


@contextmanager
def answering(status: int, body: bytes) -> Iterator[str]:
    """A vendor that answers everything alike; with status DROPPED it hangs up. Yields its address."""

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            self.rfile.read(int(self.headers.get("content-length") or 0))
            if status != DROPPED:
                self.send_response(status)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)
            self.close_connection = True

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _answer

        def log_message(self, format: str, *args: Any) -> None:
            """Nobody reads it."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


async def outcomes(kit: Kit, status: int, body: bytes) -> list[Exception | None]:
    """What every call of an app raises where the vendor answers so."""
    found: list[Exception | None] = []
    with answering(status, body) as url:
        async with kit.app.session(TIMEOUT) as session:
            for call in kit.calls():
                try:
                    await call(kit.client(url, session))  # a new one: a 429 silences it for a while
                    found.append(None)
                except Exception as error:
                    found.append(error)
    return found


@every_app
@pytest.mark.parametrize("status", STATUSES)
async def test_a_refusal_is_an_error_of_ours(kit: Kit, status: int) -> None:
    """Whatever the vendor's library raises: its class tells the loop what to do."""
    found = await outcomes(kit, status, b'{"error": {"message": "as set"}, "message": "as set"}')

    assert [error for error in found if not isinstance(error, SyncError)] == []
    if status == 401:
        assert {type(error) for error in found} == {KeyRefused}
        assert all(getattr(error, "connection", "") == kit.connection.id for error in found)
    if status == 429:
        assert {type(error) for error in found} == {RateLimited}
    if status in (500, 502, 503, 504):
        assert {type(error) for error in found} == {Unavailable}


@every_app
@pytest.mark.parametrize("body", UNREADABLE, ids=lambda body: body[:8].decode(errors="replace"))
async def test_an_answer_that_cannot_be_read_is_an_error_of_ours(kit: Kit, body: bytes) -> None:
    """Or it says nothing that was asked for; it is never a bug."""
    found = await outcomes(kit, 200, body)

    assert [error for error in found if error and not isinstance(error, SyncError)] == []


@every_app
async def test_nobody_there_is_unavailable(kit: Kit) -> None:
    """And a vendor that hangs up is too: what it did is not known."""
    found = await outcomes(kit, DROPPED, b"")

    assert {type(error) for error in found} == {Unavailable}


@every_app
async def test_the_account_behind_a_key_is_returned(kit: Kit) -> None:
    """As the app account of its connections names it."""
    with answering(200, json.dumps(kit.account_answer).encode()) as url:
        async with kit.app.session(TIMEOUT) as session:
            named = await kit.app.identify(kit.client(url, session))

    assert kit.connection.app_account.rpartition(":")[2] == named


# --- pollers ----------------------------------------------------------------------------------------------------------


class Interrupted(FoldingLog):
    """A log that cancels whoever appends, at the n-th append: before the record is there, or after it."""

    at = -1
    before = True

    async def append(self, *args: Any, **options: Any) -> Any:
        self.at -= 1
        if self.at == 0 and self.before:
            await self._cancel()
        place = await super().append(*args, **options)
        if self.at == 0:
            await self._cancel()
        return place

    async def _cancel(self) -> None:
        task = asyncio.current_task()
        assert task
        task.cancel()
        await asyncio.sleep(0)


class Polled:
    """An app's pollers over a log in memory; `live` is another process over the same log."""

    def __init__(self, kit: Kit, clock: Clock, client: Any) -> None:
        self._kit, self._clock, self._client = kit, clock, client
        self.memory = Memory()
        self.live()

    def live(self) -> None:
        """Another process: all that it knows comes from the log."""
        self.memory = Memory(self.memory, log=Interrupted)
        account = self._kit.connection.app_account
        context = self.memory.context(account, self._clock, MemoryEventLog(self.memory))
        self._pollers = list(self._kit.app.pollers_of(context))

    async def poll(self) -> None:
        """Each poller until it waits for its next time, a while after the last one."""
        self._clock.now += LATER
        for poller in self._pollers:
            for _ in range(MOST):
                if await poller.poll_once(self._kit.connection, self._client):
                    break
            else:
                raise AssertionError("a pass does not come to its end")

    def interrupt(self, at: int, *, before: bool) -> None:
        """Cancel at the n-th append from now on."""
        log = self.memory.log
        assert isinstance(log, Interrupted)
        log.at, log.before = at, before

    def events(self) -> list[str]:
        """The ids of all events, in order."""
        topics = event_topics(self.memory.topics)
        return [json.loads(r.value)["id"] for r in self.memory.log.written if r.topic in topics]

    def entities(self) -> list[bytes]:
        """Every record of the index, in order."""
        return [r.value for r in self.memory.log.written if r.topic == self.memory.topics.index]


@asynccontextmanager
async def polled(kit: Kit) -> AsyncIterator[Polled]:
    """An account whose first pass has ended, and at which things have happened since."""
    clock = Clock(NOW)
    async with kit.vendor(clock) as (client, happen):
        found = Polled(kit, clock, client)
        await found.poll()
        for number in range(HAPPENS):
            happen(number)
        yield found


@every_app
async def test_what_happened_is_written_once_however_often_it_is_polled(kit: Kit) -> None:
    """By one process after the other, too."""
    async with polled(kit) as found:
        await found.poll()
        events, entities = found.events(), found.entities()
        await found.poll()
        found.live()
        await found.poll()

        assert len(events) >= (HAPPENS if kit.app.polls else 0)
        assert len(set(events)) == len(events)
        assert (found.events(), found.entities()) == (events, entities)


@every_app
@pytest.mark.parametrize("before", [True, False], ids=["before it is written", "after it is written"])
async def test_a_poll_that_is_cancelled_loses_nothing(kit: Kit, before: bool) -> None:
    """At whichever of its writes: the next process appends the same events under the same ids."""
    async with polled(kit) as found:
        start = len(found.memory.log.written)
        await found.poll()
        expected, appends = set(found.events()), len(found.memory.log.written) - start
    for at in range(1, appends + 1):
        async with polled(kit) as found:
            found.interrupt(at, before=before)
            with pytest.raises(asyncio.CancelledError):
                await asyncio.create_task(found.poll())
            found.live()
            await found.poll()
            await found.poll()

            assert normal(set(found.events())) == normal(expected)
            assert found.memory.registry.polls.all()


def normal(events: set[str]) -> set[str]:
    """Without the name of the book, which is another for each vendor in memory."""
    return {name.rpartition("_")[2] if name.startswith("e_book") else name for name in events}
