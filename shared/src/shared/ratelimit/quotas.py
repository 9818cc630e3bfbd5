"""What a vendor allows an app account, by app and mode. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from shared.identity import AppAccount
from shared.settings import Settings


@dataclass(frozen=True)
class Quota:
    """Calls per second of the account and of each of its operations, and calls at the same time; 0 is no limit."""

    rate: float
    operation_rate: float = 0.0
    concurrency: int = 0

    @property
    def limited(self) -> bool:
        """Whether calls need a lease at all: an account without a rate has no other limit either."""
        return self.rate > 0

    @property
    def places(self) -> int:
        """How many calls a window holds."""
        return max(1, int(self.rate))

    @property
    def window(self) -> float:
        """Seconds of a window: one, or longer where less than one call per second is allowed."""
        return window_of(self.rate)


def window_of(rate: float) -> float:
    """Seconds in which a vendor counts."""
    return 1.0 if rate >= 1 else 1 / rate


SOURCES: dict[str, Callable[[Settings, str], Quota]] = {}
"""What each app allows an account in a mode: filled by `shared.apps`."""


def quota_of(settings: Settings, app_account: str) -> Quota:
    """The quota of `app:mode:account`; of the app's test mode where no mode is known yet. Raises KeyError."""
    app, mode, _ = AppAccount.parse(app_account) if app_account.count(":") >= 2 else (app_account, "test", "")
    return SOURCES[app](settings, mode)
