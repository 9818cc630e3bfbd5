"""A replay from the request in the console to its counts: real replayer and worker, the sandbox at both ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, cast

import httpx
import pytest
from console.api.replays import MOST
from ingress.replays.reader import Page
from ingress.replays.replayer import Replayer
from shared.events import envelope as envelopes
from shared.flows.replays import Replays
from shared.kafka.log import Log

from tests.stack.console import Console
from tests.stack.in_process import InProcess


@pytest.fixture
def console(tandem: InProcess, tmp_path: Path) -> Iterator[Console]:
    """What it shows is what the worker wrote."""
    made = Console(tandem, tmp_path)
    yield made
    made.close()


class Delivered:
    """What came in so far, as one partition of the live topic."""

    def __init__(self, tandem: InProcess) -> None:
        self._events = [envelopes.encode(event) for event in tandem.delivered]

    async def bounds(self, topic: str, since: int, until: int) -> dict[int, tuple[int, int]]:
        return {0: (0, len(self._events))}

    async def read(self, topic: str, partition: int, begin: int, end: int) -> Page:
        return Page(self._events[begin:end], end)


async def run_replays(tandem: InProcess, *, handle: bool = True) -> None:
    """Everything that was asked for, to its end; then every event that it sent."""
    known = Replays()
    for record in tandem.log.on(tandem.topics.replays):
        known.apply(0, record.key, record.value)

    @asynccontextmanager
    async def reader() -> AsyncIterator[Delivered]:
        yield Delivered(tandem)

    for request in known.open():
        progress, log = known.progress.get(request.id), cast(Log, tandem.log)
        wanted = partial(known.wanted, request.id)
        await Replayer(request, progress, reader, tandem.registry, log, tandem.topics, wanted).run()
    if handle:
        await tandem.work_off()


async def ask(console: Console, method: str, path: str, **what: Any) -> httpx.Response:
    return await asyncio.to_thread(console.ask, method, path, **what)


async def asked(tandem: InProcess, console: Console, **body: Any) -> dict[str, Any]:
    """A replay that a person asks for, when it has ended."""
    answer = await ask(console, "POST", "/api/replays", json=body)
    assert answer.status_code == 202, answer.text
    await run_replays(tandem)
    return dict((await ask(console, "GET", f"/api/replays/{answer.json()['id']}")).json())


async def test_what_is_in_sync_costs_no_write(tandem: InProcess, console: Console) -> None:
    """Dry or not, on whichever side a pair began; each event is counted once."""
    for name in ("a", "b"):
        tandem.account(name, primaryEmail=f"{name}@x.test")
        tandem.call("stripe", "POST", "/v1/customers", data={"name": f"From {name}", "email": f"{name}@stripe.test"})
    await tandem.drain()
    writes = tandem.writes()
    dry = await asked(tandem, console, noun="customer", dry_run=True)
    done = await asked(tandem, console, noun="customer")

    for found in (dry, done):
        handled = sum(found[name] for name in ("changed", "in_sync", "waiting", "conflicts", "left_out", "failed"))
        assert (found["state"], found["changed"], found["failed"]) == ("done", 0, 0)
        assert found["read"] >= found["sent"] == handled > 0
    assert tandem.writes() == writes
    assert done["sent"] == dry["sent"]


async def test_a_dry_run_says_what_a_replay_does(tandem: InProcess, console: Console) -> None:
    """A change whose event nobody handled is written, once; the calls that it takes are said before."""
    tandem.account("acme", primaryEmail="acme@x.test")
    await tandem.drain()
    tandem.call("togai", "PATCH", "/accounts/acme", json={"primaryEmail": "after@x.test"})
    await tandem.stood_before()
    writes, link = tandem.writes(), "togai-account-changes"
    dry = await asked(tandem, console, flow_link=link, dry_run=True)
    between, before = tandem.writes(), tandem.calls()
    done = await asked(tandem, console, flow_link=link, entities=["acme"])
    made = {name: count - before[name] for name, count in tandem.calls().items()}
    again = await asked(tandem, console, flow_link=link)

    assert (dry["changed"], between) == (1, writes)
    assert {each["app_account"].partition(":")[0]: each["calls"] for each in dry["calls"]} == made
    assert [each["estimated"] for each in dry["calls"]] == [1, 0]
    assert (done["changed"], again["changed"], again["in_sync"]) == (1, 0, 1)
    assert tandem.customers()[-1]["email"] == "after@x.test"
    assert tandem.writes() == writes + 1


async def test_a_dry_run_of_a_noun_is_of_the_links_that_are_on(tandem: InProcess, console: Console) -> None:
    """As its replay is; one of a link that is off is asked for by its name."""
    tandem.account("acme", primaryEmail="acme@x.test")
    await tandem.drain()
    await ask(console, "POST", "/api/flow-links/togai-account-changes/disable")
    dry = await asked(tandem, console, noun="customer", dry_run=True)
    done = await asked(tandem, console, noun="customer")
    named = await asked(tandem, console, flow_link="togai-account-changes", dry_run=True)

    assert (dry["sent"], dry["flow_links"]) == (done["sent"], done["flow_links"])
    assert named["sent"] > 0


async def test_what_cannot_be_replayed_is_refused(tandem: InProcess, console: Console) -> None:
    """With what there is, and from when on."""
    old = (datetime.now(UTC) - timedelta(days=91)).isoformat()
    ahead = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    off = "togai-account-changes"
    await ask(console, "POST", f"/api/flow-links/{off}/disable")
    wanted: dict[int, list[dict[str, Any]]] = {
        400: [{}, {"noun": "customer", "flow_link": off}, {"noun": "cat"}, {"noun": "customer", "from": old},
              {"noun": "customer", "types": ["stripe.invoice.paid"]}, {"noun": "customer", "from": ahead}],
        404: [{"flow_link": "link_nobody"}],
        409: [{"flow_link": off}, {"noun": "invoice"}],
    }  # fmt: skip
    answers = {
        status: [await ask(console, "POST", "/api/replays", json=body) for body in bodies]
        for status, bodies in wanted.items()
    }
    dry = await ask(console, "POST", "/api/replays", json={"flow_link": off, "dry_run": True})
    wrong = await ask(console, "POST", "/api/replays", json={"noun": "customer", "from": "soon"})
    zoneless = {"flow_link": off, "dry_run": True, "from": datetime.now(UTC).strftime("%Y-%m-%dT00:00:00")}
    in_utc = await ask(console, "POST", "/api/replays", json=zoneless)

    assert {status: [one.status_code for one in found] for status, found in answers.items()} == {
        status: [status] * len(bodies) for status, bodies in wanted.items()
    }
    assert "a replay is possible from" in answers[400][3].json()["error"]["message"]
    assert dry.status_code == 202
    assert "'soon' is no time: write it as 2026-11-01, or as 2026-11-01T12:00:00Z" in wrong.json()["error"]["message"]
    assert in_utc.json()["since"] == f"{zoneless['from']}Z"
    assert off in answers[404][0].json()["error"]["what_to_do"]


async def test_the_page_asks_for_a_dry_run_that_becomes_a_replay(tandem: InProcess, console: Console) -> None:
    """With what it would do, what that costs, and a button."""
    tandem.account("acme", primaryEmail="acme@x.test")
    await tandem.drain()
    html = {"Accept": "text/html"}
    await ask(console, "POST", "/replays", data={"noun": "customer", "from": "", "until": ""}, headers=html)
    await run_replays(tandem)
    [dry] = (await ask(console, "GET", "/api/replays")).json()["items"]
    page = (await ask(console, "GET", "/replays", headers=html)).text
    await ask(console, "POST", f"/replays/{dry['id']}/run", headers=html)
    await run_replays(tandem)
    newest, _ = (await ask(console, "GET", "/api/replays")).json()["items"]
    wrong = await ask(console, "POST", "/replays", data={"noun": "customer", "from": "soon"}, headers=html)
    ids = " ".join(f"cus_{number}" for number in range(MOST + 1))
    many = [
        await ask(console, "POST", "/replays", data={"noun": "customer", "entities": one}) for one in (ids, "x" * 301)
    ]

    assert "Replay now" in page
    assert "calls" in page
    assert (dry["dry_run"], newest["dry_run"], newest["state"]) == (True, False, "done")
    assert wrong.status_code == 400
    assert "is no time" in wrong.text
    assert [(answer.status_code, "entities" in answer.text) for answer in many] == [(400, True)] * 2


@pytest.mark.parametrize(
    ("flow", "type_", "at"),
    [
        ("stripe-customer-to-togai-customer", "stripe.customer.created", "stripe"),
        ("togai-account-to-stripe-customer", "togai.account.created", "togai"),
    ],
)
async def test_a_dry_run_counts_the_calls_behind_its_first_write(
    tandem: InProcess, console: Console, flow: str, type_: str, at: str
) -> None:
    """What makes the other side calls more often than the one time that the dry run sees; the estimate is near it."""
    for name in ("a", "b", "c"):
        if at == "togai":
            tandem.account(name, primaryEmail=f"{name}@x.test")
        else:
            tandem.customer(email=f"{name}@x.test")
    await ask(console, "POST", f"/api/flow-links/{flow}/disable")
    await tandem.drain()
    await ask(console, "POST", f"/api/flow-links/{flow}/enable")
    dry = await asked(tandem, console, flow_link=flow, types=[type_], dry_run=True)
    before = tandem.calls()
    await asked(tandem, console, flow_link=flow, types=[type_])
    made = {name: count - before[name] for name, count in tandem.calls().items()}
    said = {each["app_account"].partition(":")[0]: each["calls"] for each in dry["calls"]}

    assert dry["changed"] == 3
    assert said == made


async def test_nothing_that_was_sent_has_a_reason(tandem: InProcess, console: Console) -> None:
    """An id that no event is about; and what was carried out already is no dry run."""
    tandem.account("acme", primaryEmail="acme@x.test")
    await tandem.drain()
    found = await asked(tandem, console, noun="customer", entities=["acm"])
    again = await ask(console, "POST", f"/api/replays/{found['id']}/run")

    assert found["sent"] == 0
    assert "is about acm: name ids as the vendor has them" in found["nothing_sent"]
    assert (again.status_code, "is no dry run" in again.json()["error"]["message"]) == (409, True)
