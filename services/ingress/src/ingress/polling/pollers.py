"""The pollers of one ingress process: they poll if it is the one, and tell how far they are in any case."""

from __future__ import annotations

import time
from typing import Any

from shared.apps import APPS
from shared.identity import AppAccount
from shared.polls import Poll, webhooks_come_in

from ingress.leader import Election, Leader, LeaderTask
from ingress.polling.allowance import allowance, stretched
from ingress.polling.gaps import gap, late, level, meaning
from ingress.polling.scheduler import PollDeps, PollScheduler
from shared import metrics

GROUP = "ingress-pollers"


class Pollers(LeaderTask):
    """Runs while the context does, unless the setting `polling` is off. `deps.registry` shows the positions."""

    def __init__(self, deps: PollDeps) -> None:
        self._deps = deps
        self._scheduler = PollScheduler(deps)
        topics, settings = deps.topics, deps.settings
        election = Election(
            "pollers",
            topics.group(GROUP),
            topics.polls,
            metrics.POLL_LEADER,
            settings.session_timeout,
            wanted=settings.polling,
        )
        self._leader = Leader(settings, election, self._scheduler.run)

    def status(self) -> dict[str, Any]:
        """What /pollers shows: every list with its position, and what is wrong with it as far as this process knows."""
        settings, now = self._deps.settings, time.time()
        polls = sorted(self._deps.registry.polls.all(), key=lambda poll: poll.key)
        connected = {c.app_account for c in self._deps.registry.connections.values() if c.state != "removed"}
        items = [self._item(poll, now) for poll in polls if poll.app_account in connected]
        return {
            "polling": settings.polling,
            "leader": self._leader.leading,
            "webhooks": "come in" if webhooks_come_in(settings) else "polling only",
            "problem": self._scheduler.problem,
            "items": [item for item in items if item],
            "reads": self._reads(sorted(connected), now),
        }

    def _reads(self, connected: list[str], now: float) -> list[dict[str, Any]]:
        """Of every account whose vendor counts them: how many of how many in 30 days."""
        found = {account: allowance(self._deps.registry, account, now) for account in connected}
        return [
            {"app_account": account, "used": one.used, "allowed": one.allowed} for account, one in found.items() if one
        ]

    def _item(self, poll: Poll, now: float) -> dict[str, Any]:
        """Empty for a list that this version does not poll."""
        name, mode, _ = AppAccount.parse(poll.app_account)
        app, settings = APPS[name], self._deps.settings
        if (spec := app.poll(poll.kind)) is None:
            return {}
        seconds, interval = gap(spec, poll, now), app.poll_interval(spec, settings, mode)
        interval = stretched(self._deps.registry, poll.app_account, interval, now)
        problem = self._scheduler.problem_of(poll.app_account, poll.kind) if self._leader.leading else ""
        found = level(spec, seconds)
        if settings.polling:
            problem = problem or late(spec, poll, interval, now)
        said = (meaning(spec, f"{app.title}'s {spec.title}", poll, now), problem)
        return {
            "app_account": poll.app_account,
            "kind": poll.kind,
            "interval": None if spec.ends and poll.complete else interval,  # it is read no more
            "at": poll.at,
            "position": poll.position,
            "complete": poll.complete,
            "passes": poll.passes,
            "seen": poll.seen,
            "found": poll.found,
            "gap_seconds": seconds,
            "level": "warning" if found == "ok" and problem else found,
            "problem": "; ".join(text for text in said if text),
        }
