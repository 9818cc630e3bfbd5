"""What a flow link missed while it was off: counted by entity, and looked at again when somebody asks for it."""

from __future__ import annotations

import httpx
import msgspec
import pytest
from shared.connections import FlowLink
from shared.events import envelope as envelopes
from shared.events.envelope import Envelope
from shared.events.topics import Topics
from shared.flows.runs import Run
from shared.kafka.log import Log
from shared.linking import mappings
from shared.settings import Settings

from tests.integration.console import records
from tests.integration.console.conftest import until
from tests.integration.console.records import STRIPE
from tests.stack.topics import records as in_topics

CUSTOMER = f"{STRIPE}/customer/cus_one"
SESSION = f"{STRIPE}/checkout.session/cs_one"


def run(event: str, second: int, state: str, **fields: str) -> Run:
    given = {"event_type": "stripe.customer.updated", "aggregate": CUSTOMER, "flow_link": "changes"}
    return records.run(event, second, state=state, **(given | fields))


async def all_runs_are_shown(api: httpx.AsyncClient, runs: int) -> None:
    """Wait until the console shows so many runs: an entity counts as missed from its first one on."""

    async def folded() -> bool:
        return len((await api.get("/api/runs")).json()["items"]) == runs

    await until(folded, f"{runs} runs")


@pytest.fixture
async def off(api: httpx.AsyncClient, log: Log, topics: Topics) -> FlowLink:
    """A flow link that is off and missed three events of two customers; one of them was handled since."""
    link = records.flow_link(id="changes", flow="stripe-customer-changes", enabled=False)
    other = f"{STRIPE}/customer/cus_two"
    found = (
        run("evt_1", 1, "missed"),
        run("evt_2", 2, "missed"),
        run("evt_3", 3, "missed", aggregate=other),
        run("evt_4", 4, "in_sync", aggregate=other),
    )
    await log.append(topics.connections, "stripe", mappings.encode(records.connection()))
    await log.append(topics.flow_links, link.id, mappings.encode(link))
    for one in found:
        await log.append(topics.runs, one.id, mappings.encode(one))
    await all_runs_are_shown(api, len(found))
    return link


async def test_missed_are_counted_by_entity_and_only_until_they_are_handled(
    off: FlowLink, api: httpx.AsyncClient
) -> None:
    """Two events of one customer are one; a customer that the link handled since is none."""
    [shown] = (await api.get("/api/flow-links")).json()["items"]

    assert (shown["id"], shown["missed"]) == (off.id, 1)


async def test_what_was_missed_is_sent_once_more(
    off: FlowLink, api: httpx.AsyncClient, settings: Settings, topics: Topics
) -> None:
    """One event for each entity, behind live ones, by the connection of now; not while the link is off."""
    refused = await api.post(f"/api/flow-links/{off.id}/catch-up")
    await api.post(f"/api/flow-links/{off.id}/enable")
    answer = await api.post(f"/api/flow-links/{off.id}/catch-up", json={"after": ""})
    [sent] = [envelopes.decode(record.value) for record in await in_topics(settings, topics.replay("customer"))]

    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "link_off")
    assert answer.json() == {"sent": 1, "gone": 0, "next": None}
    assert (sent.type, sent.aggregate, sent.origin) == ("stripe.customer.updated", CUSTOMER, "replay")
    assert sent.connection == off.connections["stripe"]
    assert sent.body() == {"data": {"object": {"object": "customer", "id": "cus_one"}}}


