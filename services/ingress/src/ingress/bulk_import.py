"""`python -m ingress.bulk_import customers` imports in the foreground, without the console, by ingress's own importer.

Ctrl-C pauses it; a second start goes on where it was, and so does one after a kill.
"""

from __future__ import annotations

import argparse
import asyncio
import fcntl
import signal
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import AsyncExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from aiokafka.errors import KafkaError
from shared.connections import FlowLink, Vault, encryption_keys
from shared.domains import import_kinds, import_options
from shared.domains.choices import BadChoice, check_choices, read_choices
from shared.domains.model import ImportKind
from shared.errors import Misconfigured, SyncError
from shared.events.topics import Topics
from shared.flows import imports
from shared.flows.asked import Wanted
from shared.flows.imports import ImportProgress, ImportRequest, Imports, Selection, new_request
from shared.flows.links import able
from shared.identity import is_id
from shared.kafka.log import Log
from shared.kafka.replica import Replica
from shared.plain import plain
from shared.private import keep_private, private_folder
from shared.ratelimit import SharedLimits
from shared.ratelimit.quotas import Quotas
from shared.runtime.clients import Clients
from shared.runtime.registry import Registry
from shared.settings import Settings

from ingress.imports.importer import Importer, importer_of
from ingress.imports.server import gate_of
from shared import log as logs

RUNNER = "bulk_import"
SAY_EVERY = 1.0
"""Seconds between two lines of progress."""
PAUSED = 130
"""Exit code after Ctrl-C, as shells have it."""


@dataclass(frozen=True)
class Asked:
    """What a person asked for on the command line."""

    kind: ImportKind
    selection: Selection
    flow_link: str


def parsed(arguments: list[str]) -> Asked:
    """Ends the process for what does not fit."""
    parser = argparse.ArgumentParser("python -m ingress.bulk_import", description=__doc__)
    parser.add_argument("kind", choices=sorted(import_kinds()), help="what is imported")
    parser.add_argument("--dry-run", action="store_true", help="say what would be done, and write nothing")
    parser.add_argument("--id", action="append", type=_id, default=[], help="only this entity; may come several times")
    parser.add_argument("--created-from", type=_seconds, default=0, help="only what was made from this time on")
    parser.add_argument("--created-until", type=_seconds, default=0, help="only what was made before this time")
    parser.add_argument("--choice", action="append", default=[], metavar="CONFLICT=CHOICE")
    parser.add_argument("--flow-link", default="", help="the one that handles it; needed only if several could")
    for name, option in import_options().items():
        parser.add_argument(f"--{name.replace('_', '-')}", choices=option.values, help=option.title)
    parser.add_argument("--yes", action="store_true", help="confirm what the kind asks for")
    given = parser.parse_args(arguments)
    kind, choices = import_kinds()[given.kind], read_choices(",".join(given.choice))
    choices |= {name: value for name in import_options() if (value := getattr(given, name))}
    for text in ",".join(given.choice).split(",") if given.choice else ():
        if not all(text.partition("=")):
            parser.error(f"{text!r} is no choice: write it as same_email=decide")
    try:
        check_choices(kind.all_conflicts, choices, kind.options)
    except BadChoice as error:
        parser.error(str(error))
    if kind.confirm and not (given.dry_run or given.yes):
        parser.error(f"{kind.confirm}: look at it with --dry-run, then confirm it with --yes")
    if not kind.timed and (given.created_from or given.created_until):
        parser.error(f"nobody tells when {kind.name} were made: leave the times out, or name ids")
    if given.created_from >= (given.created_until or int(time.time()) + 1):
        parser.error("no time lies between --created-from and --created-until")
    selection = Selection(given.created_from, given.created_until, tuple(given.id), given.dry_run, choices)
    return Asked(kind, selection, given.flow_link)


def _id(text: str) -> str:
    if not is_id(text):
        raise argparse.ArgumentTypeError(f"{text!r} is no id")
    return text


