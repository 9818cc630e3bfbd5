"""The API over real tables: what it finds, how it pages, and what it writes to the log."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from console.api.state import State
from shared.domains import services
from shared.events import envelope as envelopes
from shared.events.envelope import timestamp
from shared.events.topics import Topics
from shared.flows import runs
from shared.flows.links import is_removed
from shared.kafka.log import Log, Place, client_options
from shared.key_states import KeyState, good_again
from shared.linking import mappings
from shared.linking.pairs import PairState
from shared.settings import Settings

from shared import connections
from tests.integration.console import records


async def put(console: State, log: Log, *found: Any) -> None:
    """Append records to their topics and wait until they are in the tables."""
    topics = console.topics
    homes = {"Run": topics.runs, "Mapping": topics.mappings, "DeadLetter": topics.dead_letters}
    homes |= {
        "KeyState": topics.key_states,
        "Connection": topics.connections,
        "FlowLink": topics.flow_links,
        "PairState": topics.pair_states,
    }
    places = []
    for record in found:
        key = record.key if isinstance(record, PairState | KeyState) else record.id
        places.append(await log.append(homes[type(record).__name__], key, mappings.encode(record)))
    for place in places:
        await console.projector.wait_for(place, 20)


async def ids(api: httpx.AsyncClient, path: str, **params: Any) -> list[str]:
    answer = await api.get(path, params=params)
    assert answer.status_code == 200, answer.text
    assert answer.json().keys() == {"items", "next_cursor"}
    return [item["id"] for item in answer.json()["items"]]


async def read_one(settings: Settings, place: Place) -> Any:
    consumer = AIOKafkaConsumer(**client_options(settings), enable_auto_commit=False)
    await consumer.start()
    try:
        partition = TopicPartition(place.topic, place.partition)
        consumer.assign([partition])
        consumer.seek(partition, place.offset)
        return await consumer.getone()
    finally:
        await consumer.stop()


async def replayed(settings: Settings, topics: Topics) -> list[Any]:
    """Everything on the replay topic."""
    consumer = AIOKafkaConsumer(**client_options(settings), enable_auto_commit=False)
    await consumer.start()
    try:
        partitions = [TopicPartition(topics.replay("customer"), n) for n in range(settings.topic_partitions)]
        ends = await consumer.end_offsets(partitions)
        places = [Place(p.topic, p.partition, offset) for p, end in ends.items() for offset in range(end)]
    finally:
        await consumer.stop()
    return [await read_one(settings, place) for place in places]


async def test_any_id_of_either_side_finds_the_pair_and_what_ran(
    console: State, api: httpx.AsyncClient, log: Log
) -> None:
    """Vendor's ids, full refs, and the ids of run, event, mapping and dead letter lead to the same things."""
    pair, run = records.mapping("evt_x"), records.run("evt_x")
    letter = records.dead_letter("evt_x")
    await put(console, log, pair, run, letter, records.mapping("other"), records.run("other"))

    for known in ("cus_evt_x", "acc_evt_x", "togai_evt_x", pair.source, pair.target, pair.id, run.id, "evt_x"):
        assert await ids(api, "/api/mappings", id=known) == [pair.id], known
    for known in ("cus_evt_x", "acc_evt_x", pair.source, pair.id, run.id, "evt_x", letter.id):
        assert await ids(api, "/api/runs", id=known) == [run.id], known
    for known in ("cus_evt_x", "acc_evt_x", run.id, "evt_x", letter.id):
        assert await ids(api, "/api/dead-letters", id=known) == [letter.id], known
    assert await ids(api, "/api/mappings", id="stripe:live:acct_1/customer/cus_evt_x") == []
    assert await ids(api, "/api/mappings", id="nobody") == []


