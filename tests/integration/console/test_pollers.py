"""What the console says of the pollers, as ingress tells it."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from console.api import pollers
from console.http import own_machine
from console.local.ports import free_port
from granian.constants import Interfaces
from granian.server.embed import Server
from shared.settings import Settings
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.integration.console import records
from tests.integration.console.conftest import until


class Ingress:
    """A stand-in that answers at /pollers with what a test sets."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.answer: Response = JSONResponse({})

    async def pollers(self, _: Request) -> Response:
        return self.answer

    def says(self, *items: dict[str, Any], leader: bool = True, webhooks: str = "come in") -> None:
        self.answer = JSONResponse({"leader": leader, "webhooks": webhooks, "items": list(items)})


def item(**fields: Any) -> dict[str, Any]:
    """A list that is read as it should be."""
    given: dict[str, Any] = {
        "app_account": records.STRIPE, "kind": "stripe-events", "interval": 900.0, "at": records.at(0),
        "position": records.at(0), "complete": True, "passes": 7, "seen": 0, "found": 3, "gap_seconds": 12.0,
        "level": "ok", "problem": "",
    }  # fmt: skip
    return given | fields


@pytest.fixture
async def ingress(tmp_path: Path) -> AsyncIterator[Ingress]:
    """It answers, and is noted as the part of this home."""
    port = free_port()
    stand_in = Ingress(port)
    app = Starlette(routes=[Route("/pollers", stand_in.pollers)])
    server = Server(app, "127.0.0.1", port, interface=Interfaces.ASGINL, log_enabled=False)
    serving = asyncio.create_task(server.serve())
    part = {"name": "ingress", "pid": os.getpid(), "url": "http://127.0.0.1:1", "pages": stand_in.url}
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "parts.json").write_text(json.dumps([part]))
    async with own_machine() as client:

        async def answers() -> bool:
            try:
                return (await client.get(f"{stand_in.url}/pollers")).is_success
            except httpx.TransportError:
                return False

        await until(answers, "the stand-in")
    yield stand_in
    server.stop()  # type: ignore[no-untyped-call]
    await serving


async def test_status_and_page_show_what_is_read(ingress: Ingress, api: httpx.AsyncClient) -> None:
    """The first full pass with its progress, events that no webhook brought, and by which way webhooks come."""
    first = item(kind="stripe-customers", complete=False, passes=0, seen=3400, found=0, interval=60.0)
    ingress.says(item(found=1234), first, webhooks="polling only")

    status = (await api.get("/api/status")).json()
    page = (await api.get("/status")).text

    assert status["pollers"]["leader"] is True
    assert [i["kind"] for i in status["pollers"]["items"]] == ["stripe-events", "stripe-customers"]
    for shown in ("3,400 read", "complete", "1,234", "15 min", "polling only"):
        assert shown in page, shown


@pytest.mark.parametrize(
    ("level", "healthy"), [("ok", True), ("warning", False), ("alarm", False)], ids=["ok", "warning", "alarm"]
)
async def test_a_list_that_is_late_is_not_well(
    ingress: Ingress, api: httpx.AsyncClient, level: str, healthy: bool
) -> None:
    """A warning and an alarm alike: changes do not come in, and somebody has to look."""
    ingress.says(item(level=level, gap_seconds=28 * 86400.0, problem="not read for 28 days: Stripe keeps 30"))

    status = (await api.get("/api/status")).json()
    reported = [p for p in status["problems"] if "Stripe keeps 30" in p]

    assert (bool(reported), status["healthy"]) == (level != "ok", healthy)
    assert status["problems"] == reported


@pytest.mark.parametrize(
    "answer",
    [
        lambda: JSONResponse({"detail": "Not Found"}, 404),
        lambda: Response("no json"),
        lambda: JSONResponse({"items": [{"kind": 1}]}),
    ],
    ids=["unknown", "no json", "another shape"],
)
async def test_an_ingress_that_knows_no_pollers_is_no_error(
    ingress: Ingress, api: httpx.AsyncClient, answer: Callable[[], Response]
) -> None:
    """An older one, or something else on its port: nothing is known, and that is said."""
    ingress.answer = answer()

    assert (await api.get("/api/status")).json()["pollers"] is None
    assert "Not known here" in (await api.get("/status")).text


async def test_without_an_ingress_nothing_is_known(tmp_path: Path) -> None:
    """In containers it cannot be asked from here."""
    assert await pollers.ask(Settings(home=tmp_path, ingress_admin_port=free_port())) is None
