"""What an app is: everything about one vendor that the rest asks for by the app's name."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from shared.apps.hooks import After, Before, nothing_after, nothing_before
from shared.apps.receiving import RawWebhook
from shared.connections import Connection, Secrets
from shared.events.envelope import Envelope
from shared.identity import AppAccount
from shared.ratelimit.quotas import Quota
from shared.settings import Settings

if TYPE_CHECKING:
    from shared.ratelimit.gate import CallGate


@dataclass(frozen=True)
class Access:
    """What a client needs to call one app account: whose key, the key, the address, and the gate before each call.

    `before` is called with each operation after it waited for its turn, and may raise; `after` when it succeeded.
    """

    connection: str
    app_account: str
    key: str
    api_base: str
    gate: CallGate
    before: Before = nothing_before
    after: After = nothing_after


class App(ABC):
    """A system that we talk to. Its package alone imports its vendor's libraries, and does so when it must."""

    name: ClassVar[str]
    title: ClassVar[str]
    fills_index: ClassVar[Sequence[str]] = ()
    """Kinds of polls that must have read their list once before the index tells that something is not there."""

    append_patience: ClassVar[float] = 1.0
    """By how much the deadline of an append is stretched for a webhook that the vendor may send only once."""

    def url(self, account: AppAccount, noun: str, entity: str) -> str:
        """Where a person sees an entity in the vendor's own pages; empty if nowhere that is known."""
        return ""

    @abstractmethod
    async def receive(self, raw: RawWebhook, connection: Connection, secrets: Secrets) -> Envelope:
        """A webhook as an envelope. Raises Refused, NotOurs; reads no body that can be refused without it."""

    @abstractmethod
    def session(self, call_timeout: float) -> AbstractAsyncContextManager[Any]:
        """The HTTP connections of all clients of an event loop. `call_timeout` in seconds."""

    @abstractmethod
    def client(self, access: Access, session: Any) -> Any:
        """A client for one key. Its methods raise errors of `shared.errors` only."""

    @abstractmethod
    async def identify(self, client: Any) -> str:
        """The account behind a client's key, empty if the vendor does not tell: a harmless call. Raises KeyRefused."""

    @abstractmethod
    def quota(self, settings: Settings, mode: str) -> Quota:
        """What the vendor allows an account in a mode."""
