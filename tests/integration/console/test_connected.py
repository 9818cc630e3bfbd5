"""What of connections and flow links is not well, off or removed: said once, with what to do."""

from __future__ import annotations

import httpx
import pytest
from console.api.state import State
from shared.connections import Limits
from shared.kafka.log import Log

from tests.integration.console import records
from tests.integration.console.records import TOGAI
from tests.integration.console.test_api import put

REMOVED = records.connection(id="gone", state="removed")


@pytest.mark.parametrize(("public_url", "problems"), [("https://hooks.example.com", 1), ("", 0)])
async def test_a_connection_without_a_signing_secret_is_not_well_where_webhooks_come_in(
    console: State, api: httpx.AsyncClient, log: Log, public_url: str, problems: int
) -> None:
    """Every delivery to it is refused; where nothing is delivered it lacks nothing."""
    console.settings.public_url, console.settings.sandbox = public_url, False
    await put(console, log, records.connection(verifies=False), records.connection(id="well", verifies=True))

    status = (await api.get("/api/status")).json()
    listed = (await api.get("/api/connections")).json()["items"]
    pages = [(await api.get(path)).text for path in ("/", "/connections", "/status")]

    assert len(status["problems"]) == problems
    assert (status["healthy"], [len(item["problems"]) for item in listed]) == (not problems, [problems, 0])
    remedy = "tandem connections add stripe stripe --webhook-secret -"
    assert all((f"<code>{remedy}</code>" in page) == bool(problems) for page in pages)
    assert all("connection stripe has no signing secret, so every webhook to it is refused" in one and remedy in one
               for one in status["problems"])  # fmt: skip


async def test_a_removed_connection_is_listed_with_how_to_have_it_again(
    console: State, api: httpx.AsyncClient, log: Log
) -> None:
    """After the others, and it is no alarm. Without flow links of its own nothing else tells of it."""
    await put(console, log, records.connection(), REMOVED)

    listed = (await api.get("/api/connections")).json()["items"]
    status = (await api.get("/api/status")).json()
    front, page = [(await api.get(path)).text for path in ("/", "/connections")]

    assert [(item["id"], item["state"]) for item in listed] == [("stripe", "open"), ("gone", "removed")]
    assert listed[1]["reason"].startswith("`tandem connections add stripe gone` connects it again")
    assert (status["healthy"], status["off"]) == (True, [])
    assert "gone" not in front
    assert "All is well." in front
    assert "<code>tandem connections add stripe gone</code> connects it again" in page


async def test_a_removed_connection_is_listed_once_with_its_flow_links(
    console: State, api: httpx.AsyncClient, log: Log
) -> None:
    """Not with each of them; two that are removed together are two."""
    ledger = records.connection(id="togai", app="togai", app_account=TOGAI, state="removed")
    both = {"books": "gone", "togai": "togai"}
    links = [
        records.flow_link(id="a", enabled=False, connections={"stripe": "gone"}),
        records.flow_link(id="b", enabled=False, connections={"books": "gone"}),
        records.flow_link(id="c", enabled=False, connections=both),
    ]
    await put(console, log, REMOVED, ledger, *links, records.waiting("w", "FlowLinkOff", flow_link="b"))

    off = (await api.get("/api/status")).json()["off"]

    then = "then `tandem flow-links enable ID` for each, or `tandem flow-links remove ID` to be done with it"
    assert off == [
        "connection gone is removed: `tandem connections add stripe gone`; off with it: a, b; 1 entity waits for it; "
        f"{then}",
        "connections gone and togai are removed: `tandem connections add stripe gone` and `tandem connections add "
        f"togai togai`; off with it: c; {then}",
    ]


async def test_prometheus_counts_what_is_off(console: State, api: httpx.AsyncClient, log: Log) -> None:
    """Connections and flow links by state, and the entities that each flow link missed."""
    links = [
        records.flow_link(id="on"),
        records.flow_link(id="new", enabled=False),
        records.flow_link(id="off", enabled=False, changed_at=records.at(0)),
    ]
    await put(console, log, records.connection(), REMOVED, *links)
    await put(console, log, *(records.run(f"m{n}", n, state="missed", flow_link="off") for n in range(2)))

    metrics = (await api.get("/metrics")).text.splitlines()

    for line in (
        'tandem_connections{state="open"} 1.0',
        'tandem_connections{state="removed"} 1.0',
        'tandem_flow_links{state="on"} 1.0',
        'tandem_flow_links{state="new"} 1.0',
        'tandem_flow_links{state="off"} 1.0',
        'tandem_missed{flow_link="off"} 2.0',
        'tandem_missed{flow_link="on"} 0.0',
    ):
        assert line in metrics, line


async def test_what_is_not_compared_yet_is_said_of_its_own_entities_alone(
    console: State, api: httpx.AsyncClient, log: Log
) -> None:
    """A flow link that missed news of one pair, of either side, says nothing about another; without an id all count."""
    pair, other = records.mapping("n"), records.mapping("other")
    links = [records.flow_link(id=name, enabled=False) for name in ("one", "two", "three")]
    missed = records.run("m", aggregate=pair.target, refs=[pair.target], state="missed", flow_link="one")
    held = records.waiting("w", "FlowLinkOff", flow_link="two", aggregate=other.source, refs=[other.source])
    await put(console, log, pair, other, *links, missed, held)

    async def behind(id: str) -> list[str]:
        found: list[str] = (await api.get("/api/differences", params={"id": id})).json()["behind"]
        return found

    assert [await behind(id) for id in ("cus_n", "acc_n", pair.id)] == [["one"]] * 3
    assert (await behind("cus_other"), await behind("nobody"), await behind("")) == (["two"], [], ["one", "two"])
    assert "came while two was off" in (await api.get("/", params={"id": "acc_other"})).text


async def test_the_limits_that_a_person_set_are_shown(console: State, api: httpx.AsyncClient, log: Log) -> None:
    """Whoever set them, or wonders why an account is called so slowly, reads them again; the rest is the settings'."""
    limits = Limits(quota=50, background_share=0.2)
    await put(console, log, records.connection(limits=limits), records.connection(id="other"))

    listed = (await api.get("/api/connections")).json()["items"]
    page = (await api.get("/connections")).text

    assert {item["id"]: item["limits"] for item in listed} == {
        "stripe": {"quota": 50, "background_share": 0.2},
        "other": {},
    }
    assert "quota=50, background_share=0.2" in page
