"""The console as a process, and the command that speaks to it."""

from __future__ import annotations

import asyncio
import json
import signal
from pathlib import Path

from console.http import own_machine
from shared.events.topics import Topics
from shared.flows import runs
from shared.kafka.log import Log
from shared.linking import mappings

from tests.integration.console import records
from tests.integration.console.conftest import Tandem, until
from tests.stack import forked
from tests.stack.forked import Forked


async def test_the_command_shows_what_the_api_says(
    process: Forked, tandem: Tandem, log: Log, topics: Topics, environment: dict[str, str]
) -> None:
    """Tables for people, the API's JSON for programs, one line and exit code 1 for what is not there."""
    pair, run, letter = records.mapping("m"), records.run("evt_9"), records.dead_letter("d")
    await log.append(topics.mappings, pair.id, mappings.encode(pair))
    await log.append(topics.runs, run.id, runs.encode(run))
    await log.append(topics.dead_letters, letter.id, runs.encode(letter))
    base = f"http://127.0.0.1:{environment['TANDEM_CONSOLE_PORT']}"
    async with own_machine(base_url=base) as client:

        async def folded() -> bool:
            return bool((await client.get("/api/dead-letters")).json()["items"])

        await until(folded, "the records")
        api = (await client.get("/api/mappings", params={"id": "cus_m"})).json()

    listed, shown, discarded, nothing = await asyncio.gather(
        asyncio.to_thread(tandem, "mappings", "list", "--id", "cus_m", "--json"),
        asyncio.to_thread(tandem, "runs", "show", run.id),
        asyncio.to_thread(tandem, "dead-letters", "discard", letter.id, "--reason", "not needed"),
        asyncio.to_thread(tandem, "mappings", "show", "nope"),
    )

    assert json.loads(listed.stdout) == api
    assert "currency EUR from the country DE" in shown.stdout
    assert (discarded.returncode, letter.id in discarded.stdout) == (0, True)
    assert (nothing.returncode, nothing.stderr.count("\n")) == (1, 1)
    assert "there is no mapping nope" in nothing.stderr


async def test_the_process_stops_at_once_although_a_page_is_open(process: Forked, environment: dict[str, str]) -> None:
    """An open stream does not hold it: SIGTERM ends it with code 0."""
    url = f"http://127.0.0.1:{environment['TANDEM_CONSOLE_PORT']}/api/stream"
    async with own_machine(timeout=None) as client, client.stream("GET", url) as stream:
        lines = stream.aiter_lines()
        assert await anext(lines) == "event: ready"
        process.send(signal.SIGTERM)
        assert await asyncio.wait_for(process.ended(), 20) == 0


def test_without_a_console_the_command_says_what_to_do(tandem: Tandem) -> None:
    """One line with the command and the setting, and exit code 1."""
    done = tandem("status")

    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "make up" in done.stderr
    assert "TANDEM_CONSOLE_PORT" in done.stderr


def test_an_open_console_without_a_token_refuses_to_start(environment: dict[str, str], tmp_path: Path) -> None:
    """Exit code 2 before anything listens."""
    done = forked.run("console", env=environment | {"TANDEM_HOST": "0.0.0.0"}, cwd=tmp_path)

    assert done.returncode == 2
    assert "TANDEM_CONSOLE_TOKEN" in done.stdout
