"""A first demonstration: customers made at both sides of the sandbox, and how each found its other half."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table
from shared.apps import APPS
from shared.identity import AppAccount
from shared.log import get_logger
from shared.settings import SANDBOX_STRIPE_KEY, SANDBOX_TOGAI_TOKEN, Settings

from console import demo_billing
from console.http import own_machine
from console.identity import ConsoleAuth

DEADLINE = 60.0
CHECK_EVERY = 0.3
LISTS_WITHIN = 30.0
"""Seconds after which the demo begins, whatever was read by then."""
BETWEEN = 1.0
"""Seconds between two accounts: what one of them costs fits into what Togai grants in one."""

log = get_logger(__name__)


@dataclass(frozen=True)
class Newcomer:
    """Somebody who becomes a customer. `id` is the Togai account's, `country` leads to the currency."""

    id: str
    name: str
    email: str
    line1: str
    postal_code: str
    city: str
    country: str
    currency: str


IN_TOGAI = (
    Newcomer("acme-robotics", "Acme Robotics Inc.", "billing@acme.example", "500 Market St", "94105", "San Francisco",
             "US", "USD"),
    Newcomer("nordlicht-energie", "Nordlicht Energie GmbH", "rechnung@nordlicht.example", "Hafenstr. 7", "20457",
             "Hamburg", "DE", "EUR"),
    Newcomer("saffron-analytics", "Saffron Analytics Ltd", "accounts@saffron.example", "12 Baker Street", "NW1 6XE",
             "London", "GB", "GBP"),
)  # fmt: skip
IN_STRIPE = (
    Newcomer("", "Globex Cloud Corp.", "finance@globex.example", "1 Elm Avenue", "10001", "New York", "US", "USD"),
    Newcomer("", "Umbrella Labs SARL", "compta@umbrella.example", "8 rue de Rivoli", "75004", "Paris", "FR", "EUR"),
    Newcomer("", "Initech Software BV", "facturen@initech.example", "Damrak 1", "1012 LG", "Amsterdam", "NL", "EUR"),
)


@dataclass(frozen=True)
class Waiting:
    """One that was made, and the id under which its mapping must appear."""

    name: str
    id: str
    way: str


async def run(settings: Settings, out: Console) -> None:
    """Make three accounts in Togai and three customers in Stripe, wait for their mappings and show them. One of them
    buys a plan then, and is billed for a month.

    Once per home, and never an error: what did not come is named, with where to look.
    """
    marker = settings.home / "run" / "demo.done"
    if await asyncio.to_thread(marker.exists):
        return
    try:
        async with own_machine(timeout=10.0) as client:
            waiting = await _make(client, settings)
            found = await _linked(client, settings, waiting)
            _show(out, settings, waiting, found)
            # A second try would offer what is sold already.
            await asyncio.to_thread(_done, marker)
            if buyer := _buyer(found):
                await demo_billing.run(client, settings, buyer, out)
    except httpx.HTTPError as error:
        log.warning("demo.failed", error=f"{type(error).__name__}: {error}")
        out.print(f"The demo could not run ({type(error).__name__}: {error}); everything else goes on.", markup=False)


def _buyer(found: dict[str, dict[str, Any]]) -> demo_billing.Customer | None:
    """The first one, if it was linked."""
    first = IN_TOGAI[0]
    sides = {
        side["app"]: AppAccount.parse(side["account"]).account for side in found.get(first.id, {}).get("sides", ())
    }
    return demo_billing.Customer(first.name, first.id, sides["stripe"], sides["togai"]) if len(sides) == 2 else None


def _done(marker: Path) -> None:
    marker.parent.mkdir(parents=True, exist_ok=True)
    marker.write_text("The demo ran. Delete this file to see it again at the next start.\n")


async def _lists_read(client: httpx.AsyncClient, settings: Settings) -> None:
    """Wait until it is known who is there: nothing is made before, and reading the lists takes quota, too. Accounts
    that are made by the same API meanwhile would leave a call of Tandem's refused, which then calls less for a while.
    """
    wanted = {kind for app in APPS.values() for kind in app.fills_index}
    end = time.monotonic() + LISTS_WITHIN
    while time.monotonic() < end:
        url = f"http://127.0.0.1:{settings.console_port}/api/status"
        answer = await client.get(url, auth=ConsoleAuth(settings))
        lists = answer.json()["pollers"]["items"] if answer.is_success else []
        if wanted <= {item["kind"] for item in lists if item["complete"]}:
            return
        await asyncio.sleep(CHECK_EVERY)


