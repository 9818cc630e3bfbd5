"""Before the console's token is sent, whoever listens proves that it knows it too. Pure but for the random number.

The proof holds for one question and one port: another program on the console's port can neither make it, nor have the
console on another port make it. No key of its own is needed, and it works for a console in a container as well.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Generator

import httpx
from shared.errors import SyncError
from shared.settings import Settings

PATH = "/identity"
NONCE = "^[0-9a-f]{64}$"


class NotOurConsole(SyncError):
    """What listens on the console's port does not know the token."""


def proof(token: str, port: int, nonce: str) -> str:
    """What only whoever knows the token can answer."""
    return hmac.new(token.encode(), f"tandem-console\n{port}\n{nonce}".encode(), "sha256").hexdigest()


class ConsoleAuth(httpx.Auth):
    """Sends the token with each request, after the console has proved that it is ours.

    Raises NotOurConsole in place of sending it; without a token nothing is asked and nothing is sent.
    """

    requires_response_body = True

    def __init__(self, settings: Settings) -> None:
        self._token = settings.console_token.get_secret_value()
        self._port = settings.console_port

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        if self._token:
            nonce = secrets.token_hex(32)
            url = request.url.copy_with(path=PATH, query=f"nonce={nonce}".encode())
            answer = yield httpx.Request("GET", url)
            if not hmac.compare_digest(
                _nonce_of(answer).encode(errors="replace"), proof(self._token, self._port, nonce).encode()
            ):
                raise NotOurConsole(
                    f"what answers at {request.url.copy_with(path='/', query=None)} does not know "
                    "TANDEM_CONSOLE_TOKEN, so it was not sent: if it is the console, start it again with this token; "
                    "if it is another program, set TANDEM_CONSOLE_PORT to the console's port"
                )
            request.headers["Authorization"] = f"Bearer {self._token}"
        yield request


def _nonce_of(answer: httpx.Response) -> str:
    try:
        found = answer.json()
    except (ValueError, RecursionError):
        return ""
    return str(found.get("proof", "")) if isinstance(found, dict) else ""
