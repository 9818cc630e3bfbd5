"""The made-up domain through the console: its link and its run in the API, on a page and by a command of their own."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from console import domains
from console.cli import links, main, mappings, runs
from console.projection.database import Batch, Database, Move
from shared.domains import views

from tests.made_up import entry_console
from tests.made_up.test_seams import post, ref
from tests.stack.console import Console, answering
from tests.stack.in_process import InProcess


@pytest.fixture
def console(tandem: InProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Console]:
    """It answers the commands of this test, too."""
    with answering(tandem, tmp_path, monkeypatch) as made:
        yield made


async def command(app: typer.Typer, *words: str) -> None:
    """As a person types it."""
    await asyncio.to_thread(typer.main.get_command(app).main, list(words), standalone_mode=False)


async def test_its_link_and_its_run_are_in_the_api(tandem: InProcess, console: Console) -> None:
    """With the sides of its own relation, found by an id of either."""
    tandem.account()
    await post(tandem)
    await tandem.drain("stripe", "togai")

    [link] = (await asyncio.to_thread(console.ask, "GET", "/api/mappings?id=ent_1")).json()["items"]
    others = (await asyncio.to_thread(console.ask, "GET", "/api/mappings?relation=customer")).json()["items"]
    found = (await asyncio.to_thread(console.ask, "GET", "/api/runs?id=ent_1&flow=note-entries")).json()["items"]

    assert (link["relation"], link["state"]) == ("billed", "linked")
    assert [(side["app"], side["kind"], side["id"]) for side in link["sides"]] == [
        ("ledger", "entry", "ent_1"), ("togai", "account", "acme"),
    ]  # fmt: skip
    assert {other["relation"] for other in others} == {"customer"}
    assert [(run["aggregate"], run["state"]) for run in found] == [(ref(tandem), "succeeded")]


async def test_it_has_a_page_and_a_command_of_its_own(
    tandem: InProcess, console: Console, capsys: pytest.CaptureFixture[str]
) -> None:
    """By its view: the columns, the title, and what makes the first link. The head of each page names it."""
    tandem.account()
    empty = (await asyncio.to_thread(console.ask, "GET", "/entries")).text
    await post(tandem)
    await tandem.drain("stripe", "togai")

    page = (await asyncio.to_thread(console.ask, "GET", "/entries")).text
    home = (await asyncio.to_thread(console.ask, "GET", "/")).text
    ran = (await asyncio.to_thread(console.ask, "GET", "/runs")).text
    customers = (await asyncio.to_thread(console.ask, "GET", "/customers")).text
    await command(mappings.of_view(views()["entries"]), "list")
    listed = capsys.readouterr().out
    await command(runs.app, "list", "--flow", "note-entries")

    assert "Make an entry in the ledger: it appears here." in empty
    for shown in (">Ledger entry</th>", ">Togai account</th>", ">ent_1</a>", 'href="/entries" aria-current="page"'):
        assert shown in page, shown
    assert '<a href="/entries">Entries</a>' in home
    assert "entry-sync" in home
    assert ("Note entries" in ran, "ent_1" in customers) == (True, False)
    assert ("Ledger entry" in listed, "ent_1" in listed, "cus_" in listed) == (True, True, False)
    assert "ent_1 (Ledger entry)" in capsys.readouterr().out


async def test_a_person_links_by_the_command_of_its_view(
    tandem: InProcess, console: Console, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The request stands on its noun's topic, and its own service carries it out."""
    tandem.account()
    await tandem.drain("stripe", "togai")
    monkeypatch.setattr(links, "PATIENCE", 0.0)  # the worker goes on when this test lets it
    await command(mappings.of_view(views()["entries"]), "link", "ent_9", "acme", "--reason", "seen on paper")
    asked = tandem.log.written[-1]
    await tandem.drain("stripe", "togai")
    await command(mappings.of_view(views()["entries"]), "show", await mapping_of(console, "ent_9"))

    [run] = tandem.runs(ref(tandem, "ent_9"))
    assert (asked.topic, asked.key) == (tandem.topics.events("entry"), run.aggregate)
    assert (run.state, run.noun, run.flow) == ("succeeded", "entry", "link-entries")
    shown = capsys.readouterr().out
    assert ("manual" in shown, "seen on paper" in shown, "Ledger entry" in shown) == (True, True, True)


async def test_its_own_part_has_a_table_an_api_a_page_and_a_command(
    tandem: InProcess, console: Console, capsys: pytest.CaptureFixture[str]
) -> None:
    """By a folder and its line in the registry: the status tells of it, too, and its sentence is a problem."""
    tandem.account()
    before = (await asyncio.to_thread(console.ask, "GET", "/api/status")).json()
    await post(tandem)
    await tandem.drain("stripe", "togai")
    made = typer.Typer()
    main.add_domains(made)

    status, api = [(await asyncio.to_thread(console.ask, "GET", f"/api/{name}")).json() for name in ("status", "noted")]
    page = (await asyncio.to_thread(console.ask, "GET", "/noted")).text
    schema = (await asyncio.to_thread(console.ask, "GET", "/openapi.json")).json()["components"]["schemas"]["Status"]
    await command(made, "noted", "list")

    assert api == [ref(tandem)]
    assert before["not_noted"] == ["no entry was noted: make one in the ledger"]
    assert set(before["not_noted"]) <= set(before["problems"])
    assert (status["not_noted"], status["not_attached"]) == ([], [])
    assert schema["properties"]["not_noted"]["description"] == "that there is none"
    assert ('<a href="/noted" aria-current="page">Noted</a>' in page, ">ent_1</a>" in page) == (True, True)
    assert capsys.readouterr().out == f"{ref(tandem)}\n"


def test_a_new_domains_table_is_filled_from_the_whole_log(tmp_path: Path) -> None:
    """Tables that know nothing of it are dropped: what was folded before it came is folded again."""
    part, url = entry_console.PART, f"sqlite:///{tmp_path / 'console.sqlite3'}"
    domains.unregister(part)
    try:
        before = Database(url)
        before.prepare()
        before.positions([("runs", 0)])
        before.fold(Batch([Move(("runs", 0), 0, 7)]))
        before.close()
    finally:
        domains.register(part)
    now = Database(url)
    now.prepare()

    assert now.positions([("runs", 0)]) == {("runs", 0): 0}
    now.close()


async def mapping_of(console: Console, entity: str) -> str:
    """The id of the one link of an entity."""
    [link] = (await asyncio.to_thread(console.ask, "GET", f"/api/mappings?id={entity}")).json()["items"]
    return str(link["id"])
