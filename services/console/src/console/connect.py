"""Connecting an app account: who is behind a key, in which mode, and the record that workers and ingress read."""

from __future__ import annotations

import re
import secrets as random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from shared.apps import APPS
from shared.apps.model import Access
from shared.connections import Connection, Secrets, Vault
from shared.domains import TRIGGERS
from shared.errors import Misconfigured
from shared.events.envelope import timestamp
from shared.identity import AppAccount
from shared.ratelimit import CallGate
from shared.settings import SANDBOX_STRIPE_KEY, SANDBOX_TOGAI_TOKEN, TOGAI_API, Mode, Settings, cleaned

from console.addresses import check_api_base

STRIPE_EVENTS = [name.removeprefix("stripe.") for name, trigger in TRIGGERS.items() if trigger.app == "stripe"]
CONNECTION_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
SIGNING_SECRET = re.compile(r"whsec_[^\s,]+")
TOGAI_EVENT = "account.created"
"""The event as our address names it."""
SHORTEST_TOKEN = 22
"""Characters of a token in an address: 128 bits in base64."""


@dataclass(frozen=True)
class Wanted:
    """A connection as somebody wants it. `webhook_secrets` only for Stripe, tokens only for Togai."""

    id: str
    app: str
    key: str = field(repr=False)
    api_base: str
    webhook_secrets: tuple[str, ...] = field(default=(), repr=False)
    webhook_token: str = field(default="", repr=False)
    former_webhook_tokens: tuple[str, ...] = field(default=(), repr=False)
    organization: str = ""
    mode: Mode | None = None
    title: str = ""


def stripe_mode(key: str) -> Mode:
    """A Stripe key's mode, by its prefix. Raises Misconfigured for anything else."""
    for prefix in ("sk_", "rk_"):
        for mode in ("test", "live"):
            if key.startswith(f"{prefix}{mode}_"):
                return mode
    raise Misconfigured(
        "the key is none of Stripe's that Tandem can use: those begin with sk_test_, rk_test_, sk_live_ or rk_live_"
    )


def togai_mode(api_base: str, mode: Mode | None) -> Mode:
    """A Togai token's mode, by the address; `mode` for an address that is not Togai's own. Raises Misconfigured."""
    known: Mode | None = TOGAI_API.get(api_base.rstrip("/"))  # type: ignore[assignment]
    if known and mode and known != mode:
        raise Misconfigured(f"TOGAI_MODE says {mode}, but {api_base} is Togai's {known} address: remove TOGAI_MODE")
    if not (found := known or mode):
        raise Misconfigured(f"{api_base} is not one of Togai's own addresses: say TOGAI_MODE=test or TOGAI_MODE=live")
    return found


STRIPE_CONNECTION = "con_stripe"
TOGAI_CONNECTION = "con_togai"
"""The connections that set-up makes of the environment."""


def known_key(settings: Settings, connection_id: str) -> str:
    """The key that the environment, or the sandbox, gives to a connection of set-up's; empty for any other."""
    keys = {
        STRIPE_CONNECTION: settings.stripe_api_key.get_secret_value() or (SANDBOX_STRIPE_KEY * settings.sandboxed),
        TOGAI_CONNECTION: settings.togai_api_token.get_secret_value() or (SANDBOX_TOGAI_TOKEN * settings.sandboxed),
    }
    return keys.get(connection_id, "")


def known_secrets(settings: Settings, connection_id: str) -> tuple[str, ...]:
    """The signing secrets that the environment gives to set-up's connection to Stripe; none for any other."""
    given = settings.stripe_webhook_secrets if connection_id == STRIPE_CONNECTION else []
    return tuple(secret.get_secret_value() for secret in given)


def public_address(settings: Settings) -> str:
    """Where the vendors reach ingress."""
    return settings.public_url.rstrip("/") or f"http://127.0.0.1:{settings.ingress_port}"


def webhook_address(settings: Settings, connection: Connection, vault: Vault) -> str:
    """The address that the vendor calls; Togai's holds the token, so it is shown only where a person asks for it."""
    base = f"{public_address(settings)}/webhooks/{connection.app}/{connection.id}"
    if connection.app == "stripe":
        return base
    return f"{base}/{TOGAI_EVENT}/{vault.open(connection).webhook_token}"


