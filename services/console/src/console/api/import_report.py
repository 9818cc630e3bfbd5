"""The report of an import: every entity that is not linked, with why, and what to do. As CSV."""

from __future__ import annotations

import csv
import io
import re
import shlex
from collections.abc import Iterator

from shared.apps import APPS
from shared.domains import import_kinds
from shared.domains.choices import ConflictKind
from shared.errors import QuotaUsed
from shared.flows.imports import ImportRequest
from shared.flows.runs import Run
from shared.identity import Ref
from sqlmodel import Session

from console.api.state import State
from console.projection import imports as imported

COLUMNS = ("kind", "id", "what", "conflict", "why", "run", "what_to_do")
QUOTA = "quota_used"
"""What stands as conflict where the vendor lets no more objects stand: no choice of an import ends that."""
FORMULA = tuple("=+-@＝＋－＠")
"""How a text begins that a spreadsheet would take for a formula; the wide ones are taken for the others in Asia."""
NEW_CELL = re.compile(rf"([;\t\r\n]\s*)(?=[{re.escape(''.join(FORMULA))}])")
"""Where one begins within a text: many countries' spreadsheets divide lines at semicolons, whatever the quotes say."""


def lines(state: State, request: ImportRequest) -> Iterator[str]:
    """Line by line, the names of the columns first."""
    kinds = {kind.name: kind for kind in import_kinds()[request.kind].all_conflicts}
    yield _line(COLUMNS)
    with Session(state.database.engine) as session:
        for what, run in imported.rest(session, request.id):
            ref, kind = Ref.parse(run.aggregate), kinds.get(run.verdict)
            conflict = kind.name if kind else QUOTA if _waits_for_room(run) else ""
            why = run.problem.reason if run.problem else run.reason
            todo = to_do(request, what, run, kind)
            yield _line((f"{ref.app} {ref.noun}", ref.id, what, conflict, why, run.id, todo))


def to_do(request: ImportRequest, what: str, run: Run, kind: ConflictKind | None) -> str:
    """What a person does about an entity that is not linked."""
    entity = Ref.parse(run.aggregate).id
    words = ("tandem", "import", request.kind, "--id", entity, "--flow-link", request.flow_link)
    again = shlex.join(words)  # the flow link too: there may be one for each pair of connections
    if what == "failed":
        letters = shlex.join(("tandem", "dead-letters", "list", "--id", entity))
        return "see why" if request.dry_run else f"{letters}, then retry it"
    if what == "held":
        return f"tandem imports resume {request.id}"
    if what == "going_on":
        return f"nothing yet; tandem runs show {run.id} says how far it is"
    if _waits_for_room(run):
        target = APPS[import_kinds()[request.kind].target.app].title
        return f"ask {target} for more; it goes on by itself within a minute then"
    if kind is None and what == "waiting":
        return f"tandem runs show {run.id} says what it waits for; it goes on by itself then"
    if kind is None:
        return f"nothing, or {again} if it should be linked"
    if what == "waiting":
        return f"{kind.remedy}; it goes on by itself then"
    if what == "conflicts" and not request.dry_run:
        return f"tandem conflicts show {run.id}, then decide"
    if request.dry_run and request.choices.get(kind.name, kind.choices[0]) == "pad":
        return f"nothing: it would be made with its id behind its name; or {kind.remedy} first"
    return f"{kind.remedy}, then {again}"


def _waits_for_room(run: Run) -> bool:
    return run.problem is not None and run.problem.error == QuotaUsed.__name__


def _line(values: tuple[str, ...]) -> str:
    out = io.StringIO()
    csv.writer(out).writerow([as_text(value) for value in values])
    return out.getvalue()


def as_text(value: str) -> str:
    """What a spreadsheet shows and never computes: the texts are of whoever wrote them at a vendor."""
    inner = value.lstrip()
    text = value[: len(value) - len(inner)] + NEW_CELL.sub(r"\1'", inner)
    return f"'{text}" if inner.startswith(FORMULA) or value.startswith(("\t", "\r")) else text
