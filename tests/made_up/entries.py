"""A made-up domain with a service of its own: entries of a ledger, each noted with the address of the account that it
names, which customer-sync is asked for in between.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from shared.domains.flow import Flow, FlowStep
from shared.domains.model import Action, Domain, Kind, Relation, Trigger
from shared.errors import Malformed
from shared.model import Model
from shared.runtime.actions import Context, Implementation, Result

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


BILLED = Relation("billed", source=Kind("ledger", "entry"), target=Kind("togai", "account"), many=True)

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
            naming=lambda entry: {"entry": entry},
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
    ),
    flows=(NOTE_ENTRIES,),
    relations=(BILLED,),
)
IMPLEMENTATIONS: Mapping[str, Implementation] = {"ledger.entry.check": check, "ledger.entry.note": note}
