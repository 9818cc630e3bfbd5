"""Whose state is whose: Stripe accounts by mode, Togai organizations, and the keys that open them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Literal, get_args

from sandbox.identifiers import random_text, stripe_id
from sandbox.store import Json, Store, dump

App = Literal["stripe", "togai"]
Right = Literal["none", "read", "write"]
Resource = Literal[
    "account", "customers", "events", "webhook_endpoints", "products", "prices", "payment_links", "checkout_sessions",
    "payment_intents", "charges", "subscriptions", "invoices", "credit_notes",
    "disputes", "billing_meters", "payment_methods", "tax",
]  # fmt: skip
RESOURCES: tuple[Resource, ...] = get_args(Resource)


@dataclass(frozen=True)
class Tenant:
    """One separated world of state: a Stripe account in one mode, or a Togai organization."""

    scope: str
    app: App
    id: str
    live: bool
    body: Json


@dataclass(frozen=True)
class Access:
    """What a key opens; `rights` is None for a key that may do everything."""

    key: str
    tenant: Tenant
    rights: dict[str, Right] | None


class Tenants:
    """The register of accounts, organizations and keys."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def add_stripe(self, account: str, *, live: bool, key: str | None = None, name: str = "Sandbox") -> Access:
        """Makes a Stripe account in one mode with a secret key; raises ValueError when account or key are taken."""
        mode = "live" if live else "test"
        tenant = Tenant(f"{account}/{mode}", "stripe", account, live, {"name": name})
        return self._add(tenant, key or f"sk_{mode}_{random_text(24)}")

    def add_togai(self, organization: str, *, token: str | None = None, base_currency: str = "USD") -> Access:
        """Makes a Togai organization with an API token; raises ValueError when one of the two is taken."""
        tenant = Tenant(organization, "togai", organization, False, {"baseCurrency": base_currency})
        return self._add(tenant, token or f"togai_{random_text(32)}")

    def _add(self, tenant: Tenant, key: str) -> Access:
        if self.find(tenant.scope):
            raise ValueError(f"{tenant.scope} exists already")
        body = {"id": tenant.id, "live": tenant.live, **tenant.body}
        self._store.run("INSERT INTO tenants VALUES (?,?,?)", tenant.scope, tenant.app, dump(body))
        return self.add_key(tenant, key, None)

    def add_key(self, tenant: Tenant, key: str | None, rights: dict[str, Right] | None) -> Access:
        """Adds a key to a tenant, restricted when `rights` is given; raises ValueError for a taken key."""
        text = key or stripe_id("rk_live" if tenant.live else "rk_test")
        if self._store.row("SELECT 1 FROM keys WHERE key=?", text):
            raise ValueError(f"key {text} exists already")
        self._store.run("INSERT INTO keys VALUES (?,?,?)", text, tenant.scope, None if rights is None else dump(rights))
        return Access(text, tenant, rights)

    def access(self, key: str, app: App) -> Access | None:
        """What this key opens at this app, or None."""
        found = self._store.row("SELECT scope, rights FROM keys WHERE key=?", key)
        tenant = self.find(found[0]) if found else None
        if found is None or tenant is None or tenant.app != app:
            return None
        return Access(key, tenant, json.loads(found[1]) if found[1] else None)

    def find(self, name: str) -> Tenant | None:
        """A tenant by scope (`acct_x/live`) or by bare id, where test mode goes before live mode."""
        for scope in (name, f"{name}/test", f"{name}/live"):
            found = self._store.row("SELECT scope, app, body FROM tenants WHERE scope=?", scope)
            if found:
                body = json.loads(found[2])
                return Tenant(found[0], found[1], body.pop("id"), body.pop("live"), body)
        return None

    def all(self) -> list[Tenant]:
        """Every tenant in the order of its making."""
        names = self._store.rows("SELECT scope FROM tenants ORDER BY rowid")
        return [tenant for (name,) in names if (tenant := self.find(name))]

    def keys(self, tenant: Tenant) -> list[Json]:
        """A tenant's keys with their rights; they are the sandbox's own inventions, so they may be shown."""
        found = self._store.rows("SELECT key, rights FROM keys WHERE scope=? ORDER BY rowid", tenant.scope)
        return [{"key": key, "rights": json.loads(rights) if rights else None} for key, rights in found]
