"""Who may speak to the console: loopback only, or a token; and no other web site in the user's browser."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from shared.errors import Misconfigured
from shared.setting_values import is_loopback
from shared.settings import Settings
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from console import identity
from console.api.errors import NO_SNIFFING, error_body
from console.api.peers import is_service, user_of
from console.api.token import SHORTEST_TOKEN, WINDOW, TokenLock

OPEN_PATHS = frozenset({"/healthz", "/readyz", identity.PATH})
PORTAL = "/portal/"
"""Begins the addresses that customers open: the token behind it is their lock, see `console.portal`."""
SAFE_METHODS = frozenset({"GET", "HEAD"})
ALWAYS = {**NO_SNIFFING, "Cross-Origin-Resource-Policy": "same-origin"}
"""Headers of every answer."""
TRACES = frozenset({"via", "cdn-loop", "x-amzn-trace-id", "x-envoy-external-address"})
"""Headers that a proxy leaves, beside those that say for whom it asks: their names hold `forwarded` or end in `-ip`."""
UNLOCKED = frozenset({"/metrics"})
"""What a monitor's own user may read of a console without a token: numbers, and names of accounts."""


def check_locked(settings: Settings) -> None:
    """Raises Misconfigured for a console that others could reach and that has no token (design law 8), and for a token
    that can be guessed.
    """
    token = settings.console_token.get_secret_value()
    if not is_loopback(settings.host) and not token:
        raise Misconfigured(
            f"the console would listen on {settings.host} without a lock: set TANDEM_CONSOLE_TOKEN to a long "
            "random value (`openssl rand -hex 32`), or TANDEM_HOST=127.0.0.1 for this machine only"
        )
    if token and len(token) < SHORTEST_TOKEN:
        raise Misconfigured(
            f"TANDEM_CONSOLE_TOKEN has {len(token)} characters and could be guessed: take {SHORTEST_TOKEN} or more, "
            "random ones (`openssl rand -hex 32`)"
        )


class Guard:
    """ASGI middleware. Checks Host (DNS rebinding), Origin (other sites), proxies and the token, in this order.

    `user_of` tells the user at the other end of a connection.
    """

    def __init__(self, app: ASGIApp, settings: Settings, user_of: Callable[[Any, Any], int | None] = user_of) -> None:
        self._app = app
        self._user_of = user_of
        self._token = settings.console_token.get_secret_value()
        self._lock = TokenLock(self._token)
        # A name that an attacker's DNS points at 127.0.0.1 comes as Host. With a token that gains nothing.
        self._check_host = is_loopback(settings.host) and not self._token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        guarded = scope["type"] == "http" and not _is_open(scope["path"])
        refused = await self._refusal(scope) if guarded else None
        await (refused or self._app)(scope, receive, _with_headers(send))

    async def _refusal(self, scope: Scope) -> JSONResponse | None:
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if self._check_host and not is_loopback(_host_name(host)):
            return _refuse(
                403, "host", f"this console does not answer to {host!r}", "use http://127.0.0.1 or localhost"
            )
        if _cross_site(scope, headers, host) and not _navigation(scope, headers):
            return _refuse(
                403, "cross_site", "the request comes from another web site", "send it from the console itself"
            )
        if not self._token and (_proxied(scope, headers) or self._from_a_service(scope)):
            return _refuse(
                403,
                "proxied",
                "the request came through a proxy or from a service of this machine, and this console has no lock: "
                "whoever reaches that could use it",
                "set TANDEM_CONSOLE_TOKEN to a long random value (`openssl rand -hex 32`) and start Tandem again",
            )
        return await self._locked(headers.get("authorization", ""), scope) if self._token else None

    def _from_a_service(self, scope: Scope) -> bool:
        # nginx from 1.29.7 on leaves no trace at all, but its user is no person.
        return scope["path"] not in UNLOCKED and is_service(self._user_of(scope.get("client"), scope.get("server")))

    async def _locked(self, header: str, scope: Scope) -> JSONResponse | None:
        found = await self._lock.check(header, (scope.get("client") or ("unknown",))[0])
        if found == "open":
            return None
        if found == "too_often":
            answer = _refuse(
                429, "too_many_guesses", "too many wrong tokens came from your address", "wait a minute, then try again"
            )
            answer.headers["Retry-After"] = str(int(WINDOW))
            return answer
        answer = _refuse(
            401, "unauthorized", "the console is locked", "send `Authorization: Bearer` with TANDEM_CONSOLE_TOKEN"
        )
        answer.headers["WWW-Authenticate"] = 'Basic realm="Tandem: any name, the token as password"'
        return answer


def _is_open(path: str) -> bool:
    return path in OPEN_PATHS or path.startswith(PORTAL)


def _host_name(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _cross_site(scope: Scope, headers: Headers, host: str) -> bool:
    # Browsers send the first with every request and the second with every POST; programs such as `tandem` neither.
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    if site is not None and site not in ("same-origin", "none"):
        return True
    return origin is not None and not _own_origin(origin, host, headers.get("x-forwarded-proto") or scope["scheme"])


def _own_origin(origin: str, host: str, scheme: str) -> bool:
    try:
        found = urlsplit(origin)
    except ValueError:
        return False
    # https is ours too where we speak http: a proxy with the certificate stands before us, and does not tell.
    return found.netloc == host and found.scheme in (scheme, "https")


def _navigation(scope: Scope, headers: Headers) -> bool:
    """Whether a person followed a link to us: the other site sees nothing of the page, which is in no frame of its."""
    fetched = (headers.get("sec-fetch-mode"), headers.get("sec-fetch-dest"))
    return scope["method"] in SAFE_METHODS and fetched == ("navigate", "document") and "origin" not in headers


def _with_headers(send: Send) -> Send:
    """No answer is taken for another kind than it says, or read by another site's page."""

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in ALWAYS.items():
                headers.setdefault(name, value)
        await send(message)

    return sending


def _proxied(scope: Scope, headers: Headers) -> bool:
    # nginx adds no header unless it is set to, but spoke HTTP/1.0 before 1.29.7; browsers and `tandem` never do.
    traced = any(name in TRACES or "forwarded" in name or name.endswith("-ip") for name in headers)
    return traced or scope.get("http_version") in ("1", "1.0")  # Granian says "1"


def _refuse(status: int, code: str, message: str, what_to_do: str) -> JSONResponse:
    return JSONResponse(error_body(code, message, what_to_do), status_code=status)
