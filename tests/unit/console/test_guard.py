"""Who may speak to the console."""

from __future__ import annotations

import base64
from typing import Any, cast

import httpx
import pytest
from console.api.guard import Guard, check_locked, is_loopback
from pydantic import SecretStr
from shared.errors import Misconfigured
from shared.settings import Settings
from starlette.responses import PlainTextResponse

TOKEN = "a-long-random-token"


async def _send(settings: Settings, method: str = "GET", path: str = "/api/runs", **headers: str) -> int:
    guarded = Guard(PlainTextResponse("in"), settings)
    sent = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    async with httpx.AsyncClient(transport=httpx.ASGITransport(guarded), base_url="http://127.0.0.1:8401") as client:
        answer = await client.request(method, path, headers=sent)
    if answer.is_error:
        assert answer.json()["error"]["what_to_do"]
    return answer.status_code


@pytest.mark.parametrize(
    ("host", "expected"),
    [("127.0.0.1", True), ("127.0.0.2", True), ("localhost", True), ("::1", True), ("[::1]", True),
     ("0.0.0.0", False), ("192.168.1.5", False), ("example.com", False), ("", False)],
)  # fmt: skip
def test_loopback_is_told_by_the_address(host: str, expected: bool) -> None:
    """A name counts only if it is localhost: others are what DNS says."""
    assert is_loopback(host) is expected


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.5", "::"])
def test_an_open_console_without_a_token_does_not_start(host: str) -> None:
    """And the error names both ways out."""
    with pytest.raises(Misconfigured, match=r"TANDEM_CONSOLE_TOKEN.*TANDEM_HOST"):
        check_locked(Settings(host=host))


def test_loopback_or_a_token_lets_it_start() -> None:
    """Either is enough."""
    check_locked(Settings(host="127.0.0.1"))
    check_locked(Settings(host="0.0.0.0", console_token=SecretStr(TOKEN)))


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (f"Bearer {TOKEN}", 200),
        (f"bearer {TOKEN}", 200),
        ("Basic " + base64.b64encode(f"anyone:{TOKEN}".encode()).decode(), 200),
        ("Basic " + base64.b64encode(b"anyone:wrong").decode(), 401),
        ("Basic not-base64!", 401),
        ("Bearer wrong", 401),
        ("Bearer", 401),
        ("Bearer ü", 401),
        (TOKEN, 401),
        ("", 401),
    ],
)
async def test_with_a_token_every_request_needs_it(header: str, expected: int) -> None:
    """As bearer, or as a browser's password; anything else is refused."""
    settings = Settings(host="0.0.0.0", console_token=SecretStr(TOKEN))
    sent = {"Authorization": header} if header else {}

    assert await _send(settings, **sent) == expected


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
async def test_health_needs_no_token(path: str) -> None:
    """Supervisors hold no secrets."""
    assert await _send(Settings(host="0.0.0.0", console_token=SecretStr(TOKEN)), path=path) == 200


@pytest.mark.parametrize(
    ("host", "expected"),
    [("127.0.0.1:8401", 200), ("localhost:8401", 200), ("[::1]:8401", 200), ("rebound.example:8401", 403), ("[", 403)],
)
async def test_a_loopback_console_answers_to_its_own_name_only(host: str, expected: int) -> None:
    """A foreign name that resolves to 127.0.0.1 is DNS rebinding."""
    assert await _send(Settings(), Host=host) == expected


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(
    "header", ["X_Forwarded_For", "X_Forwarded_Proto", "X_Forwarded_Host", "Forwarded", "Via", "X_Real_IP"]
)
async def test_a_proxy_does_not_open_a_console_without_a_token(header: str, method: str) -> None:
    """It stands on the same machine, so that everybody who reaches it would come from loopback; with a token it may."""
    locked = Settings(console_token=SecretStr(TOKEN))

    assert await _send(Settings(), method, **{header: "203.0.113.7"}) == 403
    assert await _send(locked, method, **{header: "203.0.113.7", "Authorization": f"Bearer {TOKEN}"}) == 200


@pytest.mark.parametrize(("version", "expected"), [("1", 403), ("1.0", 403), ("1.1", 200), ("2", 200)])
async def test_a_proxy_that_adds_no_header_is_told_by_its_http(version: str, expected: int) -> None:
    """nginx as it comes asks by HTTP/1.0 and says nothing of its client."""
    sent: list[Any] = []
    scope: dict[str, Any] = {"type": "http", "method": "GET", "path": "/api/runs", "http_version": version}
    scope |= {"headers": [(b"host", b"127.0.0.1:8401")], "query_string": b""}

    async def send(message: Any) -> None:
        sent.append(message)

    await Guard(PlainTextResponse("in"), Settings())(scope, cast(Any, None), send)
    assert sent[0]["status"] == expected


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, 200),
        ({"Origin": "http://127.0.0.1:8401"}, 200),
        ({"Sec_Fetch_Site": "same-origin", "Origin": "http://127.0.0.1:8401"}, 200),
        ({"Origin": "http://127.0.0.1:8402"}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec_Fetch_Site": "cross-site"}, 403),
        ({"Sec_Fetch_Site": "same-site"}, 403),
    ],
)
async def test_a_change_must_not_come_from_another_site(headers: dict[str, str], expected: int) -> None:
    """Another port of this machine is another site too; programs send neither header."""
    assert await _send(Settings(), "POST", "/api/dead-letters/x/retry", **headers) == expected
