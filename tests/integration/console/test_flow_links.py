"""What the console switches on, and what it refuses to."""

from __future__ import annotations

import httpx
from console.api.state import State
from shared.kafka.log import Log

from tests.integration.console import records
from tests.integration.console.test_api import put


async def test_a_link_whose_connection_was_removed_is_not_switched_on(
    console: State, api: httpx.AsyncClient, log: Log
) -> None:
    """Its events could only fail: the answer says what to do first, and nothing is written."""
    orphan = records.flow_link(id="orphan", enabled=False, connections={"stripe": "gone"})
    await put(console, log, records.connection(id="gone", state="removed"), orphan)

    answer = await api.post("/api/flow-links/orphan/enable")
    error = answer.json()["error"]
    [shown] = (await api.get("/api/flow-links")).json()["items"]

    assert (answer.status_code, error["code"]) == (409, "connection_removed")
    assert error["message"] == "connection gone is removed: `tandem connections add stripe gone`"
    assert shown["enabled"] is False


async def test_of_two_links_that_do_the_same_one_is_on(console: State, api: httpx.AsyncClient, log: Log) -> None:
    """Also where the second one was made while the first one's connection was removed: each event would run twice."""
    first = records.flow_link(id="first", enabled=False)
    second = records.flow_link(id="second", connections={"stripe": "again"})
    await put(console, log, records.connection(), records.connection(id="again"), first, second)

    refused = await api.post("/api/flow-links/first/enable")
    await api.post("/api/flow-links/second/disable")
    allowed = await api.post("/api/flow-links/first/enable")

    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "twin")
    assert "tandem flow-links disable second" in refused.json()["error"]["what_to_do"]
    assert allowed.json()["enabled"] is True


async def test_two_organizations_at_one_account_are_said(console: State, api: httpx.AsyncClient, log: Log) -> None:
    """Which of them gets a new customer is decided by who is first: both links say so, as long as both are on."""
    pair = {"stripe": "stripe", "togai": "togai"}
    first = records.flow_link(id="first", connections=pair)
    second = records.flow_link(id="second", connections=pair | {"togai": "other"}, enabled=False)
    other = records.connection(id="other", app="togai", app_account="togai:test:org_2")
    togai = records.connection(id="togai", app="togai", app_account=records.TOGAI)
    await put(console, log, records.connection(), togai, other, first, second)
    before = (await api.get("/api/flow-links")).json()["items"]
    enabled = (await api.post("/api/flow-links/second/enable")).json()
    after = (await api.get("/api/flow-links")).json()["items"]

    assert [each["competition"] for each in before] == ["", ""]
    assert enabled["competition"].startswith("first has the same events for another account")
    assert {each["id"]: each["competition"].split()[0] for each in after} == {"first": "second", "second": "first"}


async def test_a_link_is_named_by_its_flow_too(console: State, api: httpx.AsyncClient, log: Log) -> None:
    """As long as it is the only one of it: the documents name flows. Of several the ids are asked for."""
    only = records.flow_link(id="link_only", enabled=False)
    await put(console, log, records.connection(), only)
    named = await api.post(f"/api/flow-links/{only.flow}/enable")
    await put(console, log, records.flow_link(id="link_other", enabled=False))
    several = await api.post(f"/api/flow-links/{only.flow}/disable")
    unknown = await api.post("/api/flow-links/none/enable")

    assert (named.json()["id"], named.json()["enabled"]) == ("link_only", True)
    assert (several.status_code, several.json()["error"]["code"]) == (409, "several_links")
    assert "link_only, link_other" in several.json()["error"]["what_to_do"]
    assert unknown.status_code == 404
