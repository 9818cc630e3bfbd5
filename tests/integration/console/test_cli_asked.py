"""The commands by which a person offers a plan and imports what is there: they say what came of it."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from console.http import own_machine
from shared.domains import import_kinds
from shared.domains.plans.flows import PLAN_TO_LINK
from shared.events import envelope as envelopes
from shared.events.topics import Topics
from shared.flows import imports, runs
from shared.flows.imports import ImportProgress, ImportRequest
from shared.flows.runs import Step
from shared.identity import run_id
from shared.kafka.log import Log
from shared.linking import mappings
from shared.settings import Settings

from tests.integration.console import records
from tests.integration.console.conftest import Tandem, until
from tests.integration.console.records import TOGAI
from tests.stack.forked import Forked
from tests.stack.topics import place_of
from tests.stack.topics import records as in_topics

BOTH = {"stripe": "stripe", "togai": "togai"}


@pytest.fixture
async def asked(process: Forked, log: Log, topics: Topics, environment: dict[str, str]) -> None:
    """A console that knows both connections, and the flow links of offers and of the import of customers."""
    offers = records.flow_link(id="offers", flow=PLAN_TO_LINK.id, connections=BOTH)
    brought = records.flow_link(id="brought", flow=import_kinds()["customers"].flow, connections=BOTH)
    for topic, found in ((topics.connections, records.both_connected()), (topics.flow_links, (offers, brought))):
        for record in found:
            await log.append(topic, record.id, mappings.encode(record))
    base = f"http://127.0.0.1:{environment['TANDEM_CONSOLE_PORT']}"
    async with own_machine(base_url=base) as client:

        async def folded() -> bool:
            return len((await client.get("/api/flow-links")).json()["items"]) == 2

        await until(folded, "the flow links")


async def newest(settings: Settings, topic: str, count: int) -> Any:
    """The last of so many records on a topic, as soon as they are there."""
    found: list[Any] = []

    async def came() -> bool:
        found[:] = await in_topics(settings, topic)
        return len(found) == count

    await until(came, f"{count} on {topic}")
    return max(found, key=lambda record: record.timestamp)


async def test_an_offer_shows_where_it_is_paid(
    asked: None, tandem: Tandem, settings: Settings, topics: Topics, log: Log
) -> None:
    """Exit code 0 with the link once its run has ended well, 1 with the reason where nothing is sold."""

    async def handled(count: int, **fields: Any) -> str:
        record = await newest(settings, topics.events("plan"), count)
        event = envelopes.decode(record.value)
        name = run_id("offers", TOGAI, event.id, place_of(record))
        run = records.run(event.id, id=name, aggregate=event.aggregate, **fields)
        await log.append(topics.runs, run.id, runs.encode(run))
        return run.id

    made = Step(
        id="link", action="stripe.payment_link.create", state="succeeded", started_at=records.at(1),
        notes=["it is paid at https://buy.stripe.test/1"],
    )  # fmt: skip
    command = asyncio.to_thread(tandem, "plans", "offer", f"{TOGAI}/price_plan/starter", "acme")
    done, _ = await asyncio.gather(command, handled(1, steps=[made]))
    command = asyncio.to_thread(tandem, "plans", "offer", "starter", "gone", "--json")
    skipped, run = await asyncio.gather(command, handled(2, state="skipped", steps=[], reason="nothing is offered"))
    refused = await asyncio.to_thread(tandem, "plans", "offer", "starter", "acme", "--flow-link", "none")

    assert (done.returncode, done.stderr) == (0, "")
    assert "it is paid at https://buy.stripe.test/1" in done.stdout
    assert (skipped.returncode, json.loads(skipped.stdout)["id"]) == (1, run)
    assert json.loads(skipped.stdout)["reason"] == "nothing is offered"
    assert (refused.returncode, refused.stderr.count("\n")) == (1, 1)
    assert "there is no flow link none" in refused.stderr


async def test_an_import_is_followed_to_its_end(
    asked: None, tandem: Tandem, settings: Settings, topics: Topics, log: Log
) -> None:
    """A line for each change, then what came of it and where to look; one that failed ends with exit code 1."""

    async def run_it(count: int, **fields: Any) -> ImportRequest:
        request = imports.decode((await newest(settings, topics.imports, count)).value)
        assert isinstance(request, ImportRequest)
        parked = records.waiting(f"evt_w{count}", cause=request.id, flow_link="brought")
        linked = records.run(f"evt_l{count}", cause=request.id, flow_link="brought")
        for run in (parked, linked):
            await log.append(topics.runs, run.id, runs.encode(run))
        given: dict[str, Any] = {"id": request.id, "state": "listed", "listed": 2, "written": 2}
        progress = ImportProgress(**(given | fields))
        await log.append(topics.imports, progress.key, imports.encode(progress))
        return request

    command = asyncio.to_thread(tandem, "import", "customers", "--id", "cus_1", "--id", "cus_2")
    done, request = await asyncio.gather(command, run_it(1))
    command = asyncio.to_thread(tandem, "import", "customers")
    failed, other = await asyncio.gather(command, run_it(3, state="failed", problem="the key was refused"))
    listed, late = await asyncio.gather(
        asyncio.to_thread(tandem, "imports", "list", "--json"),
        asyncio.to_thread(tandem, "imports", "pause", other.id),
    )

    assert (done.returncode, request.ids, request.connection) == (0, ["cus_1", "cus_2"], "stripe")
    assert "done: 2 listed, 2 written, 1 linked, 1 waiting" in done.stdout
    assert "tandem runs list --state parked" in done.stdout
    assert failed.returncode == 1
    assert "the key was refused" in failed.stdout
    assert {item["id"]: item["state"] for item in json.loads(listed.stdout)["items"]} == {
        request.id: "done",
        other.id: "failed",
    }
    assert (late.returncode, late.stderr.count("\n")) == (1, 1)
    assert f"import {other.id} has ended: it is failed" in late.stderr
    assert f"tandem flow-links disable {other.flow_link}" in late.stderr


async def test_an_import_is_paused_resumed_and_cancelled(
    asked: None, tandem: Tandem, settings: Settings, topics: Topics
) -> None:
    """Each says what it is now; who does not wait gets its id, and one that nobody knows is refused."""
    started = await asyncio.to_thread(tandem, "import", "customers", "--no-wait", "--json")
    name = json.loads(started.stdout)["id"]
    states = [
        (await asyncio.to_thread(tandem, "imports", word, name)).stdout.split("state")[1].split()[0]
        for word in ("pause", "resume", "cancel")
    ]
    shown = await asyncio.to_thread(tandem, "imports", "show", name, "--json")
    unknown = await asyncio.to_thread(tandem, "imports", "show", "imp_none")

    assert (started.returncode, states) == (0, ["paused", "requested", "cancelled"])
    assert json.loads(shown.stdout)["state"] == "cancelled"
    assert unknown.returncode == 1
    assert "see `tandem imports list`" in unknown.stderr


async def test_an_import_of_no_time_is_refused(asked: None, tandem: Tandem) -> None:
    """Else it ends at once, and looks as if nobody had been made then."""
    turned = ("--created-from", "2026-11-02", "--created-until", "2026-11-01")
    found = await asyncio.to_thread(tandem, "import", "customers", *turned)

    assert found.returncode == 1
    assert "no time lies between" in found.stderr
