"""The token goes to the console that knows it, and to nothing else that listens there."""

from __future__ import annotations

import json
from typing import Any, cast

import httpx
import pytest
from console.api import errors, live
from console.api.guard import Guard
from console.api.state import State
from console.identity import ConsoleAuth, NotOurConsole, proof
from fastapi import FastAPI
from pydantic import SecretStr
from shared.settings import Settings

TOKEN, OTHER = "token-of-this-test-0123456789", "token-of-another-0123456789"
PORT = 8401


def settings(token: str = TOKEN, port: int = PORT) -> Settings:
    return Settings(_env_file=None, console_token=SecretStr(token), console_port=port)


def console(of: Settings) -> FastAPI:
    """A console's guard and what it answers without tables."""
    app = FastAPI()
    app.state.tandem = cast(State, type("Parts", (), {"settings": of}))
    errors.install(app)
    app.include_router(live.router)

    @app.get("/asked")
    async def asked() -> str:
        return "in"

    app.add_middleware(Guard, settings=of)
    return app


class Listener:
    """Whatever listens on the port: keeps what it receives and answers by a function."""

    def __init__(self, answer: Any) -> None:
        self.received: list[httpx.Request] = []
        self._answer = answer

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        self.received.append(request)
        found = self._answer(request)
        return found if isinstance(found, httpx.Response) else await found

    async def ask(self, own: Settings) -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.MockTransport(self), auth=ConsoleAuth(own)) as client:
            return await client.get(f"http://127.0.0.1:{own.console_port}/asked?id=x")

    @property
    def reported(self) -> str:
        """Everything that it received."""
        return json.dumps([[str(r.url), dict(r.headers), r.content.decode()] for r in self.received])


def real(of: Settings) -> Any:
    """Passes each request on to a console."""

    async def passed(request: httpx.Request) -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(console(of))) as client:
            return await client.request(request.method, request.url, headers=request.headers)

    return passed


async def test_the_console_with_the_same_token_gets_it() -> None:
    """It proves that it knows it, then it is asked."""
    listener = Listener(real(settings()))
    answer = await listener.ask(settings())

    assert (answer.status_code, answer.json()) == (200, "in")
    assert [request.url.path for request in listener.received] == ["/identity", "/asked"]
    assert "Authorization" not in listener.received[0].headers


@pytest.mark.parametrize(
    "listener",
    [
        Listener(lambda _: httpx.Response(200, text="another program")),
        Listener(lambda _: httpx.Response(401, json={"error": {}})),
        Listener(lambda _: httpx.Response(200, json=["proof"])),
        Listener(lambda _: httpx.Response(200, json={"proof": "ü" * 64})),
        Listener(lambda _: httpx.Response(200, content=b'{"proof": "\\ud800"}')),
        Listener(lambda r: httpx.Response(200, json={"proof": proof(OTHER, PORT, r.url.params["nonce"])})),
        Listener(lambda r: httpx.Response(200, json={"proof": proof(TOKEN, PORT, "0" * 64)})),
        Listener(lambda r: httpx.Response(307, headers={"location": "http://127.0.0.1:9/identity"})),
        Listener(real(settings(OTHER))),
        Listener(real(settings(""))),
        Listener(real(settings(port=9999))),
    ],
    ids=[
        "web",
        "401",
        "list",
        "umlauts",
        "no text",
        "guess",
        "replayed",
        "redirect",
        "other token",
        "no token",
        "relay",
    ],
)
async def test_nothing_else_gets_the_token(listener: Listener) -> None:
    """Neither another program, nor a console with another token, nor one that has the question answered by ours on
    another port; what was to be asked is not sent either.
    """
    with pytest.raises(NotOurConsole, match="so it was not sent"):
        await listener.ask(settings())

    assert TOKEN not in listener.reported
    assert {request.url.path for request in listener.received} == {"/identity"}


async def test_without_a_token_nothing_is_asked_first() -> None:
    """There is nothing to keep."""
    listener = Listener(real(settings("")))

    assert (await listener.ask(settings(""))).json() == "in"
    assert [request.url.path for request in listener.received] == ["/asked"]


@pytest.mark.parametrize("nonce", ["", "x", "0" * 63, "0" * 65, "0" * 63 + "\n", "A" * 64])
async def test_the_console_signs_nothing_but_a_nonce(nonce: str) -> None:
    """What it signs can be no other text."""
    async with httpx.AsyncClient(transport=httpx.ASGITransport(console(settings())), base_url="http://x") as client:
        assert (await client.get("/identity", params={"nonce": nonce})).status_code == 422
