"""A made-up domain with a service of its own: entries of a ledger, each noted with the address of the account that it
names, which customer-sync is asked for in between.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from shared.domains.flow import Flow, FlowStep
from shared.domains.model import Action, ByHand, Domain, Kind, LinkRequest, Relation, Trigger, View
from shared.errors import Malformed
from shared.model import Model
from shared.runtime.actions import Context, Ended, Implementation, Result

from tests.made_up.ledger import LedgerClient


class Entry(Model):
    """An entry, and the account that it names."""

    entry: str
    account: str


class Note(Model):
    """What is written down of an entry."""

    entry: str
    account: str
    email: str


def subject(body: Any) -> tuple[str, str] | None:
    found = body.get("entry") if isinstance(body, dict) else None
    return ("entry", found) if isinstance(found, str) else None


def entered(body: Any) -> Entry:
    if not subject(body):
        raise Malformed("the event names no entry")
    return Entry(entry=body["entry"], account=body["account"])


async def check(context: Context, found: Entry) -> Result:
    """An action without a call."""
    return Result(found, False, (f"checked in {context.run.noun}",))


async def note(context: Context, wanted: Note) -> Result:
    """Note the entry and link it to its account: claimed first, as every link."""
    source, target = context.ref("ledger", "entry", wanted.entry), context.ref("togai", "account", wanted.account)
    held = await context.claims.claim(
        source,
        action="ledger.entry.note",
        app_account=context.account("togai"),
        body={"email": wanted.email},
        run=context.run.id,
        target=target,
    )
    made = held.state == "claimed"
    if made:
        client = cast(LedgerClient, await context.client("ledger"))
        await client.note(wanted.entry, wanted.email)
        await context.claims.link(held, target, "metadata")
    return Result(wanted, made, (f"noted in {context.run.noun}",), (source, target))


class Change(Model):
    """A link that a person asks for."""

    change: str
    entry: str = ""
    account: str = ""
    reason: str
    flow_link: str = ""


async def change(context: Context, wanted: Change) -> Result:
    """Link an entry to the account that a person names."""
    if wanted.flow_link not in ("", context.link.id):
        raise Ended("skipped", f"flow link {wanted.flow_link} was asked to do it")
    source, target = context.ref("ledger", "entry", wanted.entry), context.ref("togai", "account", wanted.account)
    account = context.account("togai")
    held = await context.claims.claim(
        source, action="ledger.entry.change_link", app_account=account, body={}, run=context.run.id, target=target
    )
    await context.claims.link(held, target, "manual", reason=wanted.reason)
    return Result(wanted, True, (f"linked by hand: {wanted.reason}",), (source, target))


def asked(request: LinkRequest) -> Change:
    """A person's request as the body of the event."""
    sides = {"entry": request.sides.get("ledger", ""), "account": request.sides.get("togai", "")}
    return Change(change=request.change, reason=request.reason, flow_link=request.flow_link, **sides)


BILLED = Relation(
    "billed",
    source=Kind("ledger", "entry"),
    target=Kind("togai", "account"),
    many=True,
    by_hand=ByHand("link-entries", asked),
)

ENTRIES = View(
    name="entries",
    title="Entries",
    help="Which entry of the ledger is billed to which account.",
    relation=BILLED.name,
    columns=(BILLED.source, BILLED.target),
    empty="Make an entry in the ledger: it appears here.",
)

LINK_ENTRIES = Flow(
    id="link-entries",
    title="Entries linked by hand",
    direction="inbound",
    visibility="built-in",
    trigger="ledger.entry.link_requested",
    steps=(
        FlowStep(
            id="link",
            action="ledger.entry.change_link",
            input={name: f"{{{{ trigger.{name} }}}}" for name in Change.model_fields},
        ),
    ),
)

NOTE_ENTRIES = Flow(
    id="note-entries",
    title="Note entries",
    direction="inbound",
    visibility="built-in",
    trigger="ledger.entry.made",
    steps=(
        FlowStep(
            id="check",
            action="ledger.entry.check",
            input={"entry": "{{ trigger.entry }}", "account": "{{ trigger.account }}"},
        ),
        FlowStep(id="account", action="togai.account.read", input={"account_id": "{{ steps.check.account }}"}),
        FlowStep(
            id="note",
            action="ledger.entry.note",
            input={
                "entry": "{{ trigger.entry }}",
                "account": "{{ steps.account.account_id }}",
                "email": "{{ steps.account.email }}",
            },
        ),
    ),
)

DOMAIN = Domain(
    noun="entry",
    service="entry-sync",
    triggers=(
        Trigger(
            name="ledger.entry.made",
            app="ledger",
            title="Entry made",
            output=Entry,
            subject=subject,
            extract=entered,
            recheck_body=lambda entry: {"entry": entry},
        ),
        Trigger(
            name="ledger.entry.link_requested",
            app="ledger",
            title="A person asked for a link of an entry",
            output=Change,
            subject=subject,
            extract=Change.model_validate,
            by_state=False,
            brought="person",
        ),
    ),
    actions=(
        Action(name="ledger.entry.check", app="ledger", title="Check an entry", input=Entry, output=Entry),
        Action(
            name="ledger.entry.note",
            app="ledger",
            title="Note an entry",
            input=Note,
            output=Note,
            subject=lambda wanted: ("ledger", "entry", wanted.entry),
        ),
        Action(
            name="ledger.entry.change_link",
            app="ledger",
            title="Link an entry by hand",
            input=Change,
            output=Change,
            subject=lambda wanted: ("ledger", "entry", wanted.entry),
        ),
    ),
    flows=(NOTE_ENTRIES, LINK_ENTRIES),
    relations=(BILLED,),
    views=(ENTRIES,),
)
IMPLEMENTATIONS: Mapping[str, Implementation] = {
    "ledger.entry.check": check,
    "ledger.entry.note": note,
    "ledger.entry.change_link": change,
}
