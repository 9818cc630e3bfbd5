"""Fetching the jars: from a small repository on this machine, into a cache of the test's own."""

from __future__ import annotations

import functools
import hashlib
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from console.local import jars
from console.local.errors import LocalError

CONTENT = {"one": b"the first jar", "two": b"the second jar"}
LOCKED = [
    jars.Jar("org.example", name, "1.0", hashlib.sha256(content).hexdigest()) for name, content in CONTENT.items()
]
NOWHERE = "http://127.0.0.1:9"


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *args: object) -> None: ...


@pytest.fixture(autouse=True)
def _lock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jars, "locked", lambda: LOCKED)


@pytest.fixture
def served(tmp_path: Path) -> Path:
    """The repository's folder."""
    folder = tmp_path / "repository"
    for jar in LOCKED:
        (folder / jar.path).parent.mkdir(parents=True, exist_ok=True)
        (folder / jar.path).write_bytes(CONTENT[jar.artifact])
    return folder


@pytest.fixture
def repository(served: Path) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(served))) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


async def test_fetched_with_progress_and_kept(repository: str, tmp_path: Path) -> None:
    """A first fetch brings every jar and tells how far it is; a second needs no network."""
    reported: list[tuple[int, int]] = []
    paths = await jars.fetch(lambda done, total: reported.append((done, total)), folder=tmp_path, repository=repository)
    again = await jars.fetch(lambda done, total: reported.append((-1, -1)), folder=tmp_path, repository=NOWHERE)

    assert {path.name: path.read_bytes() for path in paths} == {f"{n}-1.0.jar": c for n, c in CONTENT.items()}
    assert reported == [(0, 2), (1, 2), (2, 2)]
    assert again == paths


async def test_a_tampered_jar_is_fetched_again(repository: str, tmp_path: Path) -> None:
    """A jar that was changed in the cache is not used, it is replaced."""
    first, _ = await jars.fetch(folder=tmp_path, repository=repository)
    first.write_bytes(b"something else")
    await jars.fetch(folder=tmp_path, repository=repository)

    assert first.read_bytes() == CONTENT["one"]


async def test_a_wrong_jar_is_refused_by_name(repository: str, served: Path, tmp_path: Path) -> None:
    """A download with another hash is named with both hashes, never kept, and the right ones stay."""
    (served / LOCKED[1].path).write_bytes(b"evil")
    evil = hashlib.sha256(b"evil").hexdigest()

    with pytest.raises(
        LocalError, match=f"two-1.0.jar was refused: its sha256 is {evil}, the lock says {LOCKED[1].sha256}"
    ):
        await jars.fetch(folder=tmp_path / "cache", repository=repository)
    assert {file.name for file in (tmp_path / "cache").iterdir()} <= {"one-1.0.jar"}


async def test_without_a_network(tmp_path: Path) -> None:
    """The error names the jar, the folder that could be copied, and the other ways out."""
    with pytest.raises(LocalError, match=r"(?s)Could not fetch Kafka's .*-1\.0\.jar.*copy.*KAFKA_BOOTSTRAP_SERVERS"):
        await jars.fetch(folder=tmp_path, repository=NOWHERE)


def test_the_cache_is_the_users(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """XDG_CACHE_HOME moves it."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    assert jars.cache() == tmp_path / "tandem/kafka-jars"
