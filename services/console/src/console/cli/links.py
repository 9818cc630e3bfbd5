"""`tandem mappings link|unlink|relink|separate`: asks the API, and waits for the run that does it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Annotated, Any
from urllib.parse import quote

import typer
from rich.text import Text
from shared.domains.model import Relation
from shared.flows.runs import TERMINAL_STATES

from console.cli import client, tables
from console.cli.terminal import a_reason

PATIENCE = 60.0
CHECK_EVERY = 0.3
DONE = ("succeeded", "in_sync")

Reason = Annotated[str, typer.Option("--reason", prompt="Why?", callback=a_reason, help="Kept with the link.")]
FlowLink = Annotated[str, typer.Option("--flow-link", metavar="ID", help="Which flow link does it, if several could.")]
OnePair = Annotated[str, typer.Argument(metavar="ID", help="The mapping, or any id of either side.")]


def link(
    sides: Annotated[list[str], typer.Argument(metavar="APP=ID APP=ID", help="As togai=acme stripe=cus_1.")],
    reason: Reason,
    relation: Annotated[str, typer.Option("--relation", help="Which kind of link, if it is not customer.")] = "",
    flow_link: FlowLink = "",
    json: client.AsJson = False,
) -> None:
    """Link two that are linked to nobody."""
    body = {"sides": dict(map(_side, sides)), "relation": relation, "reason": reason, "flow_link": flow_link}
    _do("link", body, json=json)


def link_of(relation: Relation) -> Callable[..., None]:
    """The same for a view, whose links are between known kinds: their ids in this order."""
    one, other = relation.source, relation.target

    def command(
        source: str, target: str, reason: Reason, flow_link: FlowLink = "", json: client.AsJson = False
    ) -> None:
        sides = {one.app: source, other.app: target}
        body = {"sides": sides, "relation": relation.name, "reason": reason, "flow_link": flow_link}
        _do("link", body, json=json)

    # Each view has names of its own for them, which an annotation that is read as text cannot take from here.
    for name, kind in (("source", one), ("target", other)):
        metavar = f"{kind.app}-{kind.noun}".upper()
        command.__annotations__[name] = Annotated[str, typer.Argument(metavar=metavar)]
    return command


def _side(text: str) -> tuple[str, str]:
    app, _, entity = text.partition("=")
    if not app or not entity:
        raise typer.BadParameter(f"{text}: write the app and the id, as stripe=cus_1")
    return app, entity


def unlink(pair: OnePair, reason: Reason, flow_link: FlowLink = "", json: client.AsJson = False) -> None:
    """Take a link back. Nothing is deleted at either side."""
    _do("unlink", {"id": pair, "reason": reason, "flow_link": flow_link}, json=json)


def relink(
    pair: OnePair,
    side: Annotated[str, typer.Option(metavar="APP=ID", help="The new one, as stripe=cus_2: the other side stays.")],
    reason: Reason,
    flow_link: FlowLink = "",
    json: client.AsJson = False,
) -> None:
    """Give one side of a pair another partner: mends a wrong or dead link."""
    body = {"id": pair, "sides": dict([_side(side)]), "reason": reason, "flow_link": flow_link}
    _do("relink", body, json=json)


def separate(
    entity: Annotated[str, typer.Argument(metavar="ID", help="The entity that is in conflict.")],
    reason: Reason,
    flow_link: FlowLink = "",
    json: client.AsJson = False,
) -> None:
    """Decide that an entity in conflict matches none of its candidates: its other side is made."""
    _do("separate", {"id": entity, "reason": reason, "flow_link": flow_link}, json=json)


def revert(
    run: Annotated[str, typer.Argument(metavar="RUN", help="The run whose writes are taken back.")],
    reason: Reason,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask again.")] = False,
    flow_link: FlowLink = "",
    json: client.AsJson = False,
) -> None:
    """Write back what a run replaced at either side, where its values still stand."""
    path = f"/api/runs/{quote(run, safe='')}/revert"
    if not _preview(client.call("GET", path, params={"flow_link": flow_link}).json()):
        client.out().print("Nothing goes back.", style="yellow")
        return
    if not yes:
        typer.confirm("Write these values back, where they still stand? That is checked when it runs", abort=True)
    ask(path, {"reason": reason, "flow_link": flow_link}, json=json)


def _preview(found: dict[str, Any]) -> bool:
    """Show what goes back. Returns whether anything does."""
    stays = {(one["entity"], one["field"]): one["why"] for one in found["stays"]}
    values = [
        (w["entity"], name, value, w["former"].get(name)) for w in found["writes"] for name, value in w["set"].items()
    ]
    for entity, name, value, former in values:
        if why := stays.get((entity, name)):
            line = f"{entity}: {name} stays: {why}"
        else:
            line = f"{entity}: {name} {value!r} goes back to {former!r} if it still stands"
        client.out().print(Text(line))
    return any((entity, name) not in stays for entity, name, _, _ in values)


def _do(change: str, body: dict[str, Any], *, json: bool) -> None:
    ask(f"/api/mappings/{change}", body, json=json)


def ask(path: str, body: dict[str, Any], *, json: bool) -> None:
    asked = client.call("POST", path, body=body)
    run = asked.json()["run"]
    if not _ended(run):
        client.out().print(
            Text(f"Asked for, and not done yet. See how it goes: tandem runs show {run}", style="yellow")
        )
        raise typer.Exit(1)
    answer = client.call("GET", f"/api/runs/{run}")
    found = answer.json()
    if json:
        client.print_json(answer)
    else:
        _announce(found)
    raise typer.Exit(0 if found["state"] in DONE else 1)


def _ended(run: str) -> bool:
    """Wait until the run has come to an end, or is parked with a reason. False if it has not in time."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        # As a list: a run that has not begun is no error.
        found = client.items(client.call("GET", "/api/runs", params={"id": run}))
        if any(item["id"] == run and item["state"] in (*TERMINAL_STATES, "parked") for item in found):
            return True
        time.sleep(CHECK_EVERY)
    return False


def _announce(found: dict[str, Any]) -> None:
    out = client.out()
    reason = found["problem"]["reason"] if found["problem"] else found["reason"]
    pair = next((step["output"] for step in found["steps"] if step["output"].get("mapping")), None)
    words = f": {reason}" if reason else ""
    out.print(tables.state(found["state"]).append(words, style="default"))
    if pair:
        known = client.items(client.call("GET", "/api/mappings", params={"id": pair["mapping"], "state": "linked"}))
        both = " and ".join(side["id"] for item in known for side in item["sides"][:2])
        what = f"{both} are one, see" if both else "See"
        out.print(f"{what}: tandem mappings show {pair['mapping']}", markup=False)
    for step in found["steps"]:
        for note in step["notes"]:
            out.print(Text(f"  {note}", style="dim"))
    if found["state"] == "parked":
        out.print(f"It goes on by itself: tandem runs show {found['id']}", markup=False)
    elif found["state"] not in DONE:
        out.print(f"See more: tandem runs show {found['id']}", markup=False)
