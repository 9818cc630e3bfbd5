"""The processes of this machine, as `tandem up` notes them, and whether they are ready."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from pathlib import Path

import httpx
import msgspec
from pydantic import Field
from shared.model import Model
from shared.settings import Settings

from console.http import own_machine

DEADLINE = 2.0


class NotedPart(msgspec.Struct):
    """One entry of the file that the supervisor keeps. `pages` is where it tells of itself, empty: at `url`."""

    name: str
    pid: int | None = None
    url: str = ""
    log: str = ""
    pages: str = ""


class PartHealth(Model):
    """One process of Tandem."""

    name: str = Field(examples=["ingress"])
    pid: int | None
    url: str = Field(examples=["http://127.0.0.1:8400"])
    running: bool
    ready: bool | None = Field(description="answer of its /readyz, null if it has none")
    detail: str = Field(description="what it says if it is not ready")
    log: str = Field(description="file of its log")


_decoder = msgspec.json.Decoder(list[NotedPart])


def noted(settings: Settings) -> list[NotedPart]:
    """What `tandem up` wrote, empty where the parts are started by something else."""
    try:
        return _decoder.decode((settings.home / "run" / "parts.json").read_bytes())
    except (OSError, msgspec.DecodeError):
        return []


async def health(settings: Settings) -> list[PartHealth]:
    """Ask every part at once. A part that does not answer is part of the answer."""
    parts = await asyncio.to_thread(noted, settings)
    async with own_machine(timeout=DEADLINE) as client:
        return list(await asyncio.gather(*(_ask(client, part) for part in parts)))


async def _ask(client: httpx.AsyncClient, part: NotedPart) -> PartHealth:
    running = part.pid is not None and await asyncio.to_thread(Path(f"/proc/{part.pid}").exists)
    ready, detail = None, "" if running else f"not running: `tandem up` starts it again, see {part.log or 'its log'}"
    if running and part.url.startswith("http"):
        try:
            answer = await client.get(f"{(part.pages or part.url).rstrip('/')}/readyz")
            # The sandbox has no readiness of its own: it answers, and that is all there is to know.
            if answer.status_code != HTTPStatus.NOT_FOUND:
                ready, detail = answer.is_success, "" if answer.is_success else answer.text[:300]
        except httpx.HTTPError as error:
            ready, detail = False, f"does not answer: {type(error).__name__}"
    return PartHealth(
        name=part.name, pid=part.pid, url=part.url, running=running, ready=ready, detail=detail, log=part.log
    )
