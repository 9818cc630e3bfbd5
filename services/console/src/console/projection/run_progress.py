"""What of a run says something about what it was for, as domains read it. Pure."""

from __future__ import annotations

from shared.domains.progress import Progress
from shared.flows.runs import Run


def progress_of(run: Run) -> Progress:
    """A run as the domains read it."""
    return Progress(
        at=run.updated_at,
        state=run.state,
        ended=run.ended,
        waits=run.problem.code if run.problem else "",
        reason=run.problem.reason if run.problem and not run.ended else run.reason,
        refs=[run.aggregate, *run.refs],
        ran=[step.action for step in run.steps],
        done={step.action: step.output for step in run.steps if step.state in ("succeeded", "in_sync")},
    )
