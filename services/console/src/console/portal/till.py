"""Where a public page can be paid: by which flow link, with whose script, and which hosts that loads from."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from urllib.parse import urlsplit

from shared.apps.stripe.client import API_VERSION
from shared.connections import Connection, FlowLink
from shared.settings import STRIPE_API
from sqlmodel import Session

from console.projection import queries

STRIPE_HOSTS = {
    "script-src": "https://js.stripe.com https://*.js.stripe.com https://checkout.stripe.com",
    "frame-src": "https://js.stripe.com https://*.js.stripe.com https://hooks.stripe.com https://checkout.stripe.com",
    "connect-src": "https://api.stripe.com https://checkout.stripe.com",
    "img-src": "https://*.stripe.com",
}
"""What Stripe.js and the embedded page load: docs.stripe.com/security/guide, content security policy."""
SANDBOX_KEY = "pk_test_sandbox"


@dataclass(frozen=True)
class Till:
    """How a page opens what is paid: which flow link makes it, and whose script shows it."""

    link: FlowLink
    connection: Connection
    account: str
    script: str
    key: str
    hosts: dict[str, str]


def till_of(session: Session, flow: str, togai: str, stripe: Collection[str]) -> Till | None:
    """The till of one app account of Togai, at one of some of Stripe. None where no flow link of the flow is on for
    them, or no publishable key is known.
    """
    known = {connection.id: connection for connection in queries.connections(session)}
    for link in queries.flow_links(session):
        source, at = (known.get(link.connections.get(app, "")) for app in ("togai", "stripe"))
        wanted = link.flow == flow and link.enabled and source and source.app_account == togai
        if wanted and at and at.app_account in stripe and (script := _script(at)):
            return Till(link, at, at.app_account, script, at.publishable_key or SANDBOX_KEY, _hosts(at))
    return None


def _script(connection: Connection) -> str:
    """Stripe.js of the release that our API version names, or its stand-in beside the sandbox's API; empty where a page
    at Stripe would lack the publishable key.
    """
    if connection.api_base.rstrip("/") != STRIPE_API:
        return f"{_origin(connection)}/js/v3/"
    release = API_VERSION.partition(".")[2]
    return f"https://js.stripe.com/{release}/stripe.js" if connection.publishable_key else ""


def _hosts(connection: Connection) -> dict[str, str]:
    own = connection.api_base.rstrip("/") == STRIPE_API
    return STRIPE_HOSTS if own else dict.fromkeys(STRIPE_HOSTS, _origin(connection))


def _origin(connection: Connection) -> str:
    found = urlsplit(connection.api_base)
    return f"{found.scheme}://{found.netloc}"
