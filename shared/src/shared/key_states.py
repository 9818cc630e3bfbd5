"""What the vendors say of a connection's key, apart from the record that holds its secrets. Pure.

Workers and ingress write these records, and never that one. Each names the key that it is about, so that what comes in
late about a former key says nothing of the present one.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from shared.connections import Connection
from shared.events.envelope import SCHEMA_VERSION, check_version


class KeyState(msgspec.Struct, kw_only=True, frozen=True, omit_defaults=True):
    """One key, or one operation with it (a 403). A record keyed by `key`.

    - `fingerprint`: which key; `operation`: as `customers.create`, empty for the whole key (a 401).
    - `quota`: the operation would pass a quota of the vendor; else a right lacks.
    - `reason`: the vendor's words; `at`: RFC 3339 time of the last refusal, or of the first success after it.
    """

    connection: str
    fingerprint: str
    state: Literal["good", "refused"]
    operation: str = ""
    quota: bool = False
    reason: str = ""
    at: str = ""
    schemaversion: str = SCHEMA_VERSION

    @property
    def key(self) -> str:
        return "/".join((self.connection, self.fingerprint, self.operation))


_decoder = msgspec.json.Decoder(KeyState)
encode = msgspec.json.Encoder().encode


def decode(value: bytes) -> KeyState:
    """Raises msgspec.DecodeError, and StopWorker for another major schema version."""
    state = _decoder.decode(value)
    check_version(state.schemaversion)
    return state


class KeyStates:
    """The last state of every key and operation."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], dict[str, KeyState]] = {}

    def __len__(self) -> int:
        return len(self._known)

    def apply(self, state: KeyState) -> None:
        """Fold one record."""
        self._known.setdefault((state.connection, state.fingerprint), {})[state.operation] = state

    def refusal(self, connection: Connection, operation: str = "") -> KeyState | None:
        """Why the connection's present key, or an operation with it, is refused; None if it is not."""
        found = self._known.get((connection.id, connection.fingerprint), {}).get(operation)
        return found if found and found.state == "refused" else None

    def refusals(self, connection: Connection) -> list[KeyState]:
        """Everything that is refused to the connection's present key, the whole key first."""
        known = self._known.get((connection.id, connection.fingerprint), {}).values()
        return sorted((s for s in known if s.state == "refused"), key=lambda s: s.operation)


def good_again(state: KeyState, at: str) -> KeyState:
    """The record that takes a refusal back."""
    return msgspec.structs.replace(state, state="good", reason="", at=at)