async def test_filters_narrow_a_list(console: State, api: httpx.AsyncClient, log: Log) -> None:
    """By state, flow, app and time."""
    await put(console, log, records.run("a", 1), records.run("b", 2, state="dead"), records.run("c", 3, flow="f"))
    await put(console, log, records.mapping("m"), records.claim("n", 5))

    assert await ids(api, "/api/runs", state="dead") == [records.run("b").id]
    assert await ids(api, "/api/runs", flow="f") == [records.run("c").id]
    assert await ids(api, "/api/runs", since=records.at(2)) == [records.run("c").id, records.run("b").id]
    assert await ids(api, "/api/mappings", state="claimed") == [records.mapping("n").id]
    assert await ids(api, "/api/mappings", origin_app="togai") == []


async def test_pages_stay_the_same_while_new_ones_come(console: State, api: httpx.AsyncClient, log: Log) -> None:
    """What is added at the top between two pages is neither repeated below nor pushes anything out."""
    # Two start in the same millisecond: the id decides between them.
    await put(console, log, *(records.run(f"old_{n}", n // 2) for n in range(7)))
    whole = await ids(api, "/api/runs")

    seen: list[str] = []
    cursor = ""
    for number in range(10):
        answer = (await api.get("/api/runs", params={"limit": 2, "cursor": cursor})).json()
        seen += [item["id"] for item in answer["items"]]
        await put(console, log, records.run(f"new_{number}", 50 + number))
        cursor = answer["next_cursor"]
        if cursor is None:
            break

    assert seen == whole


async def test_single_records_are_whole(console: State, api: httpx.AsyncClient, log: Log) -> None:
    """Steps with notes, the claim's call, the event of a dead letter."""
    await put(console, log, records.run("e"), records.claim("e"), records.dead_letter("e"))

    run = (await api.get(f"/api/runs/{records.run('e').id}")).json()
    pair = (await api.get(f"/api/mappings/{records.claim('e').id}")).json()
    letter = (await api.get(f"/api/dead-letters/{records.dead_letter('e').id}")).json()

    assert run["steps"][0]["notes"] == ["currency EUR from the country DE"]
    assert pair["claim"]["action"] == "togai.customer.create"
    assert pair["claimed_for"] > 0
    assert (letter["value"], letter["run_record"]["state"]) == ('{"id":"e"}', "dead")


async def test_a_retried_letter_is_sent_again_and_only_then_marked(
    console: State, api: httpx.AsyncClient, log: Log
) -> None:
    """On the replay topic, under its aggregate, with its run in the header, so that it resumes where it failed."""
    letter = records.dead_letter("e")
    await put(console, log, letter)

    answer = await api.post(f"/api/dead-letters/{letter.id}/retry")
    again = await api.post(f"/api/dead-letters/{letter.id}/retry")

    assert (answer.status_code, answer.json()["state"]) == (200, "retried")
    (record,) = await replayed(console.settings, console.topics)
    assert (record.key.decode(), record.value) == (letter.aggregate, letter.value)
    parked = runs.decode_parked(dict(record.headers)["parked"])
    assert (parked.run, parked.due) == (letter.run, 0)
    assert (again.status_code, again.json()["error"]["code"]) == (409, "wrong_state")
    assert again.json()["error"]["what_to_do"]
    assert (await api.get(f"/api/dead-letters/{letter.id}")).json()["state"] == "retried"


async def test_a_letter_without_a_run_is_sent_again_as_a_new_event(
    console: State, api: httpx.AsyncClient, log: Log
) -> None:
    """There is no step to resume at: no header."""
    letter = records.dead_letter("e", run=None, id=records.unique("dead"))
    await put(console, log, letter)

    assert (await api.post(f"/api/dead-letters/{letter.id}/retry")).status_code == 200

    (record,) = await replayed(console.settings, console.topics)
    assert record.headers == ()


async def test_two_retries_at_once_send_once(console: State, api: httpx.AsyncClient, log: Log) -> None:
    """A double click is one retry."""
    letter = records.dead_letter("e")
    await put(console, log, letter)

    answers = await asyncio.gather(*(api.post(f"/api/dead-letters/{letter.id}/retry") for _ in range(3)))

    assert sorted(answer.status_code for answer in answers) == [200, 409, 409]
    assert len(await replayed(console.settings, console.topics)) == 1


async def test_a_discarded_letter_ends_its_run_and_keeps_the_reason(
    console: State, api: httpx.AsyncClient, log: Log
) -> None:
    """Nothing is sent again; a reason is asked for."""
    letter = records.dead_letter("e")
    assert letter.run
    await put(console, log, letter.run, letter)

    without = await api.post(f"/api/dead-letters/{letter.id}/discard", json={"reason": ""})
    answer = await api.post(f"/api/dead-letters/{letter.id}/discard", json={"reason": "a test account"})
    run = (await api.get(f"/api/runs/{letter.run.id}")).json()

    assert without.status_code == 422
    assert (answer.json()["state"], answer.json()["changed_reason"]) == ("discarded", "a test account")
    assert (run["state"], run["reason"]) == ("discarded", "a test account")
    assert await replayed(console.settings, console.topics) == []


async def test_discarding_leaves_a_run_that_has_succeeded_since(
    console: State, api: httpx.AsyncClient, log: Log
) -> None:
    """A later event closed it: that end is the truth."""
    letter = records.dead_letter("e")
    await put(console, log, records.run("e", state="succeeded"), letter)

    await api.post(f"/api/dead-letters/{letter.id}/discard", json={"reason": "done by hand"})

    assert (await api.get(f"/api/runs/{records.run('e').id}")).json()["state"] == "succeeded"


async def test_a_new_flow_link_is_shown_until_somebody_decides(
    console: State, api: httpx.AsyncClient, log: Log
) -> None:
    """Left off by a decision it is new no more; removed it is gone, and its record stays for the next set-up."""
    new = [records.flow_link(id=name, enabled=False) for name in ("kept", "removed")]
    await put(console, log, *new, records.connection())
    listed = (await api.get("/api/flow-links")).json()["items"]
    kept = (await api.post("/api/flow-links/kept/disable")).json()
    await api.post("/api/flow-links/removed/remove")
    left = (await api.get("/api/flow-links")).json()["items"]
    record = await read_one(console.settings, Place(console.topics.flow_links, 0, 3))

    assert [(item["id"], item["new"]) for item in listed] == [("kept", True), ("removed", True)]
    assert (kept["enabled"], kept["new"]) == (False, False)
    assert [item["id"] for item in left] == ["kept"]
    assert is_removed(connections.flow_link_decoder.decode(record.value))
    assert (await api.post("/api/flow-links/removed/enable")).status_code == 404


async def test_a_flow_link_is_switched_off_and_on(console: State, api: httpx.AsyncClient, log: Log) -> None:
    """The changed record goes to the log, where every worker reads it."""
    await put(console, log, records.flow_link(), records.connection())

    off = await api.post("/api/flow-links/link/disable")
    listed = (await api.get("/api/flow-links")).json()["items"]
    record = await read_one(console.settings, Place(console.topics.flow_links, 0, 1))

    assert (off.json()["enabled"], listed[0]["enabled"]) == (False, False)
    assert connections.flow_link_decoder.decode(record.value).enabled is False
    assert (await api.post("/api/flow-links/nope/enable")).status_code == 404
    assert "sealed" not in (await api.get("/api/connections")).text


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/api/runs/nope", 404),
        ("/api/mappings/nope", 404),
        ("/api/dead-letters/nope", 404),
        ("/api/nothing", 404),
        ("/api/runs?limit=0", 422),
        ("/api/runs?limit=201", 422),
        ("/api/runs?cursor=nonsense", 400),
        ("/api/runs?since=nonsense", 400),
    ],
)
async def test_every_refusal_says_what_to_do(api: httpx.AsyncClient, path: str, status: int) -> None:
    """One form for all errors."""
    answer = await api.get(path)

    assert answer.status_code == status
    assert answer.json()["error"].keys() == {"code", "message", "what_to_do"}
    assert all(answer.json()["error"].values())


async def test_status_and_metrics_tell_the_state(console: State, api: httpx.AsyncClient, log: Log) -> None:
    """Lag of the services, counts, the newest run, and that a connection is closed."""
    await put(console, log, records.run("e"), records.connection(), records.key_state())
    await log.append(console.topics.events("customer"), "k", b"{}")

    status = (await api.get("/api/status")).json()
    metrics = (await api.get("/metrics")).text

    live = dict.fromkeys(services(), 0) | {"customer-sync": 1}
    assert [(g["service"], g["live"], g["problem"]) for g in status["consumers"]] == [
        (service, live[service], "") for service in sorted(live)
    ]
    assert (status["healthy"], status["last_run"]["event"]) == (False, "e")
    assert any("refused: add a new key" in problem for problem in status["problems"])
    assert 'tandem_runs{state="succeeded"} 1.0' in metrics
    assert (await api.get("/readyz")).status_code == 200


async def test_what_a_key_may_not_do_is_shown(console: State, api: httpx.AsyncClient, log: Log) -> None:
    """In the list of connections and in the status, in the vendor's words, until the vendor allows it."""
    refused = records.key_state(operation="customers.create", reason="Having 'rak_customer_write' would allow this.")
    await put(console, log, records.connection(), refused)
    (item,) = (await api.get("/api/connections")).json()["items"]
    status = (await api.get("/api/status")).json()
    page = (await api.get("/status")).text

    assert (item["state"], [one["operation"] for one in item["refused"]]) == ("open", ["customers.create"])
    assert [one for one in status["problems"] if "may not customers.create" in one and "rak_customer_write" in one]
    assert "rak_customer_write" in page
    await put(console, log, good_again(refused, "2026-11-28T10:00:00.000Z"))
    assert (await api.get("/api/connections")).json()["items"][0]["refused"] == []


async def test_refused_events_are_counted_and_say_what_to_do(console: State, api: httpx.AsyncClient, log: Log) -> None:
    """Once each, however often they are sent, with the remedy; the count outlives the process, for the log holds it."""
    now = timestamp(datetime.now(UTC))
    events = [records.refused_event(name, time=now) for name in ("evt_1", "evt_2", "evt_1")]
    places = [await log.append(console.topics.other, e.aggregate, envelopes.encode(e)) for e in events]
    for place in places:
        await console.projector.wait_for(place, 20)
    status = (await api.get("/api/status")).json()
    (found,) = status["refused_events"]

    assert (found["connection"], found["reason"], found["count"]) == ("stripe", "wrong_mode", 2)
    assert found["says"] in status["problems"]
    assert "2 events of the other mode" in found["says"]
    assert "point the endpoint in Stripe at a connection of its own mode" in found["says"]
    assert "Refused events" in (await api.get("/status")).text
    metrics = (await api.get("/metrics")).text
    assert 'tandem_refused_events{connection="stripe",reason="wrong_mode"} 2.0' in metrics


async def test_the_stream_tells_every_change(console: State, log: Log) -> None:
    """As the item of the lists, so that a page needs no second question."""
    received: list[tuple[str, dict[str, Any]]] = []
    ready = asyncio.Event()

    async def listen() -> None:
        async for change in console.hub.listen():
            received.append((change.event, json.loads(change.data)))
            ready.set()
            if len(received) == 3:
                return

    listening = asyncio.create_task(listen())
    async with asyncio.timeout(20):
        await ready.wait()
        await put(console, log, records.run("e"))
        await put(console, log, records.mapping("m"))
        await listening

    assert [name for name, _ in received] == ["ready", "run", "mapping"]
    assert received[2][1]["sides"][0]["id"] == "cus_m"


async def test_the_openapi_document_describes_every_route(api: httpx.AsyncClient) -> None:
    """A summary, a description, and a model for every answer of the API."""
    document = (await api.get("/openapi.json")).json()

    for path, methods in document["paths"].items():
        for method, what in methods.items():
            assert what.get("summary"), (method, path)
            assert what.get("description"), (method, path)
    shapes = document["components"]["schemas"]
    assert {"MappingPage", "RunDetail", "DeadLetterDetail", "ErrorBody", "Status"} <= shapes.keys()
