"""What Tandem keeps can be read by its owner alone."""

from __future__ import annotations

import os
import runpy
import stat
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from console.local.home import Home
from console.projection.database import Database
from pydantic import ValidationError
from sandbox.store import Store
from shared.private import private_folder

ENTRY_POINTS = ("ingress", "customer_sync", "plan_sync", "invoice_sync", "console", "console.cli", "sandbox")


def mode(file: Path) -> int:
    return stat.S_IMODE(file.stat().st_mode)


@pytest.fixture
def open_umask() -> Iterator[Callable[[], int]]:
    """The usual umask of a machine, and what it became."""
    before = os.umask(0o022)

    def now() -> int:
        found = os.umask(0)
        os.umask(found)
        return found

    yield now
    os.umask(before)


@pytest.mark.parametrize("module", ENTRY_POINTS)
def test_every_process_makes_private_files(
    module: str, open_umask: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Logs, tables, sockets and data: whatever is made has no bits for others. A setting that fits nothing ends it."""
    monkeypatch.setattr(sys, "argv", ["program", "--help"])
    monkeypatch.setenv("TANDEM_LOG_LEVEL", "none such")

    with pytest.raises((SystemExit, ValidationError)):
        runpy.run_module(module, run_name="__main__")

    assert open_umask() == 0o077


def test_a_home_that_was_there_is_closed(tmp_path: Path, open_umask: Callable[[], int]) -> None:
    """Somebody made it by hand, or an older Tandem did, and others can look in."""
    folder = tmp_path / "home"
    folder.mkdir(mode=0o755)

    Home(folder)

    assert mode(folder) == 0o700


def test_a_folder_that_everybody_shares_stays_so(tmp_path: Path) -> None:
    """TANDEM_HOME=/tmp is a mistake, and closing /tmp for everybody would be a worse one."""
    folder = tmp_path / "shared"
    folder.mkdir()
    folder.chmod(0o1777)

    private_folder(folder)

    assert mode(folder) == 0o1777


def test_the_consoles_tables(tmp_path: Path, open_umask: Callable[[], int]) -> None:
    """A new SQLite file and one that was open to others, with its companions."""
    file = tmp_path / "console.sqlite3"
    file.touch(mode=0o644)

    database = Database(f"sqlite:///{file}")
    database.prepare()
    found = {there.name: mode(there) for there in tmp_path.iterdir()}
    database.close()

    assert found == dict.fromkeys(("console.sqlite3", "console.sqlite3-shm", "console.sqlite3-wal"), 0o600)


def test_the_sandboxs_state(tmp_path: Path, open_umask: Callable[[], int]) -> None:
    """It holds made-up customers only, until somebody types real ones."""
    (tmp_path / "sandbox.sqlite3").touch(mode=0o644)

    store = Store(tmp_path)
    found = {mode(there) for there in tmp_path.iterdir()}
    store.close()

    assert found == {0o600}
