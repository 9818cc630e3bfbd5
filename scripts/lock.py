"""Write `requirements.lock` from the pyproject files, or with `--check` say whether it is still in step with them.

`uv.lock` would name the hosts that the packages came from, so it stays out of git; the export holds every version and
hash and no address.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "requirements.lock"
UV = ROOT / ".venv/bin/uv"
EXPORT = ["--locked", "--all-packages", "--all-groups", "--no-emit-workspace", "--no-header"]
ADDRESS = re.compile(r"https?://|--(extra-)?index-url|--find-links")


def declared() -> set[str]:
    """Every dependency that a pyproject of the workspace asks for, as written there."""
    import tomllib

    found: set[str] = set()
    for file in [ROOT / "pyproject.toml", *ROOT.glob("*/pyproject.toml"), *ROOT.glob("services/*/pyproject.toml")]:
        data = tomllib.loads(file.read_text())
        found.update(data["project"].get("dependencies", []))
        for group in data.get("dependency-groups", {}).values():
            found.update(group)
    return {d for d in found if not d.startswith("tandem-")}


def out_of_step() -> list[str]:
    """What the pyproject files ask for and the lock does not hold. Needs no network."""
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    pins = dict(re.findall(r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==([^ ;\\]+)", LOCK.read_text(), re.MULTILINE))
    pins = {canonicalize_name(name): version for name, version in pins.items()}
    wrong = []
    for text in sorted(declared()):
        wanted = Requirement(text)
        pin = pins.get(canonicalize_name(wanted.name))
        if pin is None or not wanted.specifier.contains(pin, prereleases=True):
            wrong.append(f"{text}: the lock has {pin or 'no such package'}")
    return wrong


def main() -> int:
    if "--check" in sys.argv:
        wrong = out_of_step() + [f"names an address: {m[0]}" for m in ADDRESS.finditer(LOCK.read_text())]
        for line in wrong:
            print(f"requirements.lock: {line} (run `make lock` and commit the result)")
        return 1 if wrong else 0
    subprocess.run([UV, "lock", "-q", *sys.argv[1:]], cwd=ROOT, check=True)
    subprocess.run([UV, "export", "-q", *EXPORT, "-o", LOCK], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    return 0


if __name__ == "__main__":
    sys.exit(main())
