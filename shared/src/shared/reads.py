"""How often an app account was read, for a vendor that allows so many reads a payment: one record per account. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import msgspec

from shared.events.envelope import SCHEMA_VERSION, check_version

SPAN = 30
"""Days over which a vendor counts."""
DAY = 24 * 3600.0
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


def counted(days: Mapping[str, int], more: Mapping[str, int], now: float) -> dict[str, int]:
    """The days with so many more on each, without those that count no longer at `now` (epoch seconds)."""
    return _in_span(Counter(days) + Counter(more), now)


def in_span(days: Mapping[str, int], now: float) -> int:
    """How many in the last 30 days."""
    return sum(_in_span(days, now).values())


def day_of(moment: float) -> str:
    """The date in UTC of a moment (epoch seconds)."""
    return datetime.fromtimestamp(moment, UTC).date().isoformat()


def _in_span(days: Mapping[str, int], now: float) -> dict[str, int]:
    before = day_of(now - SPAN * DAY)
    return {day: number for day, number in days.items() if day > before}


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
