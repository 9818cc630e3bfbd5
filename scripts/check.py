"""Every static check of the project, in one place: `make check`, pre-commit and the gate run exactly this.

A file over 400 lines fails: it is time to split it.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BIN = ROOT / ".venv/bin"
LONGEST_FILE = 400
CHECKS = (
    ("format", [BIN / "ruff", "format", "--check", "-q", "."]),
    ("lint", [BIN / "ruff", "check", "-q", "."]),
    ("types", [BIN / "mypy"]),
    ("arrows", [BIN / "lint-imports", "--no-logo"]),
    ("spelling", [BIN / "codespell"]),
    ("docs", [BIN / "python", "-m", "scripts.docs", "--check"]),
    ("lock", [BIN / "python", ROOT / "scripts/lock.py", "--check"]),
)


def too_long() -> list[str]:
    """Python files that are longer than the house allows."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "*.py"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout.split()
    sizes = {name: len((ROOT / name).read_text().splitlines()) for name in listed if (ROOT / name).exists()}
    return [
        f"{name}: {size} lines, at most {LONGEST_FILE}: split it" for name, size in sizes.items() if size > LONGEST_FILE
    ]


def main() -> int:
    failed = []
    for name, command in CHECKS:
        done = subprocess.run([str(c) for c in command], cwd=ROOT, check=False, capture_output=True, text=True)
        print(f"check {name}: {'ok' if done.returncode == 0 else 'FAILED'}", flush=True)
        if done.returncode:
            failed.append(name)
            print(done.stdout + done.stderr)
    long = too_long()
    print(f"check sizes: {'FAILED' if long else 'ok'}")
    print("\n".join(long), end="\n" if long else "")
    return 1 if failed or long else 0


if __name__ == "__main__":
    sys.exit(main())
