"""How a key of an app becomes a connection: what is asked for, whose it is, in which mode, and its secrets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from shared.connections import Connection, Secrets
from shared.errors import Misconfigured
from shared.settings import Mode, Settings


@dataclass(frozen=True)
class Wanted:
    """A connection as somebody wants it; its app's `Connector` names the secrets."""

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


@dataclass(frozen=True)
class FullKey:
    """Why a live key is one that may do more than Tandem needs, and what a person does about it."""

    what: str
    remedy: str


class Connector:
    """What an app brings of its own. As it stands: a key whose account the vendor tells, and signing secrets.

    `key_variable` and `base_variable` are the environment's names of the key and of the API's address of the connection
    that set-up makes; empty if it makes none.
    """

    key_variable: ClassVar[str] = ""
    base_variable: ClassVar[str] = ""

    def own_key(self, settings: Settings) -> str:
        """The key that the environment gives, empty if none; the sandbox's is none."""
        return ""

    def from_settings(self, settings: Settings) -> Wanted | None:
        """The connection that set-up makes of the environment, or to the sandbox; None if it makes none."""
        return None

    def default_base(self, settings: Settings) -> str:
        """The address of the API where nobody names one; empty if it must be named."""
        return ""

    def mode_of(self, wanted: Wanted) -> Mode:
        """The mode of a key. Raises Misconfigured."""
        if wanted.mode is None:
            raise Misconfigured(f"say --mode test or --mode live for {wanted.id}: a key of {wanted.app} does not tell")
        return wanted.mode

    def full_key(self, key: str) -> FullKey | None:
        """What is wrong with a live key that may do everything; None for any other, and where a key does not tell."""
        return None

    def account_of(self, wanted: Wanted, named: str) -> str:
        """The account behind a key, of which the vendor names `named`. Raises Misconfigured if nobody tells."""
        if not named:
            raise Misconfigured(f"{wanted.app} does not tell whose key that of {wanted.id} is")
        return named

    def secrets_of(self, wanted: Wanted, kept: Secrets) -> Secrets:
        """The secrets of the connection; `kept` are those so far. Raises Misconfigured for what cannot be one."""
        return Secrets(api_key=wanted.key, webhook_secrets=list(wanted.webhook_secrets) or kept.webhook_secrets)

    def check_publishable(self, connection: Connection, key: str) -> None:
        """Raises Misconfigured for what is no key that everybody may see; empty takes a former one away."""
        raise Misconfigured(f"connection {connection.id} has no publishable key: see `tandem connections list`")

    def missing(self, secrets: Secrets) -> str:
        """What the connection lacks before its webhooks are taken, and what to do; empty if nothing."""
        return ""

    def webhook_path(self, secrets: Secrets, event: str = "") -> str:
        """What the address that the vendor calls has behind the connection, as `/event/token`. `event` is one that has
        an address of its own; nothing named: the first one that a person sets up.
        """
        return ""

    def renewed(self, secrets: Secrets, connection: str, settings: Settings, *, finish: bool) -> Secrets:
        """The secrets with a new token in the address; `finish` makes none and forgets the former ones.

        Raises Misconfigured where there is no such token, or where it is not ours to change.
        """
        raise Misconfigured(f"the webhook address of {connection} holds no token")

    async def register(self, client: Any, secrets: Secrets, url: str, events: Sequence[str]) -> Secrets:
        """Make the sandbox send webhooks, before the connection is kept. Returns its secrets: the vendor may tell one.

        At the real vendor a person does it.
        """
        return secrets

    async def subscribe(self, connection: Connection, settings: Settings, hooks: Mapping[str, str]) -> None:
        """The same, once the connection is kept: where the vendor tells nothing that is to be kept with it. `hooks` are
        addresses by the event's name in the vendor's pages. Raises Unavailable.
        """
