"""How often an app account was read, for a vendor that allows so many reads a payment: one record per account. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import msgspec

from shared.events.envelope import SCHEMA_VERSION, check_version

SPAN = 30
"""Days over which a vendor counts."""
SLOWER_FROM = 0.5
"""Share of the reads that are allowed from which on pollers are slower."""
SELDOM = 3600.0
"""Seconds between two polls at most, however few reads are left: webhooks bring what happens meanwhile."""


class Reads(msgspec.Struct, kw_only=True, frozen=True, omit_defaults=True):
    """The reads of one app account by all processes. A record keyed by `app_account`; `days` by date in UTC."""

    app_account: str
    days: dict[str, int] = {}
    at: str = ""
    schemaversion: str = SCHEMA_VERSION


_decoder = msgspec.json.Decoder(Reads)
encode = msgspec.json.Encoder().encode


def decode(value: bytes) -> Reads:
    """Raises msgspec.DecodeError, and StopWorker for another major schema version."""
    reads = _decoder.decode(value)
    check_version(reads.schemaversion)
    return reads


def counted(days: Mapping[str, int], more: int, now: float) -> dict[str, int]:
    """The days with so many more on that of `now` (epoch seconds), without those that count no longer."""
    today = _day(now)
    found = {day: number for day, number in days.items() if day > _first(now)}
    return found | {today: found.get(today, 0) + more}


def in_span(days: Mapping[str, int], now: float) -> int:
    """How many in the last 30 days."""
    return sum(number for day, number in days.items() if day > _first(now))


def _day(now: float) -> str:
    return datetime.fromtimestamp(now, UTC).date().isoformat()


def _first(now: float) -> str:
    return (datetime.fromtimestamp(now, UTC).date() - timedelta(days=SPAN)).isoformat()


@dataclass(frozen=True)
class Allowance:
    """What an account may be read in 30 days, and was."""

    used: int
    allowed: int

    @property
    def share(self) -> float:
        return self.used / self.allowed

    def interval(self, seconds: float) -> float:
        """Seconds between two polls, of those that the settings say: the fewer reads are left, the longer."""
        left = 1 - (self.share - SLOWER_FROM) / (1 - SLOWER_FROM)
        if left >= 1:
            return seconds
        return max(seconds, min(SELDOM, seconds / left if left > 0 else SELDOM))
