"""Write the two locks from the pyproject files, or with `--check` say whether they are still in step with them.

`requirements.lock` holds what runs and what installs it, `requirements-dev.lock` what tests and checks need beside it.
Nothing moves but what the pyproject files demand: `--upgrade-package NAME` moves one package, `--upgrade` all of them.
The locks hold every version and hash and no address; a `uv.lock` would name the hosts that the packages came from.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RUN_TIME, DEVELOPMENT = ROOT / "requirements.lock", ROOT / "requirements-dev.lock"
GROUPS = {RUN_TIME: "build", DEVELOPMENT: "dev"}
UV = ROOT / ".venv/bin/uv"
COMPILE = ["pip", "compile", "-q", "--universal", "--python-version", "3.11", "--generate-hashes", "--no-header"]
PLAIN = ["--no-annotate", "--no-emit-package", "tandem-shared"]
ADDRESS = re.compile(r"https?://|file:|--(extra-)?index-url|--find-links")
ENTRY = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==([^ ;\\\n]+)[^\n]*\n(?: +[^\n]*\n)*", re.MULTILINE)


def projects() -> list[Path]:
    """The pyproject files of what runs."""
    return [
        ROOT / "shared/pyproject.toml",
        *sorted(ROOT.glob("services/*/pyproject.toml")),
        ROOT / "sandbox/pyproject.toml",
    ]


def declared(lock: Path) -> set[str]:
    """Every dependency that the pyproject files want in a lock, as written there."""
    found = set(tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"][GROUPS[lock]])
    if lock == RUN_TIME:
        for file in projects():
            found.update(tomllib.loads(file.read_text())["project"].get("dependencies", []))
    return {d for d in found if not d.startswith("tandem-")}


def pins(text: str) -> dict[str, str]:
    """Names and versions in a lock."""
    return {match[1]: match[2] for match in ENTRY.finditer(text)}


def out_of_step() -> list[str]:
    """What the pyproject files ask for and a lock does not hold, and where the two differ. Needs no network."""
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    wrong, run_time, development = [], *(pins(lock.read_text()) for lock in (RUN_TIME, DEVELOPMENT))
    for lock, pinned in ((RUN_TIME, run_time), (DEVELOPMENT, development)):
        for text in sorted(declared(lock)):
            wanted = Requirement(text)
            pin = pinned.get(canonicalize_name(wanted.name))
            if pin is None or not wanted.specifier.contains(pin, prereleases=True):
                wrong.append(f"{lock.name}: {text}: the lock has {pin or 'no such package'}")
        wrong += [f"{lock.name}: names an address: {m[0]}" for m in ADDRESS.finditer(lock.read_text())]
    differ = sorted(name for name in run_time.keys() & development.keys() if run_time[name] != development[name])
    return wrong + [f"{DEVELOPMENT.name}: {name} is another version than in {RUN_TIME.name}" for name in differ]


def both(run_time: str, development: str) -> str:
    """One text of two locks, each package once."""
    there = pins(run_time)
    return run_time + "".join(m[0] for m in ENTRY.finditer(development) if m[1] not in there)


def _compile(out: Path, *what: str | Path) -> None:
    # What stands in `out` is preferred to anything newer.
    subprocess.run([UV, *COMPILE, *PLAIN, *what, "-o", out], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)


def write(upgrades: list[str]) -> None:
    """Resolve all together, so that tests run on the versions that run; then write each lock's share."""
    build, dev = (f"pyproject.toml:{GROUPS[lock]}" for lock in (RUN_TIME, DEVELOPMENT))
    with tempfile.TemporaryDirectory() as folder:
        whole, run_time, development = (Path(folder) / name for name in ("whole.txt", "run.txt", "dev.txt"))
        whole.write_text(both(RUN_TIME.read_text(), DEVELOPMENT.read_text()))
        _compile(whole, "--group", build, "--group", dev, *projects(), *upgrades)
        _compile(run_time, "--group", build, *projects(), "-c", whole)
        _compile(development, "--group", dev, "-c", whole)
        RUN_TIME.write_text(run_time.read_text())
        DEVELOPMENT.write_text(development.read_text())


def main() -> int:
    if "--check" in sys.argv:
        wrong = out_of_step()
        for line in wrong:
            print(f"{line} (run `make lock` and commit the result)")
        return 1 if wrong else 0
    write(sys.argv[1:])
    return 0


if __name__ == "__main__":
    sys.exit(main())
