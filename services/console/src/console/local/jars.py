"""The jars of the embedded Kafka: fetched by the committed lock, every one checked, kept between runs.

`kafka-jars.lock` beside this file is written by `scripts/lock_kafka_jars.py`. The hash is checked at every start, so a
jar that was changed or cut short in the cache is fetched again, and one that arrives changed is refused.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import secrets
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import NamedTuple

import httpx
import platformdirs

from console.local.errors import LocalError

LOCK_NAME = "kafka-jars.lock"
AT_ONCE = 8
TRIES = 3
Progress = Callable[[int, int], None]
"""Called with how many jars are there and how many there will be."""


class Jar(NamedTuple):
    """One line of the lock."""

    group: str
    artifact: str
    version: str
    sha256: str

    @property
    def name(self) -> str:
        return f"{self.artifact}-{self.version}.jar"

    @property
    def path(self) -> str:
        """Where a Maven repository keeps it."""
        return "/".join([*self.group.split("."), self.artifact, self.version, self.name])


def locked() -> list[Jar]:
    """What the lock asks for."""
    lines = (resources.files("console.local") / LOCK_NAME).read_text().splitlines()
    return [Jar(*f"{line}".replace(" ", ":").split(":")) for line in lines if line and not line.startswith("#")]


def kafka_version() -> str:
    """The pinned version of Kafka."""
    return next(jar.version for jar in locked() if jar.artifact == "kafka-clients")


def cache() -> Path:
    """Where the jars are kept between runs and between homes."""
    return platformdirs.user_cache_path("tandem") / "kafka-jars"


def _central() -> str:
    from jgo.constants import MAVEN_CENTRAL_URL  # half a second to import, and only a first start needs it

    return str(MAVEN_CENTRAL_URL)


def _intact(file: Path, jar: Jar) -> bool:
    try:
        return hashlib.sha256(file.read_bytes()).hexdigest() == jar.sha256
    except FileNotFoundError:
        return False


async def fetch(
    progress: Progress = lambda done, total: None, *, folder: Path | None = None, repository: str | None = None
) -> list[Path]:
    """Bring every locked jar into the cache and return their paths.

    Raises LocalError if a jar cannot be fetched or does not have the locked hash; what is intact is kept.
    """
    jars, folder = locked(), folder or cache()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LocalError(f"Cannot write Kafka's jars to {folder}: {error}. Set XDG_CACHE_HOME to a folder of yours.")  # noqa: B904
    missing = await asyncio.to_thread(lambda: [jar for jar in jars if not _intact(folder / jar.name, jar)])
    if missing:
        progress(len(jars) - len(missing), len(jars))
        await _download(missing, folder, repository or _central(), lambda done: progress(len(jars) - done, len(jars)))
    return [folder / jar.name for jar in jars]


async def _download(jars: list[Jar], folder: Path, repository: str, left: Callable[[int], None]) -> None:
    waiting = {jar.name for jar in jars}
    slots = asyncio.Semaphore(AT_ONCE)

    async def one(client: httpx.AsyncClient, jar: Jar) -> None:
        async with slots:
            await _bring(client, f"{repository}/{jar.path}", jar, folder)
        waiting.discard(jar.name)
        left(len(waiting))

    async with httpx.AsyncClient(timeout=30, follow_redirects=True) as client:
        try:
            async with asyncio.TaskGroup() as group:
                for jar in jars:
                    group.create_task(one(client, jar))
        except ExceptionGroup as errors:
            # `except*` would do, but early versions of Python 3.11 put what it raises into a group of its own.
            raise next((one for one in errors.exceptions if isinstance(one, LocalError)), errors) from None


async def _bring(client: httpx.AsyncClient, url: str, jar: Jar, folder: Path) -> None:
    """Fetch one jar; it appears under its name only when it is whole and right."""
    for tries_left in reversed(range(TRIES)):
        try:
            answer = await client.get(url)
            answer.raise_for_status()
            break
        except httpx.HTTPError as error:
            if not tries_left:
                raise LocalError(
                    f"Could not fetch Kafka's {jar.name}: {error or type(error).__name__}. Check the network (a proxy "
                    "is set by HTTPS_PROXY) and start again: what has arrived is kept. Without a network, copy "
                    f"{folder} from a machine that has it, or set KAFKA_BOOTSTRAP_SERVERS to a Kafka of yours."
                ) from error
    got = hashlib.sha256(answer.content).hexdigest()
    if got != jar.sha256:
        raise LocalError(
            f"Kafka's {jar.name} was refused: its sha256 is {got}, the lock says {jar.sha256}. Something on the way "
            "changes downloads (a proxy, a mirror): fetch over another network, then start again."
        )
    part = folder / f".{jar.name}.{secrets.token_hex(4)}"
    part.write_bytes(answer.content)
    os.replace(part, folder / jar.name)
