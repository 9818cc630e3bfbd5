"""Who may speak to the console."""

from __future__ import annotations

import base64
from typing import Any, cast

import httpx
import pytest
from console.api.guard import Guard, check_locked
from console.api.token import GUESSES, TokenLock
from pydantic import SecretStr
from shared.errors import Misconfigured
from shared.setting_values import is_loopback
from shared.settings import Settings
from starlette.responses import PlainTextResponse
from structlog.testing import capture_logs

from tests.integration.console.conftest import until

TOKEN = "a-long-random-token-of-22-or-more"


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
def test_loopback_is_known_by_the_address(host: str, expected: bool) -> None:
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


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
def test_a_token_that_can_be_guessed_is_refused(host: str) -> None:
    """Wherever the console listens; the error says how to make one."""
    for token in ("a", "x" * 21):
        with pytest.raises(Misconfigured, match=r"22 or more.*openssl rand"):
            check_locked(Settings(host=host, console_token=SecretStr(token)))


async def test_who_guesses_is_not_answered_for_a_while() -> None:
    """Not even with the right token, which a guess would be; other addresses are, and the log tells of each guess."""
    lock = TokenLock(TOKEN)
    right, caller = f"Bearer {TOKEN}", "203.0.113.7"

    assert [await lock.check("", caller) for _ in range(50)] == ["missing"] * 50
    with capture_logs() as logged:
        assert [await lock.check(f"Bearer {n}", caller) for n in range(GUESSES)] == ["wrong"] * GUESSES
    assert [await lock.check(given, caller) for given in ("", "Bearer x", right)] == ["too_often"] * 3
    assert await lock.check(right, "203.0.113.8") == "open"
    assert [(line["event"], line["address"]) for line in logged] == [("console.wrong_token", caller)] * GUESSES


async def test_the_addresses_of_one_ipv6_network_guess_together() -> None:
    """One machine has as many of them as it likes."""
    lock = TokenLock(TOKEN)
    for number in range(GUESSES):
        await lock.check("Bearer x", f"2001:db8::{number:x}")

    assert await lock.check(f"Bearer {TOKEN}", "2001:db8::ffff") == "too_often"
    assert await lock.check(f"Bearer {TOKEN}", "2001:db8:0:1::1") == "open"


async def test_callers_by_ipv4_are_apart_on_a_socket_of_both_versions() -> None:
    """Their addresses are written as those of one IPv6 network: one who guesses must not lock out all."""
    lock = TokenLock(TOKEN)
    for _ in range(GUESSES):
        await lock.check("Bearer x", "::ffff:203.0.113.7")

    assert await lock.check(f"Bearer {TOKEN}", "::ffff:203.0.113.7") == "too_often"
    assert await lock.check(f"Bearer {TOKEN}", "::ffff:203.0.113.8") == "open"


async def test_a_lockout_ends() -> None:
    """Who mistyped the token gets in later."""
    lock = TokenLock(TOKEN, window=0.01)
    for _ in range(GUESSES):
        await lock.check("Bearer x", "203.0.113.7")

    async def is_open() -> bool:
        return await lock.check(f"Bearer {TOKEN}", "203.0.113.7") == "open"

    await until(is_open, "the end of the lockout")


async def test_a_request_of_one_who_guessed_says_so() -> None:
    """429, and when to come again."""
    guarded = Guard(PlainTextResponse("in"), Settings(host="0.0.0.0", console_token=SecretStr(TOKEN)))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(guarded), base_url="http://x") as client:
        answers = [await client.get("/api/runs", headers={"Authorization": "Bearer x"}) for _ in range(GUESSES + 1)]

    assert [answer.status_code for answer in answers] == [401] * GUESSES + [429]
    assert answers[-1].headers["Retry-After"] == "60"


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
    "header",
    ["X_Forwarded_For", "X_Forwarded_Proto", "X_Forwarded_Host", "Forwarded", "Via", "X_Real_IP", "X_Forwarded",
     "X_Original_Forwarded_For", "CF_Connecting_IP", "Fastly_Client_IP", "CDN_Loop", "X_Amzn_Trace_Id"],
)  # fmt: skip
async def test_a_proxy_does_not_open_a_console_without_a_token(header: str, method: str) -> None:
    """It stands on the same machine, so that everybody who reaches it would come from loopback; with a token it may."""
    locked = Settings(console_token=SecretStr(TOKEN))

    assert await _send(Settings(), method, **{header: "203.0.113.7"}) == 403
    assert await _send(locked, method, **{header: "203.0.113.7", "Authorization": f"Bearer {TOKEN}"}) == 200


@pytest.mark.parametrize(("version", "expected"), [("1", 403), ("1.0", 403), ("1.1", 200), ("2", 200)])
async def test_a_proxy_that_adds_no_header_is_known_by_its_http(version: str, expected: int) -> None:
    """nginx as it comes asks by HTTP/1.0 and says nothing of its client."""
    sent: list[Any] = []
    scope: dict[str, Any] = {"type": "http", "method": "GET", "path": "/api/runs", "http_version": version}
    scope |= {"headers": [(b"host", b"127.0.0.1:8401")], "query_string": b""}

    async def send(message: Any) -> None:
        sent.append(message)

    await Guard(PlainTextResponse("in"), Settings())(scope, cast(Any, None), send)
    assert sent[0]["status"] == expected


