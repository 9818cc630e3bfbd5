"""Rules by which the sandbox misbehaves, and how often each one fired.

Rules live in memory: a restart of the sandbox ends them.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from sandbox.identifiers import random_text

CallKind = Literal[
    "rate_limited", "error_before", "error_after", "lock_timeout", "hang_before", "hang_after", "cut_before",
    "cut_after", "html", "truncated_json", "slow", "unauthorized",
]  # fmt: skip
WebhookKind = Literal["duplicate", "reorder", "delay", "drop", "twin"]
CALL_KINDS: tuple[str, ...] = CallKind.__args__  # type: ignore[attr-defined]


class Match(BaseModel):
    """What a rule fits; every given field must fit, and text may use `*`."""

    model_config = ConfigDict(extra="forbid")

    account: str | None = None
    method: str | None = None
    path: str | None = None
    operation: str | None = None
    event_type: str | None = None
    object: str | None = None
    endpoint: str | None = None
    caller: str | None = None


class Rule(BaseModel):
    """One fault: where it strikes, how often, and how it looks."""

    model_config = ConfigDict(extra="forbid")

    app: Literal["stripe", "togai"]
    kind: CallKind | WebhookKind
    match: Match = Match()
    times: Annotated[int, Field(ge=1)] | None = None
    skip: Annotated[int, Field(ge=0)] = 0
    probability: Annotated[float, Field(gt=0, le=1)] = 1.0
    seed: int = 0
    seconds: Annotated[float, Field(ge=0)] | None = None
    status: Annotated[int, Field(ge=200, le=599)] | None = None
    reason: str | None = None
    should_retry: bool | None = None
    retry_after: int | None = None
    stored: bool = True
    count: Annotated[int, Field(ge=1, le=20)] = 1


@dataclass
class Fault:
    """A rule at work."""

    id: str
    rule: Rule
    chance: random.Random
    seen: int = 0
    fired: int = 0

    def strikes(self, facts: dict[str, str]) -> bool:
        """Whether the rule hits this call or delivery; counts what it saw and what it hit."""
        wanted = self.rule.match.model_dump(exclude_none=True)
        if any(not fnmatchcase(facts.get(name, ""), pattern) for name, pattern in wanted.items()):
            return False
        if self.rule.times is not None and self.fired >= self.rule.times:
            return False
        self.seen += 1
        if self.seen <= self.rule.skip or self.chance.random() >= self.rule.probability:
            return False
        self.fired += 1
        return True

    def shown(self) -> dict[str, Any]:
        """The rule with its counts, for the control API."""
        return {"id": self.id, "seen": self.seen, "fired": self.fired, **self.rule.model_dump(exclude_defaults=True)}


@dataclass
class Faults:
    """All rules, in the order in which they were added."""

    rules: list[Fault] = field(default_factory=list)

    def add(self, rule: Rule) -> Fault:
        """Adds a rule; equal seeds give equal sequences of chance."""
        fault = Fault(f"fault_{random_text(8)}", rule, random.Random(rule.seed))
        self.rules.append(fault)
        return fault

    def remove(self, id: str | None) -> int:
        """Removes one rule, or all; tells how many went."""
        before = len(self.rules)
        self.rules = [fault for fault in self.rules if id is not None and fault.id != id]
        return before - len(self.rules)

    def call(self, app: str, facts: dict[str, str]) -> Rule | None:
        """The first rule that strikes this API call; one call gets at most one fault."""
        return self._first(app, facts, CALL_KINDS)

    def webhook(self, app: str, facts: dict[str, str], *kinds: str) -> Rule | None:
        """The first rule of these kinds that strikes this event or delivery."""
        return self._first(app, facts, kinds)

    def _first(self, app: str, facts: dict[str, str], kinds: tuple[str, ...]) -> Rule | None:
        for fault in self.rules:
            if fault.rule.app == app and fault.rule.kind in kinds and fault.strikes(facts):
                return fault.rule
        return None
