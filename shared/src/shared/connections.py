"""Connections and flow links as records of compacted topics, and the encryption of the secrets in them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import msgspec
from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from pydantic import SecretStr

from shared.errors import Misconfigured
from shared.events.envelope import SCHEMA_VERSION
from shared.identity import key_fingerprint
from shared.setting_values import cleaned
from shared.settings import Settings

CONFIRMED_FOR = 24 * 3600.0
"""Seconds for which one confirmation of overwrites holds."""

ConnectionState = Literal["open", "removed"]


class Secrets(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What must never be shown: lives encrypted in `Connection.sealed`."""

    api_key: str
    webhook_secrets: list[str] = []
    webhook_token: str = ""
    former_webhook_tokens: list[str] = []

    @property
    def webhook_tokens(self) -> list[str]:
        """Every token that opens the webhook address, the newest first: several while it is being changed."""
        return cleaned([self.webhook_token, *self.former_webhook_tokens])

    def __repr__(self) -> str:
        return "Secrets(***)"


class Limits(msgspec.Struct, kw_only=True, frozen=True, omit_defaults=True):
    """How fast an app account may be called, as a person set it; 0: as the settings say.

    - `quota`: calls per second that the vendor allows.
    - `polling_share`: share of them that the pollers use at most.
    - `background_share`: share that replays, pollers and imports have together while live work waits.
    """

    quota: float = 0.0
    polling_share: float = 0.0
    background_share: float = 0.0

    def __bool__(self) -> bool:
        return self != Limits()


class Connection(msgspec.Struct, kw_only=True, frozen=True, omit_defaults=True):
    """One key to one app account. A record keyed by `id`, written by the console and its commands only.

    `sealed` holds its Secrets, encrypted together with BOUND; `fingerprint` tells which key, and `verifies` whether a
    webhook can be verified by them (None in records of an older Tandem). What a vendor says of the key stands apart, in
    a KeyState. `publishable_key` is Stripe's, for pages: everybody may see it.
    """

    id: str
    app: str
    app_account: str
    mode: Literal["test", "live"]
    api_base: str
    sealed: str
    fingerprint: str = ""
    verifies: bool | None = None
    title: str = ""
    publishable_key: str = ""
    limits: Limits = Limits()
    state: ConnectionState = "open"
    changed_at: str = ""
    schemaversion: str = SCHEMA_VERSION

    @property
    def access(self) -> tuple[str, ...]:
        """Whom a client of it calls, and with what: as long as that stays, so does the client."""
        return (self.app_account, self.api_base, self.sealed, self.state)


class FlowLink(msgspec.Struct, kw_only=True, frozen=True, omit_defaults=True):
    """A flow bound to a connection for every app that it uses. A record keyed by `id`.

    `overwrites_confirmed_at`: epoch seconds at which a person allowed first contacts to replace values of many pairs.
    `options`: what a person chose of its flow's options; one that is not named has its flow's first value.
    """

    id: str
    flow: str
    connections: dict[str, str]
    enabled: bool = True
    changed_at: str = ""
    overwrites_confirmed_at: float = 0.0
    options: dict[str, str] = {}
    schemaversion: str = SCHEMA_VERSION

    def overwrites_allowed(self, now: float) -> bool:
        """Whether a person's confirmation of overwrites holds at a time (epoch seconds): for a day."""
        return now - self.overwrites_confirmed_at < CONFIRMED_FOR


BOUND = ("id", "app", "app_account", "mode", "api_base")
"""What is sealed beside the secrets: whoever can write to Kafka must not send a key elsewhere by changing these."""


class _Sealed(msgspec.Struct, kw_only=True):
    """What is encrypted: the secrets, and for which connection they are."""

    secrets: Secrets
    bound: dict[str, str]


connection_decoder = msgspec.json.Decoder(Connection)
flow_link_decoder = msgspec.json.Decoder(FlowLink)
encode = msgspec.json.Encoder().encode
_sealed_decoder = msgspec.json.Decoder(_Sealed)