@pytest.mark.parametrize(
    ("uid", "expected"),
    [(33, 403), (101, 403), (65534, 403), (61184, 403), (0, 200), (1000, 200), (1_234_567_890, 200), (None, 200)],
)
async def test_a_service_does_not_open_a_console_without_a_token(uid: int | None, expected: int) -> None:
    """A proxy that leaves no trace, as nginx from 1.29.7 on, runs as a user that no person has; people and root do not,
    and of whom the kernel tells nothing nothing is known. A monitor reads numbers.
    """
    locked = Settings(console_token=SecretStr(TOKEN))
    answers = []
    for settings, path in ((Settings(), "/api/runs"), (locked, "/api/runs"), (Settings(), "/metrics")):
        guarded = Guard(PlainTextResponse("in"), settings, lambda client, server: uid)
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(guarded), base_url="http://127.0.0.1:8401"
        ) as client:
            answers.append((await client.get(path, headers={"Authorization": f"Bearer {TOKEN}"})).status_code)

    assert answers == [expected, 200, 200]


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, 200),
        ({"Origin": "http://127.0.0.1:8401"}, 200),
        ({"Sec_Fetch_Site": "same-origin", "Origin": "http://127.0.0.1:8401"}, 200),
        ({"Origin": "http://127.0.0.1:8402"}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://["}, 403),
        ({"Origin": ""}, 403),
        ({"Origin": "ftp://127.0.0.1:8401"}, 403),
        ({"Sec_Fetch_Site": "cross-site"}, 403),
        ({"Sec_Fetch_Site": "same-site"}, 403),
    ],
)
@pytest.mark.parametrize(("method", "path"), [("POST", "/api/dead-letters/x/retry"), ("GET", "/api/stream")])
async def test_nothing_comes_from_another_site(method: str, path: str, headers: dict[str, str], expected: int) -> None:
    """Another port of this machine, or https and http, are other sites too; programs send neither header."""
    assert await _send(Settings(), method, path, **headers) == expected


NAVIGATION = {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "navigate", "Sec_Fetch_Dest": "document"}


@pytest.mark.parametrize(
    ("method", "changes", "expected"),
    [
        ("GET", {}, 200),
        ("GET", {"Sec_Fetch_Dest": "iframe"}, 403),
        ("GET", {"Sec_Fetch_Mode": "no-cors", "Sec_Fetch_Dest": "script"}, 403),
        ("GET", {"Sec_Fetch_Mode": "cors", "Sec_Fetch_Dest": "empty"}, 403),
        ("GET", {"Origin": "https://evil.example"}, 403),
        ("POST", {}, 403),
    ],
)
async def test_a_link_from_another_site_leads_to_the_page(method: str, changes: dict[str, str], expected: int) -> None:
    """A person follows it and that site sees nothing; frames, scripts and forms of another site get nothing."""
    assert await _send(Settings(), method, "/", **(NAVIGATION | changes)) == expected


@pytest.mark.parametrize(
    ("origin", "reported", "expected"),
    [
        ("https://console.example", "https", 200),
        ("https://console.example", "", 200),
        ("http://console.example", "", 200),
        ("http://console.example", "https", 403),
        ("ftp://console.example", "", 403),
    ],
)
async def test_the_scheme_of_an_origin_counts(origin: str, reported: str, expected: int) -> None:
    """Behind a proxy with the certificate: https is ours, and http is not where the proxy says that it speaks https."""
    headers = {"Host": "console.example", "Origin": origin, "Authorization": f"Bearer {TOKEN}"}
    headers |= {"X_Forwarded_Proto": reported} if reported else {}

    assert await _send(Settings(console_token=SecretStr(TOKEN)), "POST", "/api/x", **headers) == expected


@pytest.mark.parametrize("path", ["/healthz", "/api/runs"])
@pytest.mark.parametrize("origin", ["", "https://evil.example"])
async def test_no_answer_is_sniffed_or_read_by_another_site(path: str, origin: str) -> None:
    """Neither a good one, nor a refusal, nor one that needs no token."""
    guarded = Guard(PlainTextResponse("in"), Settings())
    async with httpx.AsyncClient(transport=httpx.ASGITransport(guarded), base_url="http://127.0.0.1:8401") as client:
        answer = await client.get(path, headers={"Origin": origin} if origin else {})

    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"


@pytest.mark.parametrize(
    ("path", "expected"),
    [("/portal/abc", 200), ("/portal/abc/session", 200), ("/portal", 401), ("/portals/abc", 401), ("/api/plans", 401)],
)
async def test_offers_pages_are_open_and_nothing_beside_them(path: str, expected: int) -> None:
    """Their own token is their lock: who has the address needs no other one, and comes through a proxy."""
    locked = Settings(host="0.0.0.0", console_token=SecretStr(TOKEN))

    assert await _send(locked, path=path) == expected


async def test_an_offers_page_is_reached_through_a_proxy() -> None:
    """A console without a lock still answers to none."""
    headers = {"x_forwarded_for": "203.0.113.9", "host": "pay.example.com"}

    assert await _send(Settings(), path="/portal/abc", **headers) == 200
    assert await _send(Settings(), path="/api/runs", **headers) == 403
