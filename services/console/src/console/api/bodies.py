"""How much a request may send: nothing that a person or a program says to the console is long."""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LARGEST_BODY = 1024 * 1024


class BodyLimit:
    """ASGI middleware: a larger body is answered with 413, before it is all in memory."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            receive = _limited(receive, Headers(scope=scope).get("content-length", ""))
        await self._app(scope, receive, send)


def _limited(receive: Receive, announced: str) -> Receive:
    taken = 0

    async def limited() -> Message:
        nonlocal taken
        if announced.isdecimal() and int(announced) > LARGEST_BODY:
            raise _TOO_LARGE
        message = await receive()
        taken += len(message.get("body", b""))
        if taken > LARGEST_BODY:
            raise _TOO_LARGE
        return message

    return limited


# FastAPI passes this kind on and takes any other for a body that is no JSON.
_TOO_LARGE = HTTPException(413, f"the body is larger than {LARGEST_BODY} bytes")