class Vault:
    """Seals and opens secrets. Several keys: the first seals, all open, so that keys can be rotated."""

    def __init__(self, keys: Sequence[str]) -> None:
        if not keys:
            raise Misconfigured("no encryption key: set TANDEM_ENCRYPTION_KEYS, or let `tandem up` make one")
        try:
            self._fernet = MultiFernet([Fernet(key) for key in keys])
        except ValueError as error:
            raise Misconfigured(
                "TANDEM_ENCRYPTION_KEYS holds something that is no Fernet key (url-safe base64); make one with "
                '`python -c "from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())"`'
            ) from error

    def seal(self, connection: Connection, secrets: Secrets) -> Connection:
        """The connection with these secrets, encrypted with the newest key and bound to it.

        Blanks around a secret are cut, and blank ones left out, wherever they come from. Raises Misconfigured if the
        key is blank.
        """
        secrets = Secrets(
            api_key=secrets.api_key.strip(),
            webhook_secrets=cleaned(secrets.webhook_secrets),
            webhook_token=secrets.webhook_token.strip(),
            former_webhook_tokens=cleaned(secrets.former_webhook_tokens),
        )
        if not secrets.api_key:
            raise Misconfigured(f"the key of connection {connection.id} is empty: give it the vendor's key or token")
        whole = _Sealed(secrets=secrets, bound=_bound(connection))
        sealed = self._fernet.encrypt(msgspec.json.encode(whole)).decode()
        verifies = bool(secrets.webhook_secrets or secrets.webhook_tokens)
        fingerprint = key_fingerprint(secrets.api_key)
        return msgspec.structs.replace(connection, sealed=sealed, fingerprint=fingerprint, verifies=verifies)

    def open(self, connection: Connection) -> Secrets:
        """Decrypt. Raises Misconfigured if the connection was removed, no key fits, or they are another one's."""
        again = (
            f"connect it again with `tandem connections add {connection.app} {connection.id}` (after `tandem kafka "
            "start` where the embedded Kafka is down)"
        )
        if connection.state == "removed":
            raise Misconfigured(
                f"connection {connection.id} was removed, and its secrets with it: {again}",
                code="removed",
                connection=connection.id,
            )
        try:
            whole = _sealed_decoder.decode(self._fernet.decrypt(connection.sealed.encode()))
        except InvalidToken as error:
            raise Misconfigured(
                f"the secrets of connection {connection.id} were sealed with another key: add the former key to "
                f"TANDEM_ENCRYPTION_KEYS (after the new one), or {again}",
                code="unreadable",
                connection=connection.id,
            ) from error
        except msgspec.DecodeError as error:
            raise Misconfigured(
                f"the secrets of connection {connection.id} were sealed by an older Tandem, which did not bind them to "
                f"their address: {again}, or start on a new TANDEM_HOME",
                code="unreadable",
                connection=connection.id,
            ) from error
        if wrong := [name for name, value in _bound(connection).items() if whole.bound.get(name) != value]:
            raise Misconfigured(
                f"the record of connection {connection.id} was changed by somebody else than Tandem: its "
                f"{', '.join(wrong)} is not what its secrets were sealed for. Nothing is sent. Find out who can write "
                f"to Kafka, then {again}",
                code="changed",
                connection=connection.id,
            )
        return whole.secrets

    def reseal(self, connection: Connection) -> Connection:
        """The same secrets under the newest key. Raises Misconfigured as `open` does."""
        return self.seal(connection, self.open(connection))


def _bound(connection: Connection) -> dict[str, str]:
    return {name: getattr(connection, name) for name in BOUND}


def encryption_keys(settings: Settings, *, create: bool = False) -> list[str]:
    """The keys from the settings, else from the file in the home.

    `create` makes that file (mode 600, in a folder of mode 700) if it is not there: only the first `tandem up` does.
    """
    return _keys(settings.encryption_keys, settings.home / "secrets" / "encryption.key", create=create)


def portal_keys(settings: Settings, *, create: bool = False) -> list[str]:
    """The same of the keys for offers' pages: the console has them, which serves the public, and no others."""
    return _keys(settings.portal_keys, settings.home / "secrets" / "portal.key", create=create)


def _keys(given: Sequence[SecretStr], file: Path, *, create: bool) -> list[str]:
    if given:
        return [key.get_secret_value() for key in given]
    if not file.exists() and create:
        write_secret(file, Fernet.generate_key().decode() + "\n")
    return file.read_text().split() if file.exists() else []


def write_secret(file: Path, text: str) -> None:
    """Write a file that only its owner can read, whole or not at all."""
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    file.parent.chmod(0o700)
    draft = file.with_suffix(".new")
    with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as handle:
        handle.write(text)
        handle.flush()
        os.fsync(handle.fileno())
    draft.rename(file)


def check_modes(link: FlowLink, connections: dict[str, Connection]) -> None:
    """Raises Misconfigured if the link names an unknown connection, or joins a live with a test one (design law 9)."""
    missing = [c for c in link.connections.values() if c not in connections]
    if missing:
        raise Misconfigured(f"flow link {link.id} names unknown connections: {', '.join(missing)}", code="unknown")
    modes = {connections[c].mode: c for c in link.connections.values()}
    if len(modes) > 1:
        raise Misconfigured(
            f"flow link {link.id} joins the live connection {modes['live']} with the test connection {modes['test']}: "
            "use two connections of one mode",
            code="mixed_modes",
        )
