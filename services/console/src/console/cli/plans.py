"""`tandem plans offer`."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote

import typer

from console.cli import client
from console.cli.links import ask


def offer(
    plan: Annotated[str, typer.Argument(metavar="PLAN", help="The price plan's id at Togai.")],
    account: Annotated[str, typer.Argument(metavar="ACCOUNT", help="The account's id at Togai.")],
    flow_link: Annotated[str, typer.Option("--flow-link", help="The flow link that does it; if several could.")] = "",
    json: client.AsJson = False,
) -> None:
    """Offer a plan to an account: a payment link of Stripe, which attaches the plan when it is paid."""
    body = {"account": account, "flow_link": flow_link}
    ask(f"/api/plans/{quote(plan, safe='')}/offers", body, json=json)
