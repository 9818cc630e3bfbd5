"""`make reliability`: SEED= and EVENTS= say which story and how long; REPORT=1 writes the page after any run."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import secrets
import shutil
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from tests.reliability.report import as_json, page, summary
from tests.reliability.run import WHOLE, Plan, perform

PAGE = Path(__file__).resolve().parents[2] / "docs/reliability.md"


def main() -> int:
    """Perform one run and report what came of it; 1 if an invariant is broken, and then everything is kept."""
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # it tells at length that a killed broker is away
    seed = int(os.environ.get("SEED") or secrets.randbelow(10**6))
    events = int(os.environ.get("EVENTS") or WHOLE)
    home = Path(os.environ.get("RELIABILITY_HOME") or tempfile.mkdtemp(prefix="tandem-reliability-"))
    _report(f"seed {seed}, {events} events, state and logs in {home}")
    result = asyncio.run(perform(Plan.of(seed, events), home, _report))
    report = as_json(result, datetime.now(UTC).date().isoformat())
    (home / "result.json").write_text(json.dumps(report, indent=1) + "\n")
    _report(summary(report))
    if result.good and (events >= WHOLE or os.environ.get("REPORT")):
        PAGE.write_text(page(report))
    if result.good and not os.environ.get("RELIABILITY_HOME"):
        shutil.rmtree(home, ignore_errors=True)
        return 0
    _report(f"result, state and logs: {home}")
    return 0 if result.good else 1


def _report(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
