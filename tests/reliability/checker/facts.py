"""Everything that the invariants look at, gathered once: the vendors' state, history and calls, and the log."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.reliability.checker.log import LETTERS, MAPPINGS, RUNS, STATES, Event, Log

Json = dict[str, Any]
PAGE = "20000"


@dataclass
class RunFacts:
    """What the run itself knows besides its stories: ids, keys, and when what was hurt (epoch seconds)."""

    stripe_account: str
    togai_org: str
    stripe_key: str
    togai_key: str
    pauses: list[tuple[float, float, str]] = field(default_factory=list)

    @property
    def keys(self) -> tuple[str, str]:
        """Tandem's own keys: every call under another one is a person's."""
        return self.stripe_key, self.togai_key


@dataclass
class Facts:
    """The state of everything at one moment."""

    run: RunFacts
    stripe_state: Json = field(default_factory=dict)
    togai_state: Json = field(default_factory=dict)
    stripe: dict[str, Json] = field(default_factory=dict)
    stripe_events: list[Json] = field(default_factory=list)
    parents: dict[str, Json] = field(default_factory=dict)
    accounts: dict[str, Json] = field(default_factory=dict)
    settings: dict[str, str] = field(default_factory=dict)
    versions: dict[str, list[Json]] = field(default_factory=dict)
    calls: list[Json] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    runs: dict[str, Json] = field(default_factory=dict)
    mappings: dict[str, Json] = field(default_factory=dict)
    letters: dict[str, Json] = field(default_factory=dict)
    states: dict[str, Json] = field(default_factory=dict)


async def gather(sandbox: str, log: Log, run: RunFacts) -> Facts:
    """Ask for everything. The sandbox is asked by its control API, whatever Tandem says is read from the log."""
    facts = Facts(run)
    async with httpx.AsyncClient(base_url=f"{sandbox}/control", timeout=120) as http:
        state = facts.stripe_state = await _get(http, "/state", account=run.stripe_account)
        facts.stripe = {c["id"]: c for c in state["customers"]}
        facts.stripe_events = state["events"]
        togai = facts.togai_state = await _get(http, "/state", account=run.togai_org)
        facts.parents = {c["id"]: c for c in togai["customers"]}
        facts.accounts = {a["id"]: a for a in togai["accounts"]}
        own = [s for s in togai["settings"] if s["id"] == "StripeCustomerId" and s["entityType"] == "ACCOUNT"]
        facts.settings = {s["entityId"]: s["value"] for s in own}
        for account in (run.stripe_account, run.togai_org):
            for version in await _history(http, account):
                # A Togai customer and a Stripe customer may have one id: what Tandem makes is named so.
                place = f"{account}/{version['kind']}/{version['id']}"
                facts.versions.setdefault(place, []).append(version)
        facts.calls = await calls_since(http, 0)
    await log.read_on()
    facts.events = log.events
    facts.runs, facts.mappings = log.newest(RUNS), log.newest(MAPPINGS)
    facts.letters, facts.states = log.newest(LETTERS), log.newest(STATES)
    return facts


async def calls_since(http: httpx.AsyncClient, mark: int) -> list[Json]:
    """The call log from a mark on."""
    found = await _get(http, "/calls", since=str(mark), limit="10000000")
    return list(found["calls"])


async def _history(http: httpx.AsyncClient, account: str) -> list[Json]:
    found: list[Json] = []
    mark = 0
    while True:
        page = await _get(http, "/history", account=account, since=str(mark), limit=PAGE)
        if not page["versions"]:
            return found
        found += page["versions"]
        mark = page["mark"]


async def _get(http: httpx.AsyncClient, path: str, **query: str) -> Json:
    answer = await http.get(path, params=query)
    answer.raise_for_status()
    return dict(answer.json())