async def connect(wanted: Wanted, settings: Settings, vault: Vault, present: Connection | None = None) -> Connection:
    """The connection's record, after asking the vendor who is behind the key. `present` is the record so far.

    Raises Misconfigured for a wrong key or blank secrets, Unavailable if the vendor does not answer.
    """
    kept = vault.open(present) if present else Secrets(api_key="")
    wanted = _cleaned(wanted)
    account, mode = await (_stripe(wanted, settings) if wanted.app == "stripe" else _togai(wanted, settings))
    secrets = Secrets(api_key=wanted.key, webhook_secrets=list(wanted.webhook_secrets) or kept.webhook_secrets)
    if wanted.app == "togai":
        secrets.webhook_token = wanted.webhook_token or kept.webhook_token or new_token()
        # Who names the present token names all that hold beside it.
        secrets.former_webhook_tokens = (
            list(wanted.former_webhook_tokens) if wanted.webhook_token else kept.former_webhook_tokens
        )
        _check_tokens(secrets)
    made = Connection(
        id=wanted.id,
        app=wanted.app,
        app_account=str(AppAccount(wanted.app, mode, account)),
        mode=mode,
        api_base=wanted.api_base,
        sealed="",
        title=wanted.title or wanted.id,
        changed_at=timestamp(datetime.now(UTC)),
    )
    return vault.seal(made, secrets)


def _cleaned(wanted: Wanted) -> Wanted:
    """Raises Misconfigured for what is given and blank: nobody means that."""
    key, secrets = wanted.key.strip(), tuple(cleaned(wanted.webhook_secrets))
    if not CONNECTION_ID.fullmatch(wanted.id):
        raise Misconfigured(
            f"{wanted.id[:80]!r} is no name for a connection: it stands in webhook addresses, so take at most 64 "
            "letters, digits, points, dashes and underscores, beginning with a letter or digit, as con_stripe_eu"
        )
    if not key:
        raise Misconfigured(f"the key of {wanted.id} is empty: give it the vendor's key or token", connection=wanted.id)
    if wanted.webhook_secrets and not secrets:
        raise Misconfigured(
            f"the signing secret of {wanted.id} is empty: copy it from the endpoint at Stripe, or leave it out",
            connection=wanted.id,
        )
    if any(not SIGNING_SECRET.fullmatch(secret) for secret in secrets):
        raise Misconfigured(
            f"a signing secret of {wanted.id} is none of Stripe's: those begin with whsec_ and hold no blank; separate "
            "several by commas",
            connection=wanted.id,
        )
    return replace(wanted, key=key, webhook_secrets=secrets, webhook_token=wanted.webhook_token.strip())


def new_token() -> str:
    """A token for Togai's webhook address: 192 random bits."""
    return random.token_urlsafe(24)


def _check_tokens(secrets: Secrets) -> None:
    if any(len(token) < SHORTEST_TOKEN or "/" in token for token in secrets.webhook_tokens):
        raise Misconfigured(
            f"TOGAI_WEBHOOK_TOKEN must have {SHORTEST_TOKEN} or more characters and no slash; empty, one is made"
        )


async def _stripe(wanted: Wanted, settings: Settings) -> tuple[str, Mode]:
    mode = stripe_mode(wanted.key)
    check_api_base(wanted.api_base, "STRIPE_API_BASE", mode)
    async with client_of(wanted, settings) as client:
        return await APPS["stripe"].identify(client), mode


async def _togai(wanted: Wanted, settings: Settings) -> tuple[str, Mode]:
    mode = togai_mode(wanted.api_base, wanted.mode)
    check_api_base(wanted.api_base, "TOGAI_API_BASE", mode)
    async with client_of(wanted, settings) as client:
        named = await APPS["togai"].identify(client)
    if named and wanted.organization and named != wanted.organization:
        raise Misconfigured(f"TOGAI_ORGANIZATION says {wanted.organization}, Togai says {named}: correct or remove it")
    if not (found := named or wanted.organization):
        raise Misconfigured(
            "Togai does not tell which organization this token belongs to: set TOGAI_ORGANIZATION to its id, which two "
            "tokens of one organization must share"
        )
    return found, mode


@asynccontextmanager
async def client_of(wanted: Wanted, settings: Settings) -> AsyncIterator[Any]:
    """A client for a key that is no connection yet."""
    app = APPS[wanted.app]
    async with app.session(settings.call_timeout) as session:
        yield app.client(Access(wanted.id, wanted.app, wanted.key, wanted.api_base, CallGate(settings)), session)
