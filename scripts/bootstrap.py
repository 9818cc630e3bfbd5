"""Make the locked Python environment in `.venv`: the one thing that runs before anything is installed.

Standard library only. Installs uv as the lock pins it, then every package by version and hash, then the workspace's own
packages as editables: what runs, and with `--development` what tests and checks need too, which stays once it is there.
A stamp makes a second run free; a file lock lets `make up` and `make test` start at once.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
LOCK = ROOT / "requirements.lock"
LOCK_OF_DEVELOPMENT = ROOT / "requirements-dev.lock"
STAMP = VENV / "tandem-bootstrap.stamp"
SUPPORTED = ((3, 11), (3, 14))


def members() -> list[Path]:
    """The workspace's own packages, in the order in which they are installed."""
    return [ROOT / "shared", *sorted(p.parent for p in ROOT.glob("services/*/pyproject.toml")), ROOT / "sandbox"]


def fingerprint(locks: list[Path]) -> str:
    """Changes when the interpreter, a lock or a package's metadata changes. Begins with the last lock's name."""
    digest = hashlib.sha256(sys.version.encode() + str(ROOT).encode())
    for file in [*locks, *(m / "pyproject.toml" for m in members())]:
        digest.update(file.read_bytes())
    return f"{locks[-1].name} {digest.hexdigest()}"


def wanted_locks(*, development: bool, stamp: str) -> list[Path]:
    """`make up` takes nothing away from a developer: what the stamp says is there is kept up to date."""
    return [LOCK, LOCK_OF_DEVELOPMENT] if development or stamp.startswith(LOCK_OF_DEVELOPMENT.name) else [LOCK]


def pinned(package: str) -> str:
    """The lines of the lock that pin one package, with its hashes."""
    found = re.search(rf"^{re.escape(package)}==.*?(?=^\S)", LOCK.read_text(), re.MULTILINE | re.DOTALL)
    if not found:
        raise SystemExit(f"bootstrap: {LOCK.name} does not pin {package}; run `make lock` and commit the result")
    return "".join(line + "\n" for line in found[0].splitlines() if not line.lstrip().startswith("#"))


def run(*command: str | Path) -> None:
    env = {
        **os.environ,
        "UV_PYTHON": str(VENV / "bin/python"),
        "UV_PYTHON_DOWNLOADS": "never",
        # As pip does: where Python may not write its caches, each process would compile every module again (1 s).
        "UV_COMPILE_BYTECODE": "1",
        "VIRTUAL_ENV": str(VENV),
    }
    done = subprocess.run([str(c) for c in command], env=env, cwd=ROOT, check=False)
    if done.returncode:
        raise SystemExit(
            f"bootstrap: `{' '.join(str(c) for c in command)}` ended with {done.returncode}.\n"
            "Check the network and the package index settings (pip's and uv's), then run the same command again; "
            f"`rm -rf {VENV.name}` starts afresh."
        )


def install(locks: list[Path]) -> None:
    print("setting up: the Python environment (.venv)", flush=True)
    if not (VENV / "bin/python").exists():
        shutil.rmtree(VENV, ignore_errors=True)
        run(sys.executable, "-m", "venv", VENV)
    with tempfile.TemporaryDirectory() as folder:
        uv_only = Path(folder) / "uv.lock.txt"
        uv_only.write_text(pinned("uv"))
        run(VENV / "bin/python", "-m", "pip", "-q", "install", "--no-deps", "--require-hashes", "-r", uv_only)
    uv = VENV / "bin/uv"
    print("setting up: the locked packages", flush=True)
    run(uv, "pip", "sync", "-q", "--require-hashes", *locks)
    editables = [arg for m in members() for arg in ("-e", str(m))]
    run(uv, "pip", "install", "-q", "--no-deps", "--no-build-isolation", *editables)


def main() -> None:
    low, high = SUPPORTED
    if not low <= sys.version_info[:2] < high:
        raise SystemExit(
            f"bootstrap: Python {sys.version_info[0]}.{sys.version_info[1]} is not supported; Tandem needs 3.11, 3.12 "
            "or 3.13. Name one by `make up PYTHON=python3.12`."
        )
    with open(ROOT / ".bootstrap.lock", "w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        stamp = STAMP.read_text() if STAMP.exists() else ""
        locks = wanted_locks(development="--development" in sys.argv, stamp=stamp)
        wanted = fingerprint(locks)
        if stamp == wanted:
            return
        STAMP.unlink(missing_ok=True)
        install(locks)
        STAMP.write_text(wanted)


if __name__ == "__main__":
    main()
