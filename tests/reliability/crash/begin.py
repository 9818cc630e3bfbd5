"""What is done in a process that is to die, before its module runs."""

from __future__ import annotations

from pathlib import Path

from tests.reliability.crash import mutations, points


def begin(process: str, folder: str, prefix: str, mutation: str) -> None:
    """Put the points round its operations, by the plan and the journal in a folder, and break it by a mutation."""
    points.install(points.Points(process, Path(folder) / "plan.json", Path(folder) / "journal"), prefix)
    if mutation:
        mutations.MUTATIONS[mutation].install()
