"""Imports as ingress runs them, inside the test's own process: the real importer at the sandbox, and a worker."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime
from functools import partial

from ingress.imports.importer import importer_of
from shared.domains import BUILT_IN, import_kinds
from shared.domains.choices import write_choices
from shared.flows.imports import Imports
from shared.flows.recheck import replayed
from shared.flows.runs import Run
from shared.identity import Ref

from tests.stack.in_process import InProcess


async def imported(
    tandem: InProcess, kind: str, *entities: str, dry_run: bool = False, **choices: str
) -> dict[str, Run]:
    """What the events of an import make of entities, or those of its dry run: the last run of each."""
    found, source = import_kinds()[kind], import_kinds()[kind].source
    before = {run.id for run in tandem.runs()}
    for entity in entities:
        ref = str(Ref(f"{source.app}:test:{tandem.accounts[source.app]['id']}", source.noun, entity))
        name, trigger = f"imp_{secrets.token_hex(4)}", BUILT_IN[found.flow].trigger
        now, asked = datetime.now(UTC), write_choices(choices)
        again = replayed(ref, trigger, name, source.app, now, "imp_1", "backfill", dry_run=dry_run, choices=asked)
        tandem.deliver(again)
    await tandem.work_off()
    return {Ref.parse(run.aggregate).id: run for run in tandem.runs() if run.id not in before}


def known_of(tandem: InProcess) -> Imports:
    """What the log says of every import."""
    found = Imports()
    for record in tandem.log.on(tandem.topics.imports):
        found.apply(0, record.key, record.value)
    return found


async def run_imports(tandem: InProcess, side_by_side: int = 3) -> None:
    """Everything that was asked for, to its end; then every event that it wrote."""
    known = known_of(tandem)
    for request in known.open():
        progress, wanted = known.progress.get(request.id), partial(known.wanted, request.id)
        settings = tandem.settings.model_copy(update={"import_slices": side_by_side})
        await importer_of(request, progress, settings, tandem.registry, tandem.clients, tandem.log, wanted).run()
    await tandem.work_off()
