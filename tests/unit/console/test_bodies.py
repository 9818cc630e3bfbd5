"""Bodies that the console takes: up to 1 MB, whoever sends them and however they come."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from console.api.bodies import LARGEST_BODY, BodyLimit
from console.api.errors import install
from console.pages.views import form_of
from fastapi import FastAPI, Request
from pydantic import BaseModel


class Sent(BaseModel):
    reason: str


@pytest.fixture
def app() -> FastAPI:
    """Both ways in which the console reads bodies."""
    found = FastAPI()
    install(found)
    found.add_middleware(BodyLimit)

    @found.post("/json")
    async def json(body: Sent) -> int:
        return len(body.reason)

    @found.post("/form")
    async def form(request: Request) -> int:
        return len((await form_of(request)).get("reason", ""))

    return found


async def post(app: FastAPI, path: str, body: Any) -> httpx.Response:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://x") as client:
        return await client.post(path, content=body, headers={"Content-Type": "application/json"})


class Endless:
    """A body without an announced length; `sent` tells how much of it was read."""

    def __init__(self, start: bytes) -> None:
        self.start, self.sent = start, 0

    async def pieces(self) -> AsyncIterator[bytes]:
        yield self.start
        while self.sent < 40 * LARGEST_BODY:
            self.sent += 65536
            yield b"x" * 65536


@pytest.mark.parametrize(("path", "start", "end"), [("/json", b'{"reason": "', b'"}'), ("/form", b"reason=", b"")])
async def test_a_body_over_1_mb_is_refused(app: FastAPI, path: str, start: bytes, end: bytes) -> None:
    """One that says its length at once, one that does not as soon as it is over; one that just fits is taken."""
    fitting = LARGEST_BODY - len(start) - len(end)
    taken = await post(app, path, start + b"x" * fitting + end)
    refused = await post(app, path, start + b"x" * (fitting + 1) + end)
    endless = Endless(start)
    cut = await post(app, path, endless.pieces())

    assert (taken.status_code, taken.json()) == (200, fitting)
    assert [(a.status_code, a.json()["error"]["code"]) for a in (refused, cut)] == [(413, "too_large")] * 2
    assert endless.sent <= LARGEST_BODY + 65536


async def test_json_of_any_depth_is_no_bug(app: FastAPI) -> None:
    """Python's stack is not the limit of what a person may send."""
    assert (await post(app, "/json", b"[" * 100_000)).status_code in (400, 422)
