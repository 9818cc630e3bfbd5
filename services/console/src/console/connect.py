"""Connecting an app account: who is behind a key, in which mode, and the record that workers and ingress read."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from shared.apps import APPS
from shared.apps.connecting import Wanted
from shared.apps.model import Access
from shared.connections import Connection, Limits, Secrets, Vault
from shared.domains import TRIGGERS
from shared.errors import Misconfigured
from shared.events.envelope import timestamp
from shared.identity import AppAccount
from shared.ratelimit import CallGate
from shared.setting_values import cleaned
from shared.settings import Settings

from console.addresses import check_api_base

CONNECTION_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def known_to_set_up(settings: Settings, app: str, connection_id: str) -> Wanted | None:
    """What the environment, or the sandbox, gives to a connection of set-up's; None for any other."""
    found = APPS[app].connector.from_settings(settings)
    return found if found and found.id == connection_id else None


def public_address(settings: Settings) -> str:
    """Where the vendors reach ingress."""
    return settings.public_url.rstrip("/") or f"http://127.0.0.1:{settings.ingress_port}"


def webhook_address(settings: Settings, connection: Connection, vault: Vault, event: str = "") -> str:
    """The address that the vendor calls; it may hold a token, so it is shown only where a person asks for it. `event`
    is one that has an address of its own.
    """
    path = APPS[connection.app].connector.webhook_path(vault.open(connection), event)
    return f"{public_address(settings)}/webhooks/{connection.app}/{connection.id}{path}"


def hooks_of(settings: Settings, connection: Connection, vault: Vault) -> dict[str, str]:
    """The addresses of the events that have one each, by the event's name in the vendor's pages."""
    found = [trigger for trigger in TRIGGERS.values() if trigger.app == connection.app and trigger.hook]
    return {
        trigger.hook: webhook_address(settings, connection, vault, trigger.name.partition(".")[2]) for trigger in found
    }


def events_of(app: str) -> list[str]:
    """The events of an app that a webhook has to bring, by the vendor's own names."""
    return [name.removeprefix(f"{app}.") for name, t in TRIGGERS.items() if t.app == app and t.brought == "webhook"]


async def connect(wanted: Wanted, settings: Settings, vault: Vault, present: Connection | None = None) -> Connection:
    """The connection's record, after asking the vendor who is behind the key. `present` is the record so far.

    Raises Misconfigured for a wrong key or blank secrets, Unavailable if the vendor does not answer.
    """
    kept = vault.open(present) if present else Secrets(api_key="")
    wanted = _cleaned(wanted)
    app = APPS[wanted.app]
    mode, secrets = app.connector.mode_of(wanted), app.connector.secrets_of(wanted, kept)
    check_api_base(wanted.api_base, app.connector.base_variable or "--api-base", mode)
    async with client_of(wanted, settings) as client:
        account = app.connector.account_of(wanted, await app.identify(client))
    made = Connection(
        id=wanted.id,
        app=wanted.app,
        app_account=str(AppAccount(wanted.app, mode, account)),
        mode=mode,
        api_base=wanted.api_base,
        sealed="",
        title=wanted.title or wanted.id,
        publishable_key=present.publishable_key if present else "",
        limits=present.limits if present else Limits(),
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
            f"the signing secret of {wanted.id} is empty: copy it from the endpoint at {APPS[wanted.app].title}, or "
            "leave it out",
            connection=wanted.id,
        )
    if len(secrets) < len(wanted.webhook_secrets):
        raise Misconfigured(
            f"one of the signing secrets of {wanted.id} is empty: take the comma out that is too much, or write the "
            "secret that is missing",
            connection=wanted.id,
        )
    return replace(wanted, key=key, webhook_secrets=secrets, webhook_token=wanted.webhook_token.strip())


@asynccontextmanager
async def client_of(wanted: Wanted, settings: Settings) -> AsyncIterator[Any]:
    """A client for a key that is no connection yet."""
    app = APPS[wanted.app]
    async with app.session(settings.call_timeout) as session:
        yield app.client(Access(wanted.id, wanted.app, wanted.key, wanted.api_base, CallGate(settings)), session)
