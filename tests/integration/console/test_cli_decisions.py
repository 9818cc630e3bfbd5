"""The commands by which a person looks at what waits, and decides: they tell what became of it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import typer
from console.cli import client, links
from console.http import own_machine
from shared.events import envelope as envelopes
from shared.events.own import RECHECK_REQUESTED
from shared.events.topics import Topics
from shared.flows import runs
from shared.flows.runs import Run, RunError, Step
from shared.identity import run_id
from shared.kafka.log import Log
from shared.linking import mappings
from shared.linking.pairs import PairState
from shared.settings import Settings

from tests.integration.console import records
from tests.integration.console.conftest import Tandem, until
from tests.integration.console.records import TOGAI
from tests.stack.forked import Forked
from tests.stack.topics import place_of
from tests.stack.topics import records as in_topics

ACME, BETA = f"{TOGAI}/account/acme", f"{TOGAI}/account/beta"


@pytest.fixture
async def filled(
    process: Forked, log: Log, topics: Topics, environment: dict[str, str]
) -> AsyncIterator[httpx.AsyncClient]:
    """A console that knows a pair, a difference, a conflict, the flow link for links by hand, and a new one."""
    pair, held = records.mapping("n"), records.mapping("held", target=BETA)
    for homes, found in (
        (topics.connections, records.both_connected()),
        (topics.flow_links, (records.by_hand(), records.flow_link(id="brought", enabled=False))),
        (topics.mappings, (pair, held)),
        (topics.pair_states, (records.pair_state(pair, "togai", differences={"name": records.difference()}),)),
        (topics.runs, (records.conflict("evt_1", ACME, BETA),)),
    ):
        for record in found:
            key = record.key if isinstance(record, PairState) else record.id
            await log.append(homes, key, mappings.encode(record))
    base = f"http://127.0.0.1:{environment['TANDEM_CONSOLE_PORT']}"
    async with own_machine(base_url=base) as client:

        async def folded() -> bool:
            lists = [(await client.get(f"/api/{name}")).json()["items"] for name in ("conflicts", "differences")]
            links = (await client.get("/api/flow-links")).json()["items"]
            return all(lists) and bool(links) and len((await client.get("/api/connections")).json()["items"]) == 2

        await until(folded, "the records")
        yield client


async def test_what_waits_is_listed(filled: httpx.AsyncClient, tandem: Tandem) -> None:
    """Tables for people, the API's JSON for programs; a single conflict with the commands that decide it."""
    run = records.conflict("evt_1").id
    conflicts, one, differences, as_json, nothing, flow_links = await asyncio.gather(
        asyncio.to_thread(tandem, "conflicts", "list"),
        asyncio.to_thread(tandem, "conflicts", "show", run),
        asyncio.to_thread(tandem, "differences", "list", "--id", "cus_n"),
        asyncio.to_thread(tandem, "conflicts", "list", "--json"),
        asyncio.to_thread(tandem, "differences", "list", "--id", "cus_held"),
        asyncio.to_thread(tandem, "flow-links", "list"),
    )

    for shown in ("cus_evt_1 (Stripe customer)", "acme, beta", "several in Togai", run):
        assert shown in conflicts.stdout, shown
    assert "tandem mappings link stripe=cus_evt_1 togai=acme --reason" in one.stdout
    assert f"tandem mappings relink {records.mapping('held').id} --side stripe=cus_evt_1" in one.stdout
    assert "cus_held (Stripe customer)" in one.stdout
    for shown in ("name", "acc_n", "Acme", "Acme Inc.", "Togai"):
        assert shown in differences.stdout, shown
    assert json.loads(as_json.stdout)["items"][0]["run"] == run
    assert "equal in every field" in nothing.stdout
    assert "new, nobody has switched it on: `tandem flow-links enable brought`" in flow_links.stdout


async def test_a_conflict_is_checked_again_when_a_person_says_so(
    filled: httpx.AsyncClient, tandem: Tandem, settings: Settings, topics: Topics
) -> None:
    """By an event of its entity, which wakes its run; a run that waits for nobody is refused."""
    run = records.conflict("evt_1")
    asked = await asyncio.to_thread(tandem, "conflicts", "retry", run.id)
    other = await asyncio.to_thread(tandem, "conflicts", "retry", "run_none")
    [record] = await in_topics(settings, topics.events("customer"))
    event = envelopes.decode(record.value)

    assert run.id in asked.stdout
    assert (event.type, event.aggregate) == (RECHECK_REQUESTED, run.aggregate)
    assert event.connection == run.connection
    assert other.returncode == 1
    assert "is in no conflict" in other.stderr


