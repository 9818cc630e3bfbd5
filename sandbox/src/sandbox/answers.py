"""Answers, and the ways in which a fault spoils one on its way out."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from sandbox.faults import Rule
from sandbox.store import dump

HANG_SECONDS = 30.0
SLOW_SECONDS = 2.0
_PIECES = 10
_HTML = "<!DOCTYPE html><html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>"


@dataclass
class Answer:
    """Status, headers and body before they are sent."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)

    @classmethod
    def json(cls, status: int, body: object, headers: dict[str, str] | None = None) -> Answer:
        """An answer with a JSON body."""
        return cls(status, dump(body).encode(), {"content-type": "application/json", **(headers or {})})

    def response(self) -> Response:
        """The answer for Starlette."""
        return Response(self.body, self.status, self.headers)


class CutResponse(Response):
    """Closes the connection without an answer.

    ASGI has no way to do this, and granian answers 500 when an application raises. The accepted socket belongs to this
    process, so it is found by its peer address and shut down. Where that fails, a body shorter than its announced
    length is sent, which clients see as a broken connection too.
    """

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Cuts."""
        client = scope.get("client")
        if client and _shut_down(client[0], int(client[1])):
            return
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"1000")]})
        await send({"type": "http.response.body", "body": b"", "more_body": True})


def _shut_down(host: str, port: int) -> bool:
    listing = Path("/proc/self/fd")
    numbers = [int(entry.name) for entry in listing.iterdir()] if listing.exists() else range(3, 4096)
    for number in numbers:
        with contextlib.suppress(OSError):
            os.fstat(number)
            found = socket.socket(fileno=number)
            try:
                if found.getpeername()[:2] == (host, port):
                    found.shutdown(socket.SHUT_RDWR)
                    return True
            finally:
                found.detach()
    return False


async def _hang(rule: Rule, stopping: asyncio.Event) -> bool:
    """Waits, and tells whether the sandbox stops meanwhile: a hanging call must not hold up a clean stop."""
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(stopping.wait(), HANG_SECONDS if rule.seconds is None else rule.seconds)
    return stopping.is_set()


async def hold_before(rule: Rule | None, stopping: asyncio.Event) -> bool:
    """Plays the faults that strike before anything is executed; True when the connection is to be cut."""
    if rule and rule.kind == "hang_before":
        return await _hang(rule, stopping)
    return rule is not None and rule.kind == "cut_before"


async def spoiled(answer: Answer, rule: Rule | None, stopping: asyncio.Event) -> Response:
    """Plays the faults that strike after the commit."""
    if rule is None:
        return answer.response()
    if rule.kind == "hang_after":
        return CutResponse() if await _hang(rule, stopping) else answer.response()
    if rule.kind == "cut_after":
        return CutResponse()
    if rule.kind == "html":
        return Response(_HTML, rule.status or 502, media_type="text/html")
    if rule.kind == "truncated_json":
        return Answer(answer.status, answer.body[: len(answer.body) // 2], answer.headers).response()
    if rule.kind == "slow":
        seconds = SLOW_SECONDS if rule.seconds is None else rule.seconds
        return StreamingResponse(_dripped(answer.body, seconds), answer.status, answer.headers)
    return answer.response()


async def _dripped(body: bytes, seconds: float) -> AsyncIterator[bytes]:
    size = max(1, -(-len(body) // _PIECES))
    for start in range(0, len(body), size):
        await asyncio.sleep(seconds / _PIECES)
        yield body[start : start + size]
