"""What the command says, without a console behind it."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import console
import httpx
import pytest
import typer
from console.api.connected import connection_item
from console.cli import client, conflicts, connections, differences, flow_links, imports, links
from shared.key_states import KeyStates

from tests.integration.console import records

API = Path(console.__file__).parent / "api"
REFUSALS = ("BadRequest", "NotNow", "Unknown")


def answering(monkeypatch: pytest.MonkeyPatch, **answers: Any) -> None:
    """A console that gives these answers, by the last word of the path."""

    def call(method: str, path: str, **_: object) -> httpx.Response:
        return httpx.Response(200, json=answers[path.rpartition("/")[2].replace("-", "_")])

    monkeypatch.setattr(client, "call", call)


def conflict(**fields: Any) -> dict[str, Any]:
    """One that nothing but a correction ends."""
    entity = {"ref": "stripe:test:acct_1/customer/cus_1", "app": "stripe", "noun": "customer", "id": "cus_1"}
    given = {"run": "run_1", "entity": entity, "candidates": [], "separable": False, "flow_link": "", "reason": "why"}
    return (
        given
        | {"relation": "customer", "event_type": "e", "since": "2026-11-23T10:00:00.000Z", "next_attempt_at": None}
        | fields
    )


def test_a_conflict_without_candidates_shows_no_table_and_no_alternative(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What it says is to be corrected, or to nothing."""
    answering(monkeypatch, run_1=conflict())
    conflicts.show("run_1")
    output = capsys.readouterr().out

    assert "Candidate" not in output
    assert "\nCorrect what it says, then: tandem conflicts retry run_1" in output


def test_a_link_that_is_switched_off_is_shown_with_what_that_means(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """And with the command that switches it on again."""
    answering(monkeypatch, disable={})
    flow_links.disable("link_1")
    output = capsys.readouterr().out

    assert output.startswith("link_1 is off: it writes nothing, its runs wait")
    assert "`tandem flow-links enable link_1` switches it on again." in output


def test_removed_connections_are_listed_with_how_to_have_them_again(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """And of an open one what is not well."""
    states = KeyStates()
    records_of = [records.connection(verifies=False), records.connection(id="gone", state="removed")]
    items = [connection_item(found, states, webhooks=True).model_dump() for found in records_of]
    answering(monkeypatch, connections={"items": items, "next_cursor": None})
    connections.list_()
    output = capsys.readouterr().out

    assert "has no signing secret" in output
    assert "removed" in output
    assert "tandem connections add stripe gone" in output


def test_a_revert_says_what_stays_and_what_is_checked_when_it_runs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where all of it stays nothing is asked for."""
    entity = "stripe:test:acct_1/customer/cus_1"
    write = {"entity": entity, "set": {"name": "B", "phone": "+1"}, "former": {"name": "A", "phone": ""}}
    stays = [{"entity": entity, "field": name, "why": "it is 'C' now", "run": ""} for name in ("name", "phone")]
    answering(monkeypatch, revert={"writes": [write], "stays": stays})
    links.revert("run_1", "a reason")
    all_stays = capsys.readouterr().out
    answering(monkeypatch, revert={"writes": [write], "stays": stays[:1]})
    monkeypatch.setattr(typer, "confirm", lambda text, abort: typer.echo(text))
    monkeypatch.setattr(links, "ask", lambda *_, **__: None)
    links.revert("run_1", "a reason")
    some = capsys.readouterr().out

    assert all_stays.endswith("Nothing goes back.\n")
    assert f"{entity}: name stays: it is 'C' now" in some
    assert f"{entity}: phone '+1' goes back to '' if it still stands" in some
    assert "That is checked when it runs" in some


@pytest.mark.parametrize(
    ("behind", "says"),
    [
        ([], "None: linked pairs are equal in every field that travels."),
        (["one"], "None that is known.\nNot compared yet is what came while one was off"),
        (["one", "two"], "Not compared yet is what came while one, two were off"),
    ],
)
def test_no_difference_is_distinguished_from_none_that_is_known(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], behind: list[str], says: str
) -> None:
    """By what the API says of the entities that were looked for."""
    answering(monkeypatch, differences={"items": [], "behind": behind}, mappings={"items": [{}]})
    differences.list_(id="cus_1")

    assert says in capsys.readouterr().out


def refusals() -> list[tuple[str, str]]:
    """Every text of a refusal in the API, with its place."""
    found = []
    for file in sorted(API.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in REFUSALS:
                found += [(f"{file.name}:{node.lineno}", text) for text in texts(node)]
    return found


def texts(node: ast.AST) -> list[str]:
    return [n.value for n in ast.walk(node) if isinstance(n, ast.Constant) and isinstance(n.value, str)]


def test_refusals_name_commands_and_no_requests() -> None:
    """They reach people by the command and the pages; whoever writes a program has the API's own page."""
    assert len(refusals()) > 20
    assert [place for place, text in refusals() if "/api/" in text] == []


def test_a_preview_is_imported_as_narrow_as_it_was() -> None:
    """The command that it ends with is pasted: without the options it would import everything."""
    payload = {
        "dry_run": True,
        "ids": ["cus_1", "cus_2"],
        "created_from": "2026-11-01",
        "choices": {"same_email": "decide"},
    }

    assert imports.options_of(payload, "link_1") == (
        " --flow-link link_1 --created-from 2026-11-01 --id cus_1 --id cus_2 --choice same_email=decide"
    )
    assert imports.options_of({"dry_run": True}, "") == ""
