"""One Stripe API call on its way through the sandbox."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

from sandbox.stripe_api import params
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

    base: str = ""
    """Where the sandbox is, for the addresses of its pages: ends with a slash."""
    held: list[Happening] | None = None
    """What happened and is not sent yet, while events are held back to be sent in another order."""

    @property
    def scope(self) -> str:
        """The account and mode whose state the call may see."""
        return self.tenant.scope

    def having(self, params: dict[str, Any], id: str = "") -> Call:
        """The same caller with other parameters: what an operation does by means of another one."""
        return replace(self, params=params, id=id)


@dataclass(frozen=True)
class Happening:
    """An event before it is sent."""

    type: str
    object: dict[str, Any]
    previous: dict[str, Any] | None


@dataclass(frozen=True)
class Operation:
    """One operation of the API: how it is named, found, checked and done.

    `params` names the SDK's type of its parameters, `answers` the type of the object that it answers, as far as
    `expand` can reach into it. `check` sees the typed parameters before anything runs, so that what it refuses is not
    kept under an idempotency key.
    """

    name: str
    method: str
    path: str
    params: str
    run: Callable[[Call], dict[str, Any]]
    answers: str = ""
    check: Callable[[Call], None] = lambda call: None
    right_on: str = ""

    @cached_property
    def shape(self) -> Struct:
        """The parameters' shape; made when it is first asked for, because all of them take seconds."""
        return params.named(self.params)

    @property
    def resource(self) -> str:
        """The resource on which a restricted key needs a right."""
        return self.right_on or self.name.partition(".")[0]

    @property
    def right(self) -> Literal["read", "write"]:
        """The right that a restricted key needs."""
        return "read" if self.method == "GET" else "write"
