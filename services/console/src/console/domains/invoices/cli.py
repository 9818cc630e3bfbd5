"""`tandem invoices`: what Togai bills and Stripe collects, and what a person decides about it."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import quote

import typer

from console.cli import client, tables
from console.cli.links import FlowLink, ask
from console.cli.terminal import a_reason
from console.domains.invoices.words import tone_of

app = typer.Typer(help="What Togai bills and Stripe collects.", no_args_is_help=True)

COLUMNS = ("State", "Togai", "Stripe", "Account", "Number", "Total", "Paid", "Why", "Changed")
OneInvoice = Annotated[str, typer.Argument(metavar="INVOICE", help="Any id of either side.")]
Reason = Annotated[str, typer.Option("--reason", prompt="Why?", callback=a_reason, help="Kept in the log.")]


def _money(found: dict[str, Any], name: str) -> str:
    return f"{found[name]} {found['currency']}" if found[name] is not None else ""


def _said(found: dict[str, Any]) -> str:
    """What Togai's Settings say of it; that it is overdue is known before they do."""
    words = found["recorded"]
    return f"{words}; overdue".removeprefix("; ") if found["overdue"] and "overdue" not in words else words


def _row(found: dict[str, Any]) -> tuple[object, ...]:
    why = found["reason"] if found["state"] in ("waiting", "held", "draft", "failed") else _said(found)
    amounts = (_money(found, "total"), _money(found, "paid"))
    ids = (found["id"], found["stripe_id"], found["account"], found["number"])
    return (
        tables.state(tone_of(found["state"]), found["state"]),
        *ids,
        *amounts,
        why,
        tables.since(found["updated_at"]),
    )


@app.command("list")
def list_(
    id: client.AnyId = "",
    state: client.State = "",
    account: Annotated[str, typer.Option("--account", help="Only those of this account of Togai.")] = "",
    since: client.Since = "",
    limit: client.Limit = 50,
    json: client.AsJson = False,
) -> None:
    """List invoices, the last changed first."""
    params = {"id": id, "state": state, "account": account, "since": since, "limit": limit}
    answer = client.call("GET", "/api/invoices", params=params)
    empty = "No invoice of this kind." if id or state or account else "Nothing was billed yet: see `tandem status`."
    tables.show_list(answer, COLUMNS, _row, empty, json=json)


@app.command()
def show(invoice: OneInvoice, json: client.AsJson = False) -> None:
    """Show one invoice with its payments, and what ran."""
    answer = client.call("GET", f"/api/invoices/{quote(invoice, safe='')}")
    if json:
        client.print_json(answer)
        return
    found = answer.json()
    held, out = found["held"], client.out()
    amounts = ("total", "tax", "paid", "refunded", "disputed", "credited", "overpaid")
    tables.facts(
        out,
        {
            "state": tables.state(tone_of(found["state"]), found["state"]),
            "Togai": f"{found['id']} {found['togai_status']}",
            "Stripe": f"{found['stripe_id']} {found['stripe_status']}" if found["stripe_id"] else "",
            "account": found["account"],
            "number": found["number"],
            **{name: _money(found, name) for name in amounts if found[name] not in (None, "0", "0.00")},
            "due": found["due_at"] and f"{found['due_at'][:10]}{', overdue' if found['overdue'] else ''}",
            "paid at": found["url"] or found["portal"],
            "Togai's Settings": found["recorded"],
            "refund": f"{found['refund_asked']}: {found['refund_url']}" if found["refund_asked"] else "",
            "held": f"since {held['since']}: {held['reason']}" if held else "",
            "why": found["reason"] if not held else "",
            "mapping": found["mapping"],
        },
    )
    parts = [*found["payments"], *found["refunds"], *found["disputes"], *found["credit_notes"]]
    if parts:
        rows = ((one["kind"].replace("_", " "), one["id"], one["status"], _money(one | found_currency(found), "amount"))
                for one in parts)  # fmt: skip
        out.print(tables.table(("Kind", "Id", "Status", "Amount"), rows))
    runs = ((tables.state(run["state"]), run["flow"], run["reason"], tables.since(run["started_at"]), run["id"])
            for run in found["runs"])  # fmt: skip
    out.print(tables.table(("State", "Flow", "Result", "Started", "Run"), runs))


def found_currency(found: dict[str, Any]) -> dict[str, Any]:
    """The currency in which everything of an invoice is."""
    return {"currency": found["currency"]}


def _decide(change: str, invoice: str, reason: str, flow_link: str, *, json: bool) -> None:
    ask(f"/api/invoices/{quote(invoice, safe='')}/{change}", {"reason": reason, "flow_link": flow_link}, json=json)


@app.command()
def hold(invoice: OneInvoice, reason: Reason, flow_link: FlowLink = "", json: client.AsJson = False) -> None:
    """Make nothing more of it in Stripe, until you release it."""
    _decide("hold", invoice, reason, flow_link, json=json)


@app.command()
def release(invoice: OneInvoice, reason: Reason, flow_link: FlowLink = "", json: client.AsJson = False) -> None:
    """Let a held invoice go on."""
    _decide("release", invoice, reason, flow_link, json=json)


@app.command()
def resync(invoice: OneInvoice, reason: Reason, flow_link: FlowLink = "", json: client.AsJson = False) -> None:
    """Look at both sides again: also an invoice that is older than its flow link is sent."""
    _decide("resync", invoice, reason, flow_link, json=json)
