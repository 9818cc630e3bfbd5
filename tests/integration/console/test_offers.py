"""A plan is offered to an account by a person: who does it, and what is written to the log."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from console.api.state import State
from shared.connections import FlowLink
from shared.domains.plans.flows import PLAN_TO_LINK
from shared.domains.plans.togai import offer_id
from shared.events import envelope as envelopes
from shared.events.topics import Topics
from shared.identity import CONSOLE_SOURCE, run_id
from shared.kafka.log import Log
from shared.settings import Settings

from tests.integration.console import records
from tests.integration.console.records import STRIPE, TOGAI
from tests.integration.console.test_api import put
from tests.stack.topics import place_of
from tests.stack.topics import records as in_topics

PLAN, ACCOUNT = f"{TOGAI}/price_plan/starter", f"{TOGAI}/account/acme"


def offering(name: str = "offers", **fields: Any) -> FlowLink:
    """The flow link that makes payment links."""
    both = {"stripe": "stripe", "togai": "togai"}
    return records.flow_link(**({"id": name, "flow": PLAN_TO_LINK.id, "connections": both} | fields))


async def ask(api: httpx.AsyncClient, plan: str = "starter", account: str = "acme", **more: str) -> httpx.Response:
    return await api.post(f"/api/plans/{plan.replace('/', '%2F')}/offers", json={"account": account} | more)


@pytest.mark.parametrize(("plan", "account"), [("starter", "acme"), (PLAN, ACCOUNT)])
async def test_an_offer_is_an_event_of_its_plan_and_account(
    console: State, api: httpx.AsyncClient, log: Log, settings: Settings, topics: Topics, plan: str, account: str
) -> None:
    """By ids or by full refs; the answer names the run that does it."""
    await put(console, log, *records.both_connected(), offering())
    answer = await ask(api, plan, account)
    [record] = await in_topics(settings, topics.events("plan"))
    event = envelopes.decode(record.value)

    assert answer.status_code == 202, answer.text
    assert answer.json() == {"run": run_id("offers", TOGAI, event.id, place_of(record)), "event": event.id}
    assert (event.type, event.source, event.connection) == ("togai.price_plan.offered", CONSOLE_SOURCE, "togai")
    assert event.aggregate == f"{TOGAI}/offer/{offer_id('starter', 'acme')}"
    assert event.body() == {"plan_id": "starter", "account_id": "acme", "flow_link": ""}


async def test_what_is_none_of_the_flow_links_own_is_refused(
    console: State, api: httpx.AsyncClient, log: Log, settings: Settings, topics: Topics
) -> None:
    """A ref of another app account or of another kind, and what can be no id: 400, and nothing is written."""
    await put(console, log, *records.both_connected(), offering())
    answers = [
        await ask(api, account="togai:test:org_2/account/acme"),
        await ask(api, account=f"{STRIPE}/customer/cus_1"),
        await ask(api, account=PLAN),
        await ask(api, plan=ACCOUNT),
        await ask(api, account="two\nlines"),
    ]
    unknown = await api.post("/api/plans/starter/offers", json={"account": "acme", "price": 3})

    assert [answer.status_code for answer in answers] == [400] * 5
    assert f"is no account of {TOGAI}" in answers[0].json()["error"]["message"]
    assert f"is no price_plan of {TOGAI}" in answers[3].json()["error"]["message"]
    assert "is no id" in answers[4].json()["error"]["message"]
    assert unknown.status_code == 422
    assert await in_topics(settings, topics.events("plan")) == []


async def test_one_enabled_flow_link_does_it(
    console: State, api: httpx.AsyncClient, log: Log, settings: Settings, topics: Topics
) -> None:
    """None that is on, or several: 409 with what to do. One that is named does it alone."""
    await put(console, log, *records.both_connected(), offering(enabled=False))
    none, off, unknown = await ask(api), await ask(api, flow_link="offers"), await ask(api, flow_link="nobody")
    await put(console, log, offering("one"), offering("two"))
    several, named = await ask(api), await ask(api, flow_link="two")
    [record] = await in_topics(settings, topics.events("plan"))
    event = envelopes.decode(record.value)

    refused = (none, off, unknown, several)
    assert [answer.status_code for answer in refused] == [409] * 4
    codes = [answer.json()["error"]["code"] for answer in refused]
    assert codes == ["no_link", "link_off", "no_link", "several_links"]
    assert "tandem flow-links enable offers" in off.json()["error"]["what_to_do"]
    assert "one, two" in several.json()["error"]["message"]
    assert named.json()["run"] == run_id("two", TOGAI, event.id, place_of(record))
    assert event.body()["flow_link"] == "two"
