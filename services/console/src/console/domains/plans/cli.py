"""`tandem plans`: what Togai sells, its prices in Stripe, and offers to accounts."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import quote

import typer

from console.cli import client, tables
from console.cli.links import ask
from console.domains.plans.words import tone_of

app = typer.Typer(help="Which price plan at Togai is which product at Stripe; offers.", no_args_is_help=True)

COLUMNS = (
    *("State", "Togai", "Stripe", "Name", "Version", "Prices"),
    *("Not expressed", "Offers", "Accounts", "Why", "Changed"),
)


OFFER_COLUMNS = ("Offered to", "State", "Links", "Payments", "Why", "Changed")


def _row(found: dict[str, Any]) -> tuple[object, ...]:
    counts = (found["version"] or "", found["prices"], found["not_expressed"])
    offers = f"{found['offers']}, {found['open_offers']} open" if found["open_offers"] else str(found["offers"])
    return (
        tables.state(tone_of(found["state"]), found["state"]),
        *(found[name] for name in ("id", "stripe_id", "name")),
        *map(str, counts),
        offers,
        str(found["accounts"]),
        found["reason"],
        tables.since(found["updated_at"]),
    )


@app.command("list")
def list_(
    id: client.AnyId = "",
    state: client.State = "",
    since: client.Since = "",
    limit: client.Limit = 50,
    json: client.AsJson = False,
) -> None:
    """List price plans, the last changed first."""
    answer = client.call("GET", "/api/plans", params={"id": id, "state": state, "since": since, "limit": limit})
    empty = (
        "No plan of this kind." if id or state else "No plan yet: offer one to an account with `tandem plans offer`."
    )
    tables.show_list(answer, COLUMNS, _row, empty, json=json)


@app.command()
def show(
    plan: Annotated[str, typer.Argument(metavar="PLAN", help="Any id of either side.")], json: client.AsJson = False
) -> None:
    """Show one plan with its prices, what Stripe cannot express, its offers, and the accounts that have it."""
    answer = client.call("GET", f"/api/plans/{quote(plan, safe='')}")
    if json:
        client.print_json(answer)
        return
    found, out = answer.json(), client.out()
    tables.facts(
        out,
        {
            "state": tables.state(tone_of(found["state"]), found["state"]),
            "Togai": found["id"],
            "Stripe": found["stripe_id"] or "",
            "name": found["name"],
            "why": found["reason"],
            "mapping": found["mapping"],
        },
    )
    for version in found["versions"]:
        _show_version(version)
    if found["offered"]:
        out.print(tables.table(OFFER_COLUMNS, map(_offer, found["offered"])))
    if found["associations"]:
        names = ("account", "since", "schedule_id", "session_id", "payment_id")
        rows = ([one[name] for name in names] for one in found["associations"])
        out.print(tables.table(("Account", "Since", "Schedule", "Checkout", "Counted in Togai"), rows))
    runs = ((tables.state(run["state"]), run["flow"], run["reason"], tables.since(run["started_at"]), run["id"])
            for run in found["runs"])  # fmt: skip
    out.print(tables.table(("State", "Flow", "Result", "Started", "Run"), runs))


def _show_version(version: dict[str, Any]) -> None:
    out = client.out()
    columns = (f"Price of version {version['version']}", "Kind", "Every", "Amounts", "Stripe")
    out.print(tables.table(columns, map(_price, version["prices"])))
    for sentence in (*version["not_expressed"], *version["not_in_link"]):
        out.print(sentence, markup=False)


def _price(found: dict[str, Any]) -> tuple[object, ...]:
    amounts = ", ".join(f"{amount} {code}" for code, amount in found["amounts"].items()) or "by quantity"
    billed = ", billed by Togai" if found["meter"] else ""
    price = f"{found['stripe_id'] or ''}{' (archived)' if found['retired'] else ''}"
    return (found["name"], f"{found['kind'].replace('_', ' ')}{billed}", found["interval"] or "once", amounts, price)


def _offer(found: dict[str, Any]) -> tuple[object, ...]:
    links = "\n".join(f"{one['id']} {one['state']}{': ' + one['url'] if one['state'] == 'open' else ''}"
                      for one in found["links"])  # fmt: skip
    state = tables.state(tone_of(found["state"]), found["state"])
    payments = "\n".join(map(_payment, found["payments"]))
    return (found["account"], state, links, payments, found["reason"], tables.since(found["updated_at"]))


def _payment(found: dict[str, Any]) -> str:
    of = f" ({found['refunded']} given back)" if found["state"] == "partly refunded" else ""
    again = ": the account had the plan already" if found["again"] else ""
    given_back = found["state"] in ("refunded", "partly refunded")
    still = f", counted in Togai by {found['payment_id']} still" if given_back and found["payment_id"] else ""
    return f"{found['amount']} {found['currency']} {found['state']}{of}{still}{again} {found['session_id']}"


@app.command()
def portal(
    plan: Annotated[str, typer.Argument(metavar="PLAN", help="Any id of either side.")],
    account: Annotated[str, typer.Argument(metavar="ACCOUNT", help="The account's id at Togai.")],
    days: Annotated[int, typer.Option(help="How long the address holds.")] = 7,
    json: client.AsJson = False,
) -> None:
    """Give the address of an offer's page, where the account's own people pay it. Send it to nobody else."""
    body = {"account": account, "days": days}
    answer = client.call("POST", f"/api/plans/{quote(plan, safe='')}/portal", body=body)
    if json:
        client.print_json(answer)
        return
    found = answer.json()
    client.out().print(found["url"], markup=False, soft_wrap=True)
    client.out().print(f"It holds until {found['expires_at']}.", markup=False)


@app.command()
def offer(
    plan: Annotated[str, typer.Argument(metavar="PLAN", help="The price plan's id at Togai.")],
    account: Annotated[str, typer.Argument(metavar="ACCOUNT", help="The account's id at Togai.")],
    flow_link: Annotated[str, typer.Option("--flow-link", help="The flow link that does it; if several could.")] = "",
    json: client.AsJson = False,
) -> None:
    """Offer a plan to an account: a payment link of Stripe, which attaches the plan when it is paid."""
    body = {"account": account, "flow_link": flow_link}
    ask(f"/api/plans/{quote(plan, safe='')}/offers", body, json=json)
