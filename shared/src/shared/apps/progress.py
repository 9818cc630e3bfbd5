"""How far a first full pass is, said now and then."""

from __future__ import annotations

import time

from shared.log import get_logger

log = get_logger(__name__)

EVERY = 5.0
"""Seconds between two lines."""


class Progress:
    """Says so at most every few seconds, and at the end."""

    def __init__(self, app_account: str, what: str, seen: int) -> None:
        self._account, self._what = app_account, what
        self._reported_at = time.monotonic()
        if seen:
            log.info("poll.pass_resumed", app_account=app_account, read=f"{what}: {seen:,} read")

    def tell(self, seen: int, *, ended: bool) -> None:
        """Log the number, if it is time."""
        if ended:
            log.info("poll.pass_ended", app_account=self._account, read=f"{self._what}: {seen:,} read")
        elif time.monotonic() - self._reported_at > EVERY:
            self._reported_at = time.monotonic()
            log.info("poll.progress", app_account=self._account, read=f"{self._what}: {seen:,} read")
