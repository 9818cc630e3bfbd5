"""A made-up app and domain through the seams alone: a webhook comes in, its run goes through two services, makes a link
in a relation of its own, and is retried and replayed as any other.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest
from console.connect import connect, webhook_address
from ingress.polling.gate import PollGate
from ingress.polling.store import PollStore
from ingress.webhooks import WebhookDeps, Webhooks
from shared.apps import APPS
from shared.apps.connecting import Wanted
from shared.apps.polling import PollContext
from shared.connections import FlowLink, Secrets, encode
from shared.domains import subject_of
from shared.errors import KeyRefused, Misconfigured
from shared.events import envelope as envelopes
from shared.events.envelope import Envelope
from shared.events.own import HANDED_OVER
from shared.flows.recheck import replayed
from shared.flows.runs import Parked
from shared.flows.runs import encode as encode_run
from shared.identity import RUNS_SOURCE, Ref
from shared.kafka.replica import Replica
from shared.polls import Poll
from shared.runtime.records import PARKED_HEADER

from tests.fakes.polling import AtOnce, MemoryEventLog
from tests.made_up.conftest import TOKEN
from tests.made_up.ledger import ENTRIES
from tests.made_up.vendor import Book, Vendor
from tests.stack.in_process import InProcess


def ref(tandem: InProcess, entry: str = "ent_1") -> str:
    """The canonical id of an entry."""
    return str(Ref(tandem.registry.connections["ledger"].app_account, "entry", entry))


async def post(
    tandem: InProcess, event: str = "e1", entry: str = "ent_1", account: str = "acme", token: str = TOKEN
) -> int:
    """The ledger's webhook at ingress's door: its record is on the topic of its noun, or it was refused."""
    ready = cast(Replica, SimpleNamespace(ready=True))
    webhooks = Webhooks(WebhookDeps(tandem.log, ready, tandem.registry, tandem.vault, tandem.topics, 1.0))
    body = json.dumps({"event": event, "entry": entry, "account": account}).encode()
    messages = [{"type": "http.request", "body": body, "more_body": False}]
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return messages.pop(0) if messages else await asyncio.Future()

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    headers = [(b"x-ledger-token", token.encode()), (b"content-length", str(len(body)).encode())]
    path = "/webhooks/ledger/ledger/entry.made"
    await webhooks({"type": "http", "method": "POST", "path": path, "headers": headers}, receive, send)
    return int(sent[0]["status"])


def handed_over(tandem: InProcess) -> list[tuple[str, Envelope]]:
    """Topic and event of each hand-over."""
    found = [(r.topic, envelopes.decode(r.value)) for r in tandem.log.written if HANDED_OVER.encode() in r.value[:400]]
    return [(topic, event) for topic, event in found if event.type == HANDED_OVER]


async def test_a_webhook_becomes_a_run_through_two_services_and_a_link(tandem: InProcess, book: Book) -> None:
    """Each step runs in its own service; a hand-over is keyed by what the next action acts on."""
    tandem.account(primaryEmail="one@x.test")
    await tandem.drain("stripe", "togai")
    status = await post(tandem)
    await tandem.drain("stripe", "togai")
    [run] = tandem.runs(ref(tandem))
    (there, out), (back, home) = handed_over(tandem)

    assert status == 200
    assert (run.state, [step.id for step in run.steps]) == ("succeeded", ["check", "account", "note"])
    assert [step.notes for step in run.steps] == [["checked in entry"], [], ["noted in entry"]]
    assert (there, out.aggregate, out.source) == (
        tandem.topics.events("customer"), tandem.ref("acme", "togai"), RUNS_SOURCE,
    )  # fmt: skip
    assert (back, home.aggregate) == (tandem.topics.events("entry"), ref(tandem))
    assert book.notes == {"ent_1": "one@x.test"}
    assert [pair.target for pair in tandem.registry.mappings.of("billed").holders_of(ref(tandem))] == [out.aggregate]
    assert tandem.links.holders_of(ref(tandem)) == []


async def test_a_webhook_with_a_wrong_token_is_refused(tandem: InProcess) -> None:
    """By the app's own rule."""
    assert await post(tandem, token="guessed") == 403
    assert tandem.runs(ref(tandem)) == []


