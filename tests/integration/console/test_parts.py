"""The parts that `tandem up` noted, and what each says of itself."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path

import pytest
from console.api import parts
from console.local.ports import free_port
from granian.constants import Interfaces
from granian.server.embed import Server
from shared.settings import Settings
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from tests.integration.console.conftest import until


async def _not_ready(_: Request) -> PlainTextResponse:
    return PlainTextResponse("waits for Kafka", 503)


async def test_each_part_tells_how_it_is(tmp_path: Path) -> None:
    """One that is not ready says why, one without readiness just runs, one that died is named with its log."""
    port, closed = free_port(), free_port()
    app = Starlette(routes=[Route("/worker/readyz", _not_ready)])
    server = Server(app, "127.0.0.1", port, interface=Interfaces.ASGINL, log_enabled=False)
    serving = asyncio.create_task(server.serve())
    here, base = os.getpid(), f"http://127.0.0.1:{port}"
    noted = [
        {"name": "worker", "pid": here, "url": f"{base}/worker"},
        {"name": "sandbox", "pid": here, "url": base},
        {"name": "kafka", "pid": here, "url": f"127.0.0.1:{port}"},
        {"name": "deaf", "pid": here, "url": f"http://127.0.0.1:{closed}"},
        {"name": "dead", "pid": 2**22 + 1, "url": base, "log": "logs/dead.log"},
    ]
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "parts.json").write_text(json.dumps(noted))

    async def answers() -> bool:
        return (await parts.health(Settings(home=tmp_path)))[0].detail == "waits for Kafka"

    await until(answers, "the stand-in")
    found = {part.name: part for part in await parts.health(Settings(home=tmp_path))}
    server.stop()  # type: ignore[no-untyped-call]
    await serving

    assert {name: part.ready for name, part in found.items()} == {
        "worker": False,
        "sandbox": None,
        "kafka": None,
        "deaf": False,
        "dead": None,
    }
    assert "does not answer" in found["deaf"].detail
    assert (found["dead"].running, "logs/dead.log" in found["dead"].detail) == (False, True)
    assert (found["sandbox"].detail, found["kafka"].detail) == ("", "")


@pytest.mark.parametrize("content", [None, "", "[{]", '{"parts": []}'])
async def test_parts_that_were_started_otherwise_are_no_error(tmp_path: Path, content: str | None) -> None:
    """In containers there is no such file."""
    (tmp_path / "run").mkdir()
    if content is not None:
        (tmp_path / "run" / "parts.json").write_text(content)

    assert await parts.health(Settings(home=tmp_path)) == []
