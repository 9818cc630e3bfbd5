"""Many dead letters are tried again at once: those that a person means, and no other."""

from __future__ import annotations

import asyncio

import httpx
from console.api.state import State
from shared.events.topics import Topics
from shared.flows.runs import DeadLetter, RunError
from shared.kafka.log import Log
from shared.linking import mappings
from shared.settings import Settings

from tests.integration.console import records
from tests.integration.console.conftest import Tandem, until
from tests.integration.console.test_api import put, replayed
from tests.stack.forked import Forked


def letter(event: str, second: int, *, error: str = "Rejected", flow_link: str = "link", **fields: str) -> DeadLetter:
    problem = RunError(error=error, reason="no", code="no")
    run = records.run(event, second, state="dead", problem=problem, flow_link=flow_link)
    return records.dead_letter(event, second, run=run, problem=problem, id=records.unique("dead"), **fields)


async def test_all_open_ones_are_sent_again_page_by_page(console: State, api: httpx.AsyncClient, log: Log) -> None:
    """One that was discarded is not; a second time nothing is left to send."""
    found = [letter(f"e{n}", n) for n in range(3)]
    discarded = letter("gone", 9, state="discarded")
    await put(console, log, *found, discarded)

    first = await api.post("/api/dead-letters/retry", json={"limit": 2})
    rest = await api.post("/api/dead-letters/retry", json={"limit": 2, "cursor": first.json()["next_cursor"]})
    again = await api.post("/api/dead-letters/retry", json={})

    assert (first.status_code, first.json()["sent"]) == (202, 2)
    assert rest.json() == {"sent": 1, "next_cursor": None}
    assert again.json() == {"sent": 0, "next_cursor": None}
    sent = {record.value for record in await replayed(console.settings, console.topics)}
    assert sent == {each.value for each in found}
    states = {(await api.get(f"/api/dead-letters/{each.id}")).json()["state"] for each in found}
    assert (states, (await api.get(f"/api/dead-letters/{discarded.id}")).json()["state"]) == ({"retried"}, "discarded")


async def test_they_can_be_narrowed(console: State, api: httpx.AsyncClient, log: Log) -> None:
    """By flow link, error, noun, id and age; what is misspelt is refused, for it would mean all of them."""
    meant = letter("meant", 5, error="Misconfigured", flow_link="mine")
    others = [
        letter("error", 5, flow_link="mine"),
        letter("link", 5, error="Misconfigured"),
        letter("old", 1, error="Misconfigured", flow_link="mine"),
        letter("plan", 5, error="Misconfigured", flow_link="mine", noun="plan"),
    ]
    await put(console, log, meant, *others)

    which = {"flow_link": "mine", "error": "Misconfigured", "noun": "customer", "since": records.at(3)}
    nobody = await api.post("/api/dead-letters/retry", json=which | {"id": "cus_nobody"})
    answer = await api.post("/api/dead-letters/retry", json=which | {"id": "cus_meant"})
    misspelt = await api.post("/api/dead-letters/retry", json={"flowlink": "mine"})

    assert nobody.json()["sent"] == 0
    assert answer.json()["sent"] == 1
    assert misspelt.status_code == 422
    assert [record.value for record in await replayed(console.settings, console.topics)] == [meant.value]


async def test_the_page_tries_all_open_ones_again(console: State, api: httpx.AsyncClient, log: Log) -> None:
    """A plain form with one button."""
    await put(console, log, letter("one", 1), letter("two", 2))

    page = (await api.get("/dead-letters")).text
    answer = await api.post("/dead-letters/retry", data={"id": ""})

    assert 'action="/dead-letters/retry"' in page
    assert (answer.status_code, answer.headers["location"]) == (303, "/dead-letters?done=retried")
    assert len(await replayed(console.settings, console.topics)) == 2


async def test_the_command_says_how_many(
    process: Forked, tandem: Tandem, log: Log, topics: Topics, settings: Settings
) -> None:
    """One by its id, or many by --all; neither, or both, is refused, and so is a narrowing without --all."""
    meant, other = letter("meant", 1, error="Misconfigured"), letter("other", 2)
    for each in (meant, other):
        await log.append(topics.dead_letters, each.id, mappings.encode(each))

    def run(*words: str) -> str:
        done = tandem("dead-letters", "retry", *words)
        return f"{done.returncode} {done.stdout}{done.stderr}"

    refused = [run(), run("dead_1", "--all"), run("dead_1", "--error", "Rejected")]
    answers: list[str] = []

    async def sent() -> bool:
        answers.append(await asyncio.to_thread(run, "--all", "--error", "Misconfigured"))
        return "0 dead letters" not in answers[-1]

    await until(sent, "the dead letters in the tables")

    assert [text.partition(" ")[0] for text in refused] == ["2", "2", "2"]
    assert "1 dead letter was sent again" in answers[-1]
    assert [record.value for record in await replayed(settings, topics)] == [meant.value]