async def test_what_is_replayed_stays_behind_live_events_when_it_is_handed_over(tandem: InProcess) -> None:
    """Its lane goes with it. What names the entity alone is what the trigger says it is."""
    tandem.account()
    await post(tandem)
    await tandem.drain("stripe", "togai")
    [run] = tandem.runs(ref(tandem))
    before = len(handed_over(tandem))
    made = [record for record in tandem.log.on(tandem.topics.events("entry")) if record.key == ref(tandem)]
    event = envelopes.decode(made[0].value)
    again = envelopes.encode(msgspec.structs.replace(event, id="again", origin="replay"))
    await tandem.log.append(tandem.topics.replay("entry"), ref(tandem), again)
    await tandem.drain("stripe", "togai")

    assert run.state == "succeeded"
    assert [topic for topic, _ in handed_over(tandem)[before:]] == [
        tandem.topics.replay("customer"), tandem.topics.replay("entry"),
    ]  # fmt: skip
    bare = replayed(ref(tandem), "ledger.entry.made", "id", "ledger", datetime.now(UTC), "")
    assert bare.body() == {"entry": "ent_1"}


@pytest.mark.parametrize("again", [0, 1])
async def test_a_hand_over_that_comes_twice_has_one_effect(tandem: InProcess, again: int) -> None:
    """Whoever died after the append hands over once more."""
    tandem.account()
    await tandem.drain("stripe", "togai")
    await post(tandem)
    await tandem.drain("stripe", "togai")
    topic, reported = handed_over(tandem)[again]
    await tandem.restart()
    await tandem.log.append(topic, reported.aggregate, envelopes.encode(reported))
    await tandem.drain("stripe", "togai")
    [run] = tandem.runs(ref(tandem))

    assert run.state in ("succeeded", "in_sync")
    assert len(tandem.registry.mappings.of("billed").holders_of(ref(tandem))) == 1


async def test_a_hand_over_that_is_known_ends_its_run_again(tandem: InProcess) -> None:
    """Whoever died after the append records the run as running once more, then hands over the same event."""
    tandem.account()
    await tandem.drain("stripe", "togai")
    await post(tandem)
    await tandem.drain("stripe", "togai")
    topic, event = handed_over(tandem)[1]
    [run] = tandem.runs(ref(tandem))
    running = msgspec.structs.replace(run, state="running", ended_at="")
    await tandem.log.append(tandem.topics.runs, run.id, encode_run(running))
    await tandem.log.append(topic, event.aggregate, envelopes.encode(event))
    await tandem.drain("stripe", "togai")

    assert [found.state for found in tandem.runs(ref(tandem))] in (["succeeded"], ["in_sync"])


async def test_a_run_that_fails_in_the_other_service_is_retried_there(tandem: InProcess) -> None:
    """Its letter says which service and step; the retry finishes the run in both services."""
    await post(tandem)
    await tandem.drain("stripe", "togai")
    [letter] = tandem.letters()
    tandem.account()
    await tandem.drain("stripe", "togai")
    assert letter.run
    header = [(PARKED_HEADER, encode_run(Parked(run=letter.run, due=0)))]
    await tandem.log.append(tandem.topics.replay(letter.noun), letter.aggregate, letter.value, headers=header)
    await tandem.drain("stripe", "togai")

    assert (letter.noun, letter.step, letter.aggregate) == ("customer", "account", tandem.ref("acme", "togai"))
    assert [run.state for run in tandem.runs(ref(tandem))] == ["succeeded"]
    assert tandem.registry.mappings.of("billed").pair(ref(tandem))


