"""The pollers of one ingress process: they poll if it is the one, and tell how far they are in any case."""

from __future__ import annotations

import time
from typing import Any

from shared.identity import AppAccount
from shared.polls import Poll, stripe_interval, webhooks_come_in

from ingress.leader import Leader, Led, Seat
from ingress.polling.gaps import gap, late, level, meaning
from ingress.polling.term import Term, Tools
from shared import metrics

GROUP = "ingress-pollers"


class Pollers(Led):
    """Runs while the context does, unless the setting `polling` is off. `tools.registry` shows the positions."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools
        self._term = Term(tools)
        topics, settings = tools.topics, tools.settings
        seat = Seat(
            "pollers",
            topics.group(GROUP),
            topics.polls,
            metrics.POLL_LEADER,
            settings.session_timeout,
            wanted=settings.polling,
        )
        self._leader = Leader(settings, seat, self._term.run)

    def status(self) -> dict[str, Any]:
        """What /pollers shows: every list with its position, and what is wrong with it as far as this process knows."""
        settings, now = self._tools.settings, time.time()
        polls = sorted(self._tools.registry.polls.all(), key=lambda poll: poll.key)
        connected = {c.app_account for c in self._tools.registry.connections.values() if c.state != "removed"}
        return {
            "polling": settings.polling,
            "leader": self._leader.leading,
            "webhooks": "come in" if webhooks_come_in(settings) else "polling only",
            "problem": self._term.problem,
            "items": [self._item(poll, now) for poll in polls if poll.app_account in connected],
        }

    def _item(self, poll: Poll, now: float) -> dict[str, Any]:
        settings = self._tools.settings
        seconds = gap(poll, now)
        problem = self._term.problem_of(poll.app_account, poll.kind) if self._leader.leading else ""
        found = level(seconds)
        mode = AppAccount.parse(poll.app_account).mode
        togai = poll.kind.startswith("togai-")
        interval = settings.togai_poll_interval if togai else stripe_interval(settings, mode)
        if settings.polling:
            problem = problem or late(poll, interval, now)
        return {
            "app_account": poll.app_account,
            "kind": poll.kind,
            "interval": interval,
            "at": poll.at,
            "position": poll.position,
            "complete": poll.complete,
            "passes": poll.passes,
            "seen": poll.seen,
            "found": poll.found,
            "gap_seconds": seconds,
            "level": "warning" if found == "ok" and problem else found,
            "problem": "; ".join(text for text in (meaning(poll, now) if not togai else "", problem) if text),
        }
