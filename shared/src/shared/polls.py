"""How far the pollers are: one record per app account and list, in a compacted topic. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

import msgspec

from shared.events.envelope import SCHEMA_VERSION, check_version, timestamp
from shared.settings import Settings

PollKind = str
"""Which list of an app, as `stripe-events`."""
POLL_REQUESTED: PollKind = "poll-requested"
"""Names no list, but the record with which a worker requests a pass over all lists that fill the index: one that begins
after `at`.
"""


HURRY_FOR = 300.0
"""Seconds for which a requested poll goes before all that pollers do otherwise, should it not come to its end."""


class Poll(msgspec.Struct, kw_only=True, frozen=True, omit_defaults=True):
    """One list of one app account. A record keyed by `app_account/kind`.

    - `since`: RFC 3339 time at which the app account became ours: what happened before makes no events.
    - `position`: RFC 3339 time up to which everything is known to be in the log, as the vendor tells time.
    - `cursor`: where an unfinished pass goes on; `seen`: entities of that pass so far.
    - `complete`: whether a first full pass has ended; `found`: events that no webhook had brought.
    - `pass_began_at`: when the last pass that ended began: what had been made before is in the index.
    - `reread_at`: when the last days were read once more, for what the vendor lists late.
    - `payments`: of a list of events, payments that it showed, by date in UTC, of the last 30 days.
    - `lost`: the stretch of time, as `from/to`, whose events nobody lists any more; empty if there never was one.
    """

    app_account: str
    kind: PollKind
    since: str = ""
    position: str = ""
    cursor: str = ""
    complete: bool = False
    passes: int = 0
    seen: int = 0
    found: int = 0
    reread_at: str = ""
    payments: dict[str, int] = {}
    lost: str = ""
    pass_began_at: str = ""
    at: str = ""
    schemaversion: str = SCHEMA_VERSION

    @property
    def key(self) -> str:
        return poll_key(self.app_account, self.kind)


def poll_key(app_account: str, kind: PollKind) -> str:
    """Key of a poll's record."""
    return f"{app_account}/{kind}"


_decoder = msgspec.json.Decoder(Poll)
encode = msgspec.json.Encoder().encode


def decode(value: bytes) -> Poll:
    """Raises msgspec.DecodeError, and StopWorker for another major schema version."""
    poll = _decoder.decode(value)
    check_version(poll.schemaversion)
    return poll


class Polls:
    """Every poll's last record."""

    def __init__(self) -> None:
        self._known: dict[str, Poll] = {}
        self._wanted: dict[str, float] = {}

    def apply(self, poll: Poll) -> None:
        """Fold one record."""
        if poll.kind == POLL_REQUESTED:
            self._wanted[poll.app_account] = epoch(poll.at)
        else:
            self._known[poll.key] = poll

    def poll_requested(self, app_account: str) -> float:
        """The time after which a pass over the lists of an app account is to begin (epoch seconds; 0 for none)."""
        return self._wanted.get(app_account, 0.0)

    def get(self, app_account: str, kind: PollKind) -> Poll:
        """The poll as it stands, a fresh one if it never ran."""
        return self._known.get(poll_key(app_account, kind)) or Poll(app_account=app_account, kind=kind)

    def all(self) -> list[Poll]:
        return list(self._known.values())

    def incomplete(self, app_account: str, kinds: Iterable[PollKind]) -> list[Poll]:
        """Those whose first full pass has not ended."""
        return [poll for kind in kinds if not (poll := self.get(app_account, kind)).complete]

    def is_awaited(self, app_account: str, kinds: Iterable[PollKind], now: float) -> bool:
        """Whether somebody waits for a pass over these lists that was requested a short time ago (epoch seconds)."""
        requested = self.poll_requested(app_account)
        return abs(now - requested) < HURRY_FOR and bool(self.not_polled(app_account, kinds, requested))

    def not_polled(self, app_account: str, kinds: Iterable[PollKind], since: float) -> list[Poll]:
        """Those of which no pass has begun and ended since a time (epoch seconds)."""
        return [poll for kind in kinds if epoch((poll := self.get(app_account, kind)).pass_began_at) < since]


def webhooks_come_in(settings: Settings) -> bool:
    """Whether the vendors can reach ingress: by a public address, or as the sandbox on the same machine."""
    return bool(settings.public_url) or settings.sandboxed


def epoch(time_text: str) -> float:
    """Epoch seconds of an RFC 3339 time, in UTC if it does not say; 0 for none, and for what is none."""
    try:
        found = datetime.fromisoformat(time_text)
    except ValueError:
        return 0.0
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()


def rfc3339(seconds: float) -> str:
    """Epoch seconds as the records hold times."""
    return timestamp(datetime.fromtimestamp(seconds, UTC))
