"""From a seed, when what breaks: sandbox faults in spells of vendor_faults, and faults of processes. Pure.

Everything is placed by the number of actions begun, never by the clock: the same seed breaks the same things at the
same places of the story. Each act has every kind of vendor fault, each two acts have every process
fault; a single act has them all.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any, Literal

ACT = 500
ROUND = 2 * ACT
"""Every fault in so many actions. Together the process faults of a round keep Tandem down for a minute, as long as an
act lasts: with all of them in each act nothing would be left but a backlog, which hides what else goes wrong.
"""
SPELLS = 8
"""Spells of weather in one act."""
RETRY_AFTER = 2
"""Seconds that a 429 asks for, where it asks."""
REASONS = ("global-rate", "global-concurrency", "endpoint-rate", "endpoint-concurrency", "resource-specific", "")
BOTH: tuple[tuple[str, dict[str, Any]], ...] = (
    ("rate_limited", {"retry_after": RETRY_AFTER, "times": 2}),
    ("error_before", {"stored": False}),
    ("hang_before", {"seconds": 4.0, "times": 3}),
    ("hang_after", {"seconds": 4.0, "times": 3}),
    ("slow", {"seconds": 1.0, "times": 5}),
    ("cut_before", {}),
    ("cut_after", {}),
    ("html", {}),
    ("truncated_json", {}),
)
"""What goes wrong with calls to either vendor: kind and parameters."""
STRIPES: tuple[tuple[str, dict[str, Any]], ...] = (
    *(("rate_limited", {"reason": reason}) for reason in REASONS),
    ("lock_timeout", {}),
    ("error_before", {"stored": True}),
    ("error_after", {"stored": True}),
)
"""What Stripe alone does. `stored` True is a poisoned key: the error is replayed under it, as Stripe does with every
error that came once it had begun: none that it forgets leaves an object behind.
"""
CALLS = {"stripe": (*BOTH, *STRIPES), "togai": (*BOTH, ("rate_limited", {}), ("error_after", {}))}
WEBHOOKS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("duplicate", {"count": 2}),
    ("reorder", {"seconds": 1.5}),
    ("delay", {"seconds": 3.0}),
    ("drop", {}),
    ("twin", {}),
)
CALL_CHANCE, WEBHOOK_CHANCE = 0.25, 0.4
CALL_TIMES, WEBHOOK_TIMES = 8, 15
"""How often a rule strikes in one spell at most: the whole must not fail all the time, only everywhere."""


@dataclass(frozen=True)
class VendorFault:
    """A spell, from one action to another: a rule of the sandbox, without the accounts that it is for."""

    begin: int
    end: int
    app: str
    kind: str
    rule: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class ProcessFault:
    """What is done to a process when so many actions have begun. `seconds` is how long a pause lasts."""

    at: int
    kind: Literal["kill", "pause", "scale", "revoke"]
    target: str
    seconds: float = 0.0


PROCESS_FAULTS: tuple[tuple[float, str, str, float], ...] = (
    (0.06, "scale", "3", 0),
    (0.14, "kill", "worker", 0),
    (0.22, "pause", "worker", 9.0),
    (0.34, "kill", "ingress", 0),
    (0.42, "kill", "console", 0),
    (0.48, "kill", "broker", 0),
    (0.58, "pause", "ingress", 7.0),
    (0.66, "pause", "broker", 3.0),
    (0.72, "kill", "workers", 0),
    (0.78, "revoke", "stripe", 2.0),
    (0.83, "revoke", "togai", 2.0),
    (0.88, "pause", "console", 3.0),
    (0.94, "scale", "1", 0),
)
"""One round's process_faults: place in it, what, to whom, for how many seconds."""


def process_faults(seed: int, events: int) -> list[ProcessFault]:
    """Every process fault of a run, in order. Which of several workers is meant is part of the target."""
    rng = random.Random(f"process faults {seed}")
    found: list[ProcessFault] = []
    for begin in range(0, max(events, 1), ROUND):
        length = min(ROUND, events - begin)
        for place, kind, target, seconds in PROCESS_FAULTS:
            at = begin + int(length * (place + rng.uniform(-0.02, 0.02)))
            which = f"worker-{rng.randint(1, 3)}" if target == "worker" else target
            found.append(ProcessFault(max(0, at), kind, which, seconds))  # type: ignore[arg-type]
    return sorted(found, key=lambda fault: fault.at)


def vendor_faults(seed: int, events: int) -> list[VendorFault]:
    """Every spell of a run. Over an act each kind comes at least once at each vendor that has it."""
    rng = random.Random(f"weather {seed}")
    found: list[VendorFault] = []
    for begin in range(0, max(events, 1), ACT):
        length = min(ACT, events - begin)
        kinds = [(app, kind, rule, CALL_CHANCE, CALL_TIMES) for app, own in CALLS.items() for kind, rule in own]
        kinds += [
            (app, kind, rule, WEBHOOK_CHANCE, WEBHOOK_TIMES)
            for app in ("stripe", "togai")
            for kind, rule in WEBHOOKS
            if (app, kind) != ("togai", "twin")
        ]
        rng.shuffle(kinds)
        for place, (app, kind, rule, chance, times) in enumerate(kinds):
            fault = place % SPELLS
            first, last = (begin + length * n // SPELLS for n in (fault, fault + 1))
            own = {"probability": chance, "times": times, "seed": rng.randrange(10**6)} | rule
            found.append(VendorFault(first, last, app, kind, own))
    return found
