"""One Stripe API call on its way through the sandbox."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from sandbox.stripe_api.shapes import Struct
from sandbox.tenants import Tenant
from sandbox.world import World

API_VERSION = "2026-10-28.endive"


@dataclass
class Call:
    """Who calls what; `params` are typed by then."""

    world: World
    tenant: Tenant
    params: dict[str, Any]
    id: str
    request: str | None
    idempotency_key: str | None

    @property
    def scope(self) -> str:
        """The account and mode whose state the call may see."""
        return self.tenant.scope


@dataclass(frozen=True)
class Operation:
    """One operation of the API: how it is named, found, checked and done.

    `check` sees the typed parameters before anything runs, so that what it refuses is not kept under an idempotency
    key.
    """

    name: str
    method: str
    path: str
    resource: str
    right: Literal["read", "write"]
    shape: Struct
    run: Callable[[Call], dict[str, Any]]
    check: Callable[[Call], None] = lambda call: None