async def test_a_link_that_is_off_and_a_key_that_is_refused_hold_it_as_any_other(tandem: InProcess, book: Book) -> None:
    """The run waits in the service where it is, and goes on there."""
    tandem.account()
    await tandem.drain("stripe", "togai")
    book.status = 401
    await post(tandem)
    await tandem.drain("stripe", "togai")
    [closed] = tandem.runs(ref(tandem))
    link = FlowLink(id="note-entries", flow="note-entries", connections={"ledger": "ledger", "togai": "togai"})
    await tandem.log.append(tandem.topics.flow_links, link.id, encode(FlowLink(
        id=link.id, flow=link.flow, connections=link.connections, enabled=False,
    )))  # fmt: skip
    await post(tandem, "e2", "ent_2")
    await tandem.drain("stripe", "togai")
    [missed] = tandem.runs(ref(tandem, "ent_2"))
    book.status = 200

    assert closed.problem
    assert (closed.state, closed.noun, closed.problem.error) == ("parked", "entry", "ConnectionClosed")
    assert missed.state == "missed"


async def test_a_key_is_connected_as_any_other(tandem: InProcess, vendor: Vendor, book: Book) -> None:
    """The vendor says whose it is; mode, secrets and address come from the app's own rules."""
    wanted = Wanted("con_ledger", "ledger", book.key, vendor.url, webhook_secrets=(TOKEN,), mode="test")
    made = await connect(wanted, tandem.settings, tandem.vault)
    kept = tandem.vault.open(await connect(replace(wanted, webhook_secrets=()), tandem.settings, tandem.vault, made))

    assert (made.app_account, made.mode) == (f"ledger:test:{book.name}", "test")
    assert kept == Secrets(api_key=book.key, webhook_secrets=[TOKEN])
    assert webhook_address(tandem.settings, made, tandem.vault).endswith("/webhooks/ledger/con_ledger")
    for wrong in (replace(wanted, key="nobody's"), replace(wanted, mode=None), replace(wanted, key=" ")):
        with pytest.raises((KeyRefused, Misconfigured)):
            await connect(wrong, tandem.settings, tandem.vault)


class Polling:
    """The ledger's poller as the engine runs it, over the log of a worker."""

    def __init__(self, tandem: InProcess) -> None:
        self._tandem = tandem
        self.connection = tandem.registry.connections["ledger"]
        self.store = PollStore(tandem.log, tandem.topics, tandem.registry, AtOnce())
        log, account = MemoryEventLog(tandem), self.connection.app_account
        context = PollContext(account, tandem.settings, self.store, log, PollGate(tandem.settings), subject_of)
        [self._poller] = APPS["ledger"].pollers_of(context)

    async def once(self) -> Poll:
        """Poll once. Returns how far it is."""
        await self._poller.poll_once(self.connection, await self._tandem.clients.of("ledger"))
        return self.store.polls.get(self.connection.app_account, ENTRIES.kind)

    def events(self) -> list[tuple[str, str]]:
        """What is in the log: each event's entry, and what brought it."""
        topic = self._tandem.topics.events("entry")
        found = [envelopes.decode(record.value) for record in self._tandem.log.on(topic)]
        return [(event.subject, event.origin) for event in found if event.type == "ledger.entry.made"]


async def test_a_poll_brings_the_entry_that_no_webhook_brought(tandem: InProcess, book: Book) -> None:
    """Under the id that its webhook would have had: it is one event, and one run as any other."""
    accounts = [tandem.account(name, primaryEmail=f"{name}@x.test") for name in ("one", "two", "three")]
    await tandem.drain("stripe", "togai")
    made = [book.enter(f"ent_{n}", account) for n, account in enumerate(accounts, 1)]
    await post(tandem, made[1]["event"], "ent_2", "two")
    polling = Polling(tandem)
    poll = await polling.once()
    again = await polling.once()
    await tandem.drain("stripe", "togai")

    assert polling.events() == [("ent_2", "live"), ("ent_1", "poll"), ("ent_3", "poll")]
    assert (poll.found, poll.complete, poll.cursor, again.found) == (2, True, "3", 2)
    assert [tandem.runs(ref(tandem, f"ent_{n}"))[0].state for n in range(1, 4)] == ["succeeded"] * 3
    assert book.notes == {"ent_1": "one@x.test", "ent_2": "two@x.test", "ent_3": "three@x.test"}
