"""`make reliability`: SEED= and EVENTS= say which story and how long."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import secrets
import sys
import tempfile
from pathlib import Path

from tests.reliability.run import Plan, Result, perform


def main() -> int:
    """Play one run and say what came of it; 1 if an invariant is broken."""
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--calm", action="store_true", help="nothing breaks")
    given = words.parse_args()
    seed = int(os.environ.get("SEED") or secrets.randbelow(10**6))
    events = int(os.environ.get("EVENTS") or 10_000)
    home = Path(os.environ.get("RELIABILITY_HOME") or tempfile.mkdtemp(prefix="tandem-reliability-"))
    _say(f"seed {seed}, {events} events, state and logs in {home}")
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # it tells at length that a killed broker is away
    rate, poll_every = float(os.environ.get("RATE") or 8), 1.0 if events <= 1000 else 5.0
    plan = Plan(seed, events, hurt=not given.calm, rate=rate, poll_every=poll_every)
    result = asyncio.run(perform(plan, home, _say))
    _tell(result)
    return 0 if result.good else 1


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _tell(result: Result) -> None:
    _say(str(dict(result.seconds)))
    _say(str(dict(result.counts)))
    _say(str(dict(result.faults)))
    _say(str(dict(result.blows)))
    _say(str(dict(result.restarts)))
    for broken in result.broken[:60]:
        _say(f"BROKEN {broken.invariant}: {broken.entity}: {broken.what}")


if __name__ == "__main__":
    sys.exit(main())