def _seconds(text: str) -> int:
    """Epoch seconds of a time as 2026-11-01; in UTC if it does not say."""
    try:
        when = datetime.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no time: write it as 2026-11-01") from error
    return int((when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp())


def request_for(asked: Asked, known: Imports, links: Mapping[str, FlowLink], now: float) -> ImportRequest:
    """The import that an earlier start left, or a new one. Raises Misconfigured if it is not clear which is meant."""
    own = [request for request in known.open() if request.runner == RUNNER and request.wanted != "cancel"]
    left = [request for request in own if request.kind == asked.kind.name]
    if left:
        if asked.selection != Selection() and asked.selection != _selection_of(left[0]):
            raise Misconfigured(
                f"import {left[0].id} of an earlier start has not ended: start without options to go on with it, or "
                f"end it with `tandem imports cancel {left[0].id}`"
            )
        return msgspec.structs.replace(left[0], wanted="run")
    chosen = able(links.values(), asked.kind.flow, asked.flow_link, also_off=asked.selection.dry_run)
    if len(chosen) != 1:
        names = f" ({', '.join(link.id for link in chosen)})" if chosen else ""
        raise Misconfigured(f"{len(chosen)} flow links of {asked.kind.flow} could{names}: name one with --flow-link")
    if not chosen[0].enabled and not asked.selection.dry_run:
        raise Misconfigured(f"flow link {chosen[0].id} is off: `tandem flow-links enable {chosen[0].id}`")
    return new_request(asked.kind, chosen[0], asked.selection, now, RUNNER)


def going_on(request: ImportRequest, progress: ImportProgress | None) -> str:
    """What an earlier start left, which this one goes on with."""
    what = (
        f"the preview of {request.kind}, which writes nothing" if request.dry_run else f"the import of {request.kind}"
    )
    listed = f"{progress.listed} listed so far" if progress else "nothing listed so far"
    return (
        f"going on with {request.id}, {what}, of {request.requested_at}: {listed}. To begin again: "
        f"`tandem imports cancel {request.id}`, then start again"
    )


def _selection_of(request: ImportRequest) -> Selection:
    # The end of a request is at most its own time: what was asked for cannot be seen any more.
    return Selection(request.created_from, 0, tuple(request.ids), request.dry_run, request.choices)


async def serve(settings: Settings, asked: Asked, stop: asyncio.Event) -> ImportProgress:
    """Run it until it has ended or is paused. Raises Misconfigured, Unavailable."""
    topics, registry, known = Topics(settings), Registry(), Imports()
    folds = registry.folds(topics, with_mappings=False, with_index=False) | {topics.imports: known.apply}
    vault = Vault(encryption_keys(settings))
    async with AsyncExitStack() as stack:
        kafka = await stack.enter_async_context(Log(settings))
        replica = await stack.enter_async_context(Replica(settings, folds))
        quotas = Quotas(settings, registry.connections)
        limits = await stack.enter_async_context(SharedLimits(settings, topics, "bulk-import", quotas))
        await replica.wait_ready()
        gate = gate_of(settings, limits)
        clients = await stack.enter_async_context(Clients(settings, registry, vault, gate, kafka, topics))
        request = request_for(asked, known, registry.links, time.time())
        if request.id in known.requests:
            print(plain(going_on(request, known.progress.get(request.id))), flush=True)  # noqa: T201
        place = await kafka.append(topics.imports, request.key, imports.encode(request))
        await replica.wait_for(topics.imports, place.offset)

        def wanted() -> Wanted:
            """Paused, too, when a person has ingress go on with it, for this process was taken for dead."""
            mine = known.requests[request.id].runner == RUNNER
            return "pause" if stop.is_set() or not mine else known.wanted(request.id)

        found = importer_of(request, known.progress.get(request.id), settings, registry, clients, kafka, wanted)
        await _with_progress(found, request)
        return found.progress


async def _with_progress(importer: Importer, request: ImportRequest) -> None:
    """Run it, with a line for each change."""
    running, shown = asyncio.create_task(importer.run()), ""
    while True:
        done, _ = await asyncio.wait({running}, timeout=SAY_EVERY)
        line = f"{request.id} {importer.progress.state}: {importer.progress.listed} listed"
        line += f"; {importer.progress.problem}" if importer.progress.problem else ""
        if line != shown:
            print(plain(line), flush=True)  # noqa: T201
        shown = line
        if done:
            running.result()
            return
        with suppress(SyncError, KafkaError):
            await importer.report_alive(imports.REPORTS_EVERY)


@contextmanager
def alone(folder: Path, kind: str) -> Iterator[None]:
    """Raises Misconfigured if another start imports the same on this machine. A process that dies lets go."""
    private_folder(folder)
    with (folder / f"import-{kind}.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise Misconfigured(f"{kind} are being imported by another start of this script: wait for it") from error
        yield


async def _until_stopped(settings: Settings, asked: Asked) -> ImportProgress:
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, stop.set)
    return await serve(settings, asked, stop)


def main() -> int:
    """Entry point of the process: its exit code."""
    asked = parsed(sys.argv[1:])
    keep_private()
    settings = Settings()
    logs.configure("bulk-import", level=settings.log_level, as_json=settings.log_json)
    try:
        with alone(settings.home, asked.kind.name):
            progress = asyncio.run(_until_stopped(settings, asked))
    except SyncError as error:
        print(plain(error.message), file=sys.stderr)  # noqa: T201
        return 1
    if progress.state == "paused":
        print(f"paused: start it again to go on, or `tandem imports cancel {progress.id}`")  # noqa: T201
        return PAUSED
    print(f"what became of them: tandem imports show {progress.id}")  # noqa: T201
    return 1 if progress.state == "failed" else 0


if __name__ == "__main__":
    sys.exit(main())
