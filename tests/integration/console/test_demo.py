"""The demo against a stand-in for the sandbox and the console: it never stops `tandem up`."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from console import demo, demo_billing
from console.local.ports import free_port
from granian.constants import Interfaces
from granian.server.embed import Server
from rich.console import Console
from shared.apps import APPS
from shared.settings import Settings
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from tests.integration.console.conftest import until


class World:
    """What was made, and a console that knows a mapping of everything but `missing`.

    `sold` is how far the plan is on its way: offered, paid, billed, collected. `stuck` is where it stays.
    """

    def __init__(self) -> None:
        self.looks = 0
        self.accounts: list[dict[str, Any]] = []
        self.customers: list[dict[str, Any]] = []
        self.missing = ""
        self.sold: list[str] = []
        self.stuck = ""

    def _goes_on(self, step: str) -> None:
        if step != self.stuck:
            self.sold.append(step)

    async def offer(self, request: Request) -> JSONResponse:
        assert (await request.json()) == {"account": "acme-robotics"}
        self._goes_on("offered")
        return JSONResponse({}, 202)

    async def plan(self, request: Request) -> JSONResponse:
        links = [{"id": "plink_1", "state": "open"}]
        state = "paid" if "paid" in self.sold else "open"
        offer = {"account": "acme-robotics", "state": state, "links": links if "offered" in self.sold else []}
        return JSONResponse({"name": "Starter", "offered": [offer]})

    async def checkout(self, request: Request) -> JSONResponse:
        assert (await request.json()) == {"account": "acct_1", "payment_link": "plink_1", "outcome": "paid"}
        self._goes_on("paid")
        return JSONResponse({})

    async def cycle(self, request: Request) -> JSONResponse:
        self._goes_on("billed")
        details = {"account": {"invoiceCurrency": "USD"}}
        return JSONResponse({"id": "inv.1", "totalAmount": 69.0, "paidAmount": 49.0, "invoiceDetails": details})

    async def invoice(self, request: Request) -> JSONResponse:
        if "billed" not in self.sold:
            return JSONResponse({"error": "there is none"}, 404)
        paid = "collected" in self.sold
        found = {"state": "paid" if paid else "open", "togai_status": "PAID" if paid else "DUE", "total": "20.00"}
        return JSONResponse({"stripe_id": "in_1", **found})

    async def pay(self, request: Request) -> JSONResponse:
        assert request.path_params["id"] == "in_1"
        self._goes_on("collected")
        return JSONResponse({})

    async def togai(self, request: Request) -> JSONResponse:
        assert self.looks > 1, "Togai's lists are being read"
        assert request.headers["authorization"] == "Bearer togai_sandbox"
        self.accounts.append(await request.json())
        return JSONResponse({}, 201)

    async def stripe(self, request: Request) -> JSONResponse:
        assert request.headers["authorization"] == "Bearer sk_test_sandbox"
        self.customers.append(dict(await request.form()))
        return JSONResponse({"id": f"cus_{len(self.customers)}"})

    async def mappings(self, request: Request) -> JSONResponse:
        known = request.query_params["id"]
        kinds = (
            ("stripe", "stripe:test:acct_1", "customer", f"stripe-of-{known}"),
            ("togai", "togai:test:org_1", "account", known),
        )
        ids = {"sides": [{"app": app, "account": at, "kind": kind, "id": id} for app, at, kind, id in kinds]}
        return JSONResponse({"items": [] if known == self.missing else [ids], "next_cursor": None})

    async def status(self, request: Request) -> JSONResponse:
        self.looks += 1
        kinds = [kind for app in APPS.values() for kind in app.fills_index]
        read = [{"kind": kind, "complete": self.looks > 1} for kind in kinds]
        return JSONResponse({"pollers": {"items": [*read, {"kind": "togai-invoices", "complete": False}]}})

    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/api/status", self.status),
                Route("/togai/customers", self.togai, methods=["POST"]),
                Route("/stripe/v1/customers", self.stripe, methods=["POST"]),
                Route("/api/mappings", self.mappings),
                Route("/api/plans/pp.sandbox.start/offers", self.offer, methods=["POST"]),
                Route("/api/plans/pp.sandbox.start", self.plan),
                Route("/api/invoices/inv.1", self.invoice),
                Route("/control/stripe/checkout", self.checkout, methods=["POST"]),
                Route("/control/togai/billing_cycle", self.cycle, methods=["POST"]),
                Route("/control/stripe/invoices/{id}/pay", self.pay, methods=["POST"]),
            ]
        )


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setattr(demo, "BETWEEN", 0.0)
    port = free_port()
    return Settings(home=tmp_path, sandbox_port=port, console_port=port)


@pytest.fixture
async def world(here: Settings) -> AsyncIterator[World]:
    found = World()
    server = Server(found.app(), "127.0.0.1", here.sandbox_port, interface=Interfaces.ASGINL, log_enabled=False)
    serving = asyncio.create_task(server.serve())

    async def listens() -> bool:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", here.sandbox_port)
        except OSError:
            return False
        writer.close()
        return True

    await until(listens, "the stand-in")
    yield found
    server.stop()  # type: ignore[no-untyped-call]
    await serving


def paper() -> tuple[Console, io.StringIO]:
    text = io.StringIO()
    return Console(file=text, width=200), text


async def test_it_makes_three_at_each_side_and_shows_both_ids(here: Settings, world: World) -> None:
    """Once per home: the second start shows nothing."""
    out, text = paper()

    await demo.run(here, out)
    await demo.run(here, out)

    assert (len(world.accounts), len(world.customers)) == (3, 3)
    assert world.accounts[0]["account"]["invoiceCurrency"] == "USD"
    assert world.customers[0]["address[country]"] == "US"
    assert "stripe-of-acme-robotics" in text.getvalue()
    assert f"http://127.0.0.1:{here.console_port}/" in text.getvalue()


async def test_one_of_them_buys_a_plan_and_is_billed_for_a_month(here: Settings, world: World) -> None:
    """Once per home, too: a second start sells nothing."""
    out, text = paper()

    await demo.run(here, out)
    await demo.run(here, out)

    assert world.sold == ["offered", "paid", "billed", "collected"]
    assert "was offered the plan Starter, paid at its payment link, and has it." in text.getvalue()
    assert "came to 69.00 USD: 49.00 were paid before, Stripe asked for 20.00" in text.getvalue()


@pytest.mark.parametrize(
    ("stuck", "said"),
    [
        ("offered", "a payment link did not come"), ("paid", "the plan on the account did not come"),
        ("billed", "the invoice in Stripe did not come"), ("collected", "the payment in Togai did not come"),
    ],
)  # fmt: skip
async def test_a_sale_that_does_not_go_on_says_where_to_look(
    here: Settings, world: World, monkeypatch: pytest.MonkeyPatch, stuck: str, said: str
) -> None:
    """It is no reason for `tandem up` to stop."""
    monkeypatch.setattr(demo_billing, "DEADLINE", 0.5)
    world.stuck = stuck
    out, text = paper()

    await demo.run(here, out)

    assert said in text.getvalue()
    assert "see why: tandem " in text.getvalue()


async def test_one_that_does_not_come_is_named_with_where_to_look(
    here: Settings, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The others are shown all the same, and nothing is raised."""
    monkeypatch.setattr(demo, "DEADLINE", 0.5)
    world.missing = "acme-robotics"
    out, text = paper()

    await demo.run(here, out)

    assert "tandem runs list --id acme-robotics" in text.getvalue()
    assert "stripe-of-cus_1" in text.getvalue()


async def test_without_a_sandbox_it_says_so_and_tries_again_next_time(here: Settings) -> None:
    """It is no reason for `tandem up` to stop."""
    out, text = paper()

    await demo.run(here, out)

    assert "The demo could not run" in text.getvalue()
    assert not (here.home / "run" / "demo.done").exists()
