"""`tandem mappings`, and the command of each view: `tandem customers`."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote

import typer
from shared.domains import RELATIONS
from shared.domains.model import View

from console.cli import client, links, tables
from console.pages.words import entity_kind

CHANGES = (links.unlink, links.relink, links.separate)


def _app(help: str, *, by_hand: bool = True) -> typer.Typer:
    app = typer.Typer(help=help, no_args_is_help=True)
    app.command()(show)
    for change in CHANGES if by_hand else ():
        app.command()(change)
    return app


def list_(
    id: client.AnyId = "",
    state: client.State = "",
    relation: Annotated[str, typer.Option("--relation", help="Only links of this kind.")] = "",
    since: client.Since = "",
    limit: client.Limit = 50,
    json: client.AsJson = False,
) -> None:
    """List links of every kind, newest first."""
    _list(None, json, id=id, state=state, relation=relation, since=since, limit=limit)


def _list(view: View | None, json: bool, **params: str | int) -> None:
    answer = client.call("GET", "/api/mappings", params=params)
    if json:
        client.print_json(answer)
        return
    shown = tables.mappings(client.items(answer), view.columns if view else ())
    how = f" {view.empty}" if view else ""
    empty = "Nothing is linked under this id." if params["id"] else f"Nothing is linked yet.{how}"
    tables.show_page(client.out(), answer, shown, f"{empty} `tandem runs list` shows what has come.")


def show(mapping: Annotated[str, typer.Argument(metavar="MAPPING")], json: client.AsJson = False) -> None:
    """Show one link."""
    answer = client.call("GET", f"/api/mappings/{quote(mapping, safe='')}")
    if json:
        client.print_json(answer)
        return
    found = answer.json()
    claim = found["claim"] or {}
    tables.facts(
        client.out(),
        {
            "mapping": found["id"],
            "relation": found["relation"],
            "state": tables.state(found["state"], found["shown_as"]),
            **{entity_kind(side["ref"]): side["id"] for side in found["sides"]},
            "began at": found["source"],
            "joined by": found["rule"],
            "changed": f"{found['at']} ({tables.since(found['at'])})",
            "claimed for": f"{found['claimed_for']:.0f} s" if found["claimed_for"] is not None else "",
            "call": f"{claim['action']}, attempt {claim['attempt']}, key {claim['key']}" if claim else "",
            "run": found["run"],
            "reason": found["reason"],
        },
    )


app = _app("Links of every kind: which entity at one app is which at the other.")
app.command("list")(list_)
app.command("link")(links.link)


def of_view(view: View) -> typer.Typer:
    """The command of a view: its list, and what is done to its links."""
    by_hand = RELATIONS[view.relation].by_hand is not None
    found = _app(view.help, by_hand=by_hand)

    def list_view(
        id: client.AnyId = "",
        state: client.State = "",
        since: client.Since = "",
        limit: client.Limit = 50,
        json: client.AsJson = False,
    ) -> None:
        _list(view, json, id=id, state=state, relation=view.relation, since=since, limit=limit)

    found.command("list", help="List them, newest first.")(list_view)
    if by_hand:
        found.command("link", help="Link two that are linked to nobody.")(links.link_of(RELATIONS[view.relation]))
    return found
