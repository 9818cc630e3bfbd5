"""How the public pages are rendered, and what their headers allow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fastapi.responses import HTMLResponse, JSONResponse

from console.api.errors import error_body
from console.templating import environment

HERE = Path(__file__).parent
HEADERS = {"Referrer-Policy": "strict-origin", "Cache-Control": "no-store", "X-Robots-Tag": "noindex"}
_OWN = {
    "default-src": "'none'", "script-src": "'self'", "style-src": "'self'", "connect-src": "'self'",
    "img-src": "'self'", "frame-src": "", "form-action": "'self'", "base-uri": "'none'", "frame-ancestors": "'none'",
}  # fmt: skip
GONE = (410, "This page has expired", "Ask whoever sent it to you for a new address.")
NOWHERE = (404, "There is no such page", "Look whether the address is whole, or ask whoever sent it to you.")

_templates = environment(HERE / "templates")


def rendered(template: str, status: int = 200, hosts: dict[str, str] | None = None, **values: Any) -> HTMLResponse:
    """A page; `hosts` are those beside our own whose scripts and frames it may load, by directive."""
    return HTMLResponse(_templates.get_template(template).render(**values), status, headers=_headers(hosts or {}))


def plain(status: int, title: str, what: str) -> HTMLResponse:
    """A page that says one thing."""
    return rendered("plain.html", status, title=title, what=what)


def refused(what: tuple[int, str, str], code: str) -> JSONResponse:
    """The same for a page's script."""
    status, message, to_do = what
    return JSONResponse(error_body(code, message, to_do), status, headers=HEADERS)


def _headers(hosts: dict[str, str]) -> dict[str, str]:
    """The policy names our own host and the till's, and no other."""
    joined = {name: " ".join(filter(None, (own, hosts.get(name, "")))) or "'none'" for name, own in _OWN.items()}
    return HEADERS | {"Content-Security-Policy": "; ".join(f"{name} {value}" for name, value in joined.items())}
