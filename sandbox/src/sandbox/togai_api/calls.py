"""One Togai API call on its way through the sandbox."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sandbox.answers import Answer
from sandbox.tenants import Tenant
from sandbox.world import World


@dataclass
class Call:
    """Who calls what."""

    world: World
    tenant: Tenant
    id: str
    query: dict[str, str]
    body: bytes

    @property
    def scope(self) -> str:
        """The organization whose state the call may see."""
        return self.tenant.scope


@dataclass(frozen=True)
class Operation:
    """One operation of the API."""

    name: str
    method: str
    path: str
    run: Callable[[Call], Answer]