async def decided(settings: Settings, topics: Topics, log: Log, number: int, fields: dict[str, Any]) -> Run:
    """Stand in for the worker: wait for the request of this number, and record what became of its run."""
    found: list[Any] = []

    async def came() -> bool:
        found[:] = await in_topics(settings, topics.events("customer"))
        return len(found) == number

    await until(came, "the request")
    # Two partitions: the newest is the one that comes last in time.
    record = max(found, key=lambda record: envelopes.decode(record.value).time)
    event = envelopes.decode(record.value)
    name = run_id("link_by_hand", TOGAI, event.id, place_of(record))
    run = records.run(event.id, id=name, aggregate=event.aggregate, **fields)
    await log.append(topics.runs, run.id, runs.encode(run))
    return run


DONE = Step(
    id="link",
    action="stripe.customer.change_link",
    state="succeeded",
    started_at=records.at(1),
    output={"mapping": "map_new", "togai_account_id": "acme", "stripe_customer_id": "cus_free"},
    notes=["linked by hand: a merger"],
)
PARKED = RunError(error="NotReady", reason="run run_2 is about to link it: looking again", retryable=True)


DECISIONS: tuple[tuple[tuple[str, ...], dict[str, Any], int, str], ...] = (
    (("link", "togai=acme", "stripe=cus_free"), {"steps": [DONE]}, 0, "tandem mappings show map_new"),
    (("unlink", "cus_n"), {"steps": [], "reason": "unlinked by hand: a merger"}, 0, "unlinked by hand"),
    (("unlink", "cus_n"), {"steps": [], "state": "in_sync", "reason": "nothing is linked"}, 0, "nothing is linked"),
    (("relink", "cus_n", "--side", "togai=acme"), {"steps": [DONE]}, 0, "linked by hand: a merger"),
    (
        ("relink", "acc_n", "--side", "stripe=cus_free"),
        {"steps": [], "state": "skipped", "reason": "cus_free was deleted in Stripe"},
        1,
        "cus_free was deleted in Stripe",
    ),
    (("separate", "cus_evt_1"), {"steps": [], "state": "parked", "problem": PARKED}, 1, "goes on by itself"),
)


async def test_a_decision_waits_for_its_run_and_tells_how_it_ended(
    filled: httpx.AsyncClient, tandem: Tandem, settings: Settings, topics: Topics, log: Log
) -> None:
    """Exit code 0 only if it was done; else where to look."""
    for number, (words, fields, code, says) in enumerate(DECISIONS, 1):
        command = asyncio.to_thread(tandem, "mappings", *words, "--reason", "a merger")
        done, run = await asyncio.gather(command, decided(settings, topics, log, number, fields))

        assert done.returncode == code, (words, done.stdout + done.stderr)
        assert says in done.stdout, words
        assert code == 0 or f"tandem runs show {run.id}" in done.stdout, words


async def test_a_refused_decision_is_one_line(filled: httpx.AsyncClient, tandem: Tandem) -> None:
    """With what to do instead, and exit code 1."""
    done = await asyncio.to_thread(tandem, "mappings", "link", "togai=acme", "stripe=cus_n", "--reason", "x")

    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "cus_n is linked to acc_n already" in done.stderr
    assert f"`tandem mappings relink {records.mapping('n').id}`" in done.stderr


def test_a_run_that_does_not_end_is_reported_as_such(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """No worker, say: the request stands in the log, and the command says how to go on looking."""
    answers = {"POST": {"run": "run_1", "event": "req_1"}, "GET": {"items": []}}

    def call(method: str, path: str, **_: object) -> httpx.Response:
        return httpx.Response(200, json=answers[method])

    monkeypatch.setattr(client, "call", call)
    monkeypatch.setattr(links, "PATIENCE", 0.0)

    with pytest.raises(typer.Exit) as ended:
        links.unlink("cus_n", "a merger")

    assert ended.value.exit_code == 1
    assert "tandem runs show run_1" in capsys.readouterr().out