async def test_what_only_its_event_tells_is_sent_as_it_came(
    api: httpx.AsyncClient, log: Log, settings: Settings, topics: Topics
) -> None:
    """A checkout cannot be looked up by its session alone; one whose event is gone is counted apart."""
    link = records.flow_link(id="checkouts", flow="stripe-checkout-to-togai-plan")
    event = Envelope(
        id="evt_paid",
        source="/stripe/acct_1",
        type="stripe.checkout.session.completed",
        subject="cs_one",
        time=records.at(1),
        appaccount=STRIPE,
        connection="removed",
        aggregate=SESSION,
        data=msgspec.Raw(b'{"session": "cs_one"}'),
    )
    place = await log.append(topics.events("plan"), SESSION, envelopes.encode(event))
    await log.append(topics.connections, "stripe", mappings.encode(records.connection()))
    await log.append(topics.flow_links, link.id, mappings.encode(link))
    lost = {"aggregate": f"{SESSION}_lost", "place": str(place._replace(offset=place.offset + 1))}
    for one in ({"aggregate": SESSION, "place": str(place)}, lost):
        missed = run(event.id, 1, "missed", event_type=event.type, flow_link=link.id, **one)
        missed.id = f"run_{one['place']}"
        await log.append(topics.runs, missed.id, mappings.encode(missed))

    async def folded() -> bool:
        shown = (await api.get("/api/flow-links")).json()["items"]
        return [item["missed"] for item in shown] == [2]

    await until(folded, "both")
    answer = (await api.post(f"/api/flow-links/{link.id}/catch-up")).json()
    [sent] = [envelopes.decode(record.value) for record in await in_topics(settings, topics.replay("plan"))]

    assert (answer["sent"], answer["gone"]) == (1, 1)
    assert (sent.body(), sent.aggregate) == (event.body(), SESSION)
    assert (sent.flowlink, sent.connection, sent.origin) == (link.id, link.connections["stripe"], "replay")
    assert sent.id != event.id


async def test_each_of_several_triggers_tells_its_own(
    api: httpx.AsyncClient, log: Log, settings: Settings, topics: Topics
) -> None:
    """A payment arrives before its checkout is complete, and a later event is skipped: both are sent again for all
    that, in the order of the log, until they were handled.
    """
    link, kinds = (
        records.flow_link(id="checkouts", flow="stripe-checkout-to-togai-plan"),
        ("async_payment_succeeded", "completed"),
    )
    await log.append(topics.connections, "stripe", mappings.encode(records.connection()))
    await log.append(topics.flow_links, link.id, mappings.encode(link))
    missed = []
    for second, kind in enumerate(kinds):
        name = f"stripe.checkout.session.{kind}"
        event = Envelope(
            id=f"evt_{kind}", source="/stripe/acct_1", type=name, subject="cs_one", time=records.at(second),
            appaccount=STRIPE, connection="stripe", aggregate=SESSION, data=msgspec.Raw(b"{}"),
        )  # fmt: skip
        place = await log.append(topics.events("plan"), SESSION, envelopes.encode(event))
        missed.append(
            run(
                event.id,
                second,
                "missed",
                event_type=name,
                aggregate=SESSION,
                flow_link=link.id,
                flow=link.flow,
                place=str(place),
            )
        )
    later = run("evt_late", 9, "skipped", event_type=event.type, aggregate=SESSION, flow_link=link.id, flow=link.flow)
    for one in (*missed, later):
        await log.append(topics.runs, one.id, mappings.encode(one))

    async def count(wanted: int) -> None:
        async def folded() -> bool:
            return [item["missed"] for item in (await api.get("/api/flow-links")).json()["items"]] == [wanted]

        await until(folded, f"{wanted} missed")

    await all_runs_are_shown(api, len([*missed, later]))
    await count(1)
    answer = (await api.post(f"/api/flow-links/{link.id}/catch-up")).json()
    sent = [envelopes.decode(record.value) for record in await in_topics(settings, topics.replay("plan"))]
    for number, event in enumerate(sent):
        again = run(
            event.id, 10 + number, "skipped", aggregate=SESSION, flow_link=link.id, flow=link.flow, cause=event.cause
        )
        await log.append(topics.runs, again.id, mappings.encode(again))
    await count(0)

    assert answer == {"sent": 1, "gone": 0, "next": None}
    assert [one.type.rpartition(".")[2] for one in sent] == [*kinds]


async def test_a_flow_link_that_is_not_there(api: httpx.AsyncClient) -> None:
    """A clear answer."""
    assert (await api.post("/api/flow-links/none/catch-up")).status_code == 404
