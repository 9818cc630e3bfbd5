"""Ask the public database of vulnerabilities (OSV) about every locked package: `make audit`.

Exit code 0: asked, and none is known. 1: some are known. 2: not asked, or not about all, which is said. With
`--go-on-unasked` the last one is 0 too, for a run of tests on a machine without a way to that service.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCKS = ("requirements.lock", "requirements-dev.lock")
ASK = ["-s", "osv", "-f", "json", "--progress-spinner", "off", "--disable-pip", "--require-hashes"]
KNOWN, UNASKED = 1, 2


@dataclass
class Answer:
    """Of one lock: how many packages were asked about, what is known of them, and what was not asked."""

    lock: str
    asked: int = 0
    known: list[str] = field(default_factory=list)
    unasked: list[str] = field(default_factory=list)


def judge(lock: str, said: str, complaint: str) -> Answer:
    """Read pip-audit's output. A package that it skipped was not asked about, and neither was anything if it failed."""
    answer = Answer(lock)
    try:
        found = json.loads(said)["dependencies"]
    except (ValueError, KeyError, TypeError):
        lines = [line for line in complaint.splitlines() if line.strip()]
        answer.unasked.append(f"all of it: {lines[-1].strip() if lines else 'no answer'}")
        return answer
    for package in found:
        if reason := package.get("skip_reason"):
            answer.unasked.append(f"{package['name']}: {reason}")
            continue
        answer.asked += 1
        for one in package["vulns"]:
            mended = ", ".join(one["fix_versions"]) or "no version yet"
            names = ", ".join([one["id"], *one["aliases"]])
            answer.known.append(f"{package['name']} {package['version']}: {names}; mended in {mended}")
    if not found:
        answer.unasked.append("all of it: pip-audit found no package in it")
    return answer


def ask(lock: str) -> Answer:
    """Run pip-audit on one lock."""
    command = [sys.executable, "-m", "pip_audit", *ASK, "-r", lock]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return judge(lock, done.stdout, done.stderr)


def report(answers: list[Answer]) -> tuple[list[str], int]:
    """What a person reads, and the exit code."""
    lines = []
    for answer in answers:
        lines += [f"audit: {answer.lock}: KNOWN VULNERABILITY: {one}" for one in answer.known]
        lines += [f"audit: {answer.lock}: NOT CHECKED: {one}" for one in answer.unasked]
        lines.append(
            f"audit: {answer.lock}: {answer.asked} packages checked, {len(answer.known)} vulnerabilities known"
        )
    known, unasked = (any(getattr(answer, what) for answer in answers) for what in ("known", "unasked"))
    if known:
        lines.append('audit: raise what is named: `make lock UPGRADE="name"`, run the tests, commit the locks')
    if unasked:
        lines.append("audit: NOT DONE: run `make audit` where api.osv.dev can be reached; until then nothing is known")
    return lines, KNOWN if known else UNASKED if unasked else 0


def main() -> int:
    lines, code = report([ask(lock) for lock in LOCKS])
    print("\n".join(lines))
    return 0 if code == UNASKED and "--go-on-unasked" in sys.argv else code


if __name__ == "__main__":
    sys.exit(main())
