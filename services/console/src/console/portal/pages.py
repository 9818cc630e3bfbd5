"""How the public pages are rendered, and what their headers allow."""

from __future__ import annotations

from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
from fastapi.responses import HTMLResponse, JSONResponse

from console.api.errors import error_body
from console.domains import servers
from console.templating import environment
from shared import money

OWN = Path(__file__).parent / "public"
HEADERS = {"Referrer-Policy": "strict-origin", "Cache-Control": "no-store", "X-Robots-Tag": "noindex"}
_OWN = {
    "default-src": "'none'", "script-src": "'self'", "style-src": "'self'", "connect-src": "'self'",
    "img-src": "'self'", "frame-src": "", "form-action": "'self'", "base-uri": "'none'", "frame-ancestors": "'none'",
}  # fmt: skip
GONE = (410, "This page has expired", "Ask whoever sent it to you for a new address.")
NOWHERE = (404, "There is no such page", "Look whether the address is whole, or ask whoever sent it to you.")


def folders() -> tuple[Path, ...]:
    """Where templates, styles and scripts of public pages are: the common ones, and each domain's."""
    return (OWN, *(server.public for server in servers() if server.public))


@cache
def _templates(of: tuple[Path, ...]) -> jinja2.Environment:
    return environment(of)


def rendered(template: str, status: int = 200, hosts: dict[str, str] | None = None, **values: Any) -> HTMLResponse:
    """A page; `hosts` are those beside our own whose scripts and frames it may load, by directive."""
    text = _templates(folders()).get_template(template).render(**values)
    return HTMLResponse(text, status, headers=_headers(hosts or {}))


def plain(status: int, title: str, what: str) -> HTMLResponse:
    """A page that says one thing."""
    return rendered("plain.html", status, title=title, what=what)


def refused(what: tuple[int, str, str], code: str) -> JSONResponse:
    """The same for a page's script."""
    status, message, to_do = what
    return JSONResponse(error_body(code, message, to_do), status, headers=HEADERS)


def in_words(amount: Decimal, currency: str) -> str:
    """An amount as customers read it."""
    least = Decimal(1).scaleb(-money.digits(currency))
    rounded = amount.quantize(least)
    return f"{rounded if rounded == amount else amount.normalize():,f} {currency}"


def _headers(hosts: dict[str, str]) -> dict[str, str]:
    """The policy names our own host and the till's, and no other."""
    joined = {name: " ".join(filter(None, (own, hosts.get(name, "")))) or "'none'" for name, own in _OWN.items()}
    return HEADERS | {"Content-Security-Policy": "; ".join(f"{name} {value}" for name, value in joined.items())}