async def _make(client: httpx.AsyncClient, settings: Settings) -> list[Waiting]:
    made = []
    await _lists_read(client, settings)
    for newcomer in IN_TOGAI:
        await asyncio.sleep(BETWEEN)
        answer = await client.post(
            f"{settings.sandbox_url}/togai/customers",
            headers={"Authorization": f"Bearer {SANDBOX_TOGAI_TOKEN}"},
            json=_togai_customer(newcomer),
        )
        # A demo that was broken off left some: they are there already, which is as good.
        if answer.status_code not in (400, 409):
            answer.raise_for_status()
        made.append(Waiting(newcomer.name, newcomer.id, "Togai → Stripe"))
    for newcomer in IN_STRIPE:
        answer = await client.post(
            f"{settings.sandbox_url}/stripe/v1/customers",
            headers={
                "Authorization": f"Bearer {SANDBOX_STRIPE_KEY}",
                "Idempotency-Key": f"demo-{newcomer.email}",
            },
            data=_stripe_customer(newcomer),
        )
        answer.raise_for_status()
        made.append(Waiting(newcomer.name, answer.json()["id"], "Stripe → Togai"))
    return made


def _togai_customer(newcomer: Newcomer) -> dict[str, Any]:
    return {
        "id": newcomer.id,
        "name": newcomer.name,
        "primaryEmail": newcomer.email,
        "address": {
            "line1": newcomer.line1,
            "postalCode": newcomer.postal_code,
            "city": newcomer.city,
            "country": newcomer.country,
        },
        "account": {"id": newcomer.id, "name": newcomer.name, "invoiceCurrency": newcomer.currency},
    }


def _stripe_customer(newcomer: Newcomer) -> dict[str, str]:
    return {
        "name": newcomer.name,
        "email": newcomer.email,
        "address[line1]": newcomer.line1,
        "address[postal_code]": newcomer.postal_code,
        "address[city]": newcomer.city,
        "address[country]": newcomer.country,
    }


async def _linked(client: httpx.AsyncClient, settings: Settings, waiting: list[Waiting]) -> dict[str, dict[str, Any]]:
    """The mapping of each, as far as they come in time."""
    found: dict[str, dict[str, Any]] = {}
    end = time.monotonic() + DEADLINE
    while len(found) < len(waiting) and time.monotonic() < end:
        for one in waiting:
            if one.id in found:
                continue
            answer = await client.get(
                f"http://127.0.0.1:{settings.console_port}/api/mappings",
                params={"id": one.id, "state": "linked"},
                auth=ConsoleAuth(settings),
            )
            if answer.is_success and (items := answer.json()["items"]):
                found[one.id] = items[0]
        await asyncio.sleep(CHECK_EVERY)
    return found


def _show(out: Console, settings: Settings, waiting: list[Waiting], found: dict[str, dict[str, Any]]) -> None:
    table = Table(title="Six customers, made at one side and linked to the other", title_justify="left", box=SIMPLE)
    table.add_column("Customer", overflow="fold")
    # Ids are there to be copied: they stay on one line also in 80 columns.
    for column in ("Stripe", "Togai account", "Way"):
        table.add_column(column, no_wrap=True)
    for one in waiting:
        if pair := found.get(one.id):
            ids = {f"{side['app']} {side['kind']}": side["id"] for side in pair["sides"]}
            table.add_row(one.name, ids.get("stripe customer", "–"), ids.get("togai account", "–"), one.way)
    out.print(table)
    for one in waiting:
        if one.id not in found:
            out.print(
                f"{one.name} was not linked within {DEADLINE:.0f} s; see why: tandem runs list --id {one.id}",
                markup=False,
            )
    out.print(f"See them live: http://127.0.0.1:{settings.console_port}/", markup=False)
