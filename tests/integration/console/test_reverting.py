"""The preview of a revert: what Tandem knows to stay, and what is asked when it is written back."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from console.api.state import State
from shared.flows.runs import Run, Step
from shared.identity import digest
from shared.kafka.log import Log

from tests.integration.console import records
from tests.integration.console.records import STRIPE, TOGAI
from tests.integration.console.test_api import put
from tests.integration.console.test_links import WHY, asked

CUSTOMER, ACCOUNT = f"{STRIPE}/customer/cus_n", f"{TOGAI}/account/acc_n"
PAIR = records.mapping("n")


@pytest.fixture
async def linked(console: State, log: Log) -> State:
    """A console that knows the flow link for links by hand, and one pair."""
    await put(console, log, *records.both_connected(), records.by_hand(), PAIR)
    return console


def writing(event: str, second: int, entity: str = CUSTOMER, former: Any = "", **value: Any) -> Run:
    """A run that wrote fields of an entity over empty ones."""
    write = {"entity": entity, "set": value, "former": dict.fromkeys(value, former)}
    step = Step(id="pair", action="x", state="succeeded", started_at=records.at(second), output={"writes": [write]})
    return records.run(event, second, steps=[step], aggregate=CUSTOMER, refs=[CUSTOMER, entity])


async def stays(api: httpx.AsyncClient, run: Run) -> dict[str, str]:
    """Why each parameter stays that does, by its name."""
    shown = (await api.get(f"/api/runs/{run.id}/revert")).json()
    return {one["field"]: one["why"] for one in shown["stays"]}


async def test_a_revert_shows_what_later_runs_wrote_again(linked: State, api: httpx.AsyncClient, log: Log) -> None:
    """That stays: only what still stands goes back."""
    first = writing("evt_1", 1, phone="+1", name="Acme", metadata={"VATN": "1"})
    later = writing("evt_2", 2, phone="", metadata={"GSTN": "2"})
    await put(linked, log, first, later)
    shown = (await api.get(f"/api/runs/{first.id}/revert")).json()

    assert [write["set"] for write in shown["writes"]] == [{"phone": "+1", "name": "Acme", "metadata": {"VATN": "1"}}]
    why = f"run {later.id} wrote it again"
    assert shown["stays"] == [{"entity": CUSTOMER, "field": "phone", "why": why, "run": later.id}]


@pytest.mark.parametrize(
    ("run", "expected"),
    [
        (writing("e", 1, name="Acme", phone="+1"), {"name": "its name is 'Acme Inc.' now"}),
        (writing("e", 1, name="Acme Inc."), {}),
        (writing("e", 1, entity=ACCOUNT, primaryEmail="a@x.test"), {"primaryEmail": "its email is 'b@x.test' now"}),
        (writing("e", 1, metadata={"VATN": "1", "GSTN": "2"}), {"metadata": "its metadata.VATN is '9' now"}),
    ],
)
async def test_what_a_person_changed_since_is_known_from_the_differences(
    linked: State, api: httpx.AsyncClient, log: Log, run: Run, expected: dict[str, str]
) -> None:
    """At the side to which the run wrote: the other side's value says nothing. One field keeps its whole parameter."""
    differing = {
        "name": records.difference(),
        "email": records.difference(togai='"b@x.test"', stripe='"a@x.test"'),
        "metadata.VATN": records.difference(togai='"1"', stripe='"9"'),
    }
    await put(linked, log, run, records.pair_state(PAIR, "togai", differences=differing))

    assert await stays(api, run) == expected


async def test_what_was_changed_at_both_sides_is_known_from_the_last_look(
    linked: State, api: httpx.AsyncClient, log: Log
) -> None:
    """They are equal, to another value than was written. A former link's look tells nothing."""
    run = writing("e", 1, phone="+1", email="a@x.test")
    former = records.pair_state(PAIR, "stripe", link="run_before", agreed={"email": digest("b@x.test")}, settled=9)
    agreed = {"phone": digest("+2"), "email": digest("a@x.test")}
    await put(linked, log, run, former, records.pair_state(PAIR, "togai", agreed=agreed, settled=1))

    assert await stays(api, run) == {"phone": "its phone was changed at both sides since"}


async def test_what_cannot_go_back_is_not_promised(linked: State, api: httpx.AsyncClient, log: Log) -> None:
    """A value that Togai does not give up, and an entity that left the pair: that one is not even asked for."""
    first = writing("e", 1, entity=ACCOUNT, former=None, primaryEmail="a@x.test", metadata={"VATN": "1"})
    left = writing("f", 2, entity=f"{TOGAI}/account/before", name="Acme")
    await put(linked, log, first, left)

    assert await stays(api, first) == {"primaryEmail": "it had no value before, and none is taken back there"}
    assert await stays(api, left) == {"name": f"it is of a former link: before is not of {PAIR.id} any more"}
    refused = await api.post(f"/api/runs/{left.id}/revert", json=WHY)
    assert (refused.json()["error"]["code"], await asked(linked)) == ("nothing_to_revert", [])


async def test_a_preview_refuses_what_the_revert_would(linked: State, api: httpx.AsyncClient, log: Log) -> None:
    """A run that wrote nothing, a pair with a side that is gone, a link that is off."""
    run, idle = writing("e", 1, name="Acme"), records.run("idle")
    await put(linked, log, run, idle)

    async def refused(run: Run, to_do: str = "") -> str:
        path = f"/api/runs/{run.id}/revert"
        shown, done = await api.get(path), await api.post(path, json=WHY)
        assert shown.json() == done.json()
        assert to_do in done.json()["error"]["what_to_do"]
        return str(done.json()["error"]["code"])

    assert await refused(idle) == "nothing_to_revert"
    await put(linked, log, records.by_hand(enabled=False))
    assert await refused(run) == "no_flow_link"
    await put(
        linked, log, records.by_hand(), records.mapping("n", state="deleted", reason="cus_n was deleted in Stripe")
    )
    assert await refused(run) == "not_linked"
    await put(linked, log, records.mapping("n", state="withdrawn"))
    assert await refused(run, f"`tandem runs show {run.id}`, and correct it at the vendor") == "not_linked"
