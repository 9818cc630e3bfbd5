"""The demo against a stand-in for the sandbox and the console: it never stops `tandem up`."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from console import demo
from console.local.ports import free_port
from granian.constants import Interfaces
from granian.server.embed import Server
from rich.console import Console
from shared.settings import Settings
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from tests.integration.console.conftest import until


class World:
    """What was made, and a console that knows a mapping of everything but `missing`."""

    def __init__(self) -> None:
        self.accounts: list[dict[str, Any]] = []
        self.customers: list[dict[str, Any]] = []
        self.missing = ""

    async def togai(self, request: Request) -> JSONResponse:
        assert request.headers["authorization"] == "Bearer togai_sandbox"
        self.accounts.append(await request.json())
        return JSONResponse({}, 201)

    async def stripe(self, request: Request) -> JSONResponse:
        assert request.headers["authorization"] == "Bearer sk_test_sandbox"
        self.customers.append(dict(await request.form()))
        return JSONResponse({"id": f"cus_{len(self.customers)}"})

    async def mappings(self, request: Request) -> JSONResponse:
        known = request.query_params["id"]
        kinds = (("stripe", "customer", f"stripe-of-{known}"), ("togai", "account", known))
        ids = {"sides": [{"app": app, "kind": kind, "id": id} for app, kind, id in kinds]}
        return JSONResponse({"items": [] if known == self.missing else [ids], "next_cursor": None})

    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/togai/customers", self.togai, methods=["POST"]),
                Route("/stripe/v1/customers", self.stripe, methods=["POST"]),
                Route("/api/mappings", self.mappings),
            ]
        )


@pytest.fixture
def here(tmp_path: Path) -> Settings:
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
