"""What a vendor allows an app account, by app and mode, or as a person set it at a connection. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from shared.connections import Connection
from shared.identity import AppAccount
from shared.settings import Settings

BACKGROUND_SHARE = 0.05
"""Share of a quota that replays, pollers and imports have together while live work waits."""


@dataclass(frozen=True)
class Quota:
    """Calls per second of the account and of each of its operations, and calls at the same time; 0 is no limit.

    - `polling_share`: share of it that the pollers use at most; 0: as the settings say.
    - `background_share`: share that all but live work has while live work waits.
    """

    rate: float
    operation_rate: float = 0.0
    concurrency: int = 0
    polling_share: float = 0.0
    background_share: float = BACKGROUND_SHARE

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


class Quotas:
    """The quota of every app account: by the settings, and by what its `connections` say, as they stand now."""

    def __init__(
        self, settings: Settings, connections: Mapping[str, Connection] = MappingProxyType[str, Connection]({})
    ) -> None:
        self._settings = settings
        self._connections = connections

    def of(self, app_account: str) -> Quota:
        """The quota of `app:mode:account`; of the app's test mode where no mode is known yet. Raises KeyError.

        What connections say counts instead of the settings, and the least of what several say. Where the settings lift
        an app's limits altogether, no connection brings them back.
        """
        app, mode, _ = AppAccount.parse(app_account) if app_account.count(":") >= 2 else (app_account, "test", "")
        quota = SOURCES[app](self._settings, mode)
        own = [c.limits for c in self._connections.values() if c.app_account == app_account and c.state == "open"]
        if not quota.limited or not any(own):
            return quota
        return replace(
            quota,
            rate=min((one.quota for one in own if one.quota), default=quota.rate),
            polling_share=min((one.polling_share for one in own if one.polling_share), default=quota.polling_share),
            background_share=min(
                (one.background_share for one in own if one.background_share), default=quota.background_share
            ),
        )

    @property
    def limited(self) -> bool:
        """Whether any app has a quota at all."""
        return any(self.of(app).limited for app in SOURCES)
