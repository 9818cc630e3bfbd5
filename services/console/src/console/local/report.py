"""What a person, or with `--json` a program, sees of a start: one line per thing that happened."""

from __future__ import annotations

import json
import sys
from typing import Protocol

from rich.console import Console
from rich.markup import escape
from rich.status import Status


class Report(Protocol):
    """Where the supervisor tells what happens."""

    def starting(self, part: str) -> None: ...

    def progress(self, part: str, done: int, total: int) -> None: ...

    def ready(self, part: str, seconds: float, at: str, again: bool = False) -> None: ...

    def died(self, part: str, reason: str, wait: float, log: str) -> None: ...

    def note(self, part: str, text: str) -> None: ...

    def running(self, url: str, seconds: float) -> None: ...

    def stopping(self) -> None: ...

    def stopped(self, seconds: float) -> None: ...


class Lines:
    """For people: a spinner for what is under way, a line for what is done."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._good, self._bad = ("✓", "✗") if console.encoding.lower().startswith("utf") else ("+", "!")
        self._spinner: Status | None = None
        self._last_progress = ("", 0)

    def _line(self, text: str) -> None:
        if self._spinner:
            self._spinner.stop()
            self._spinner = None
        self.console.print(text, highlight=False, soft_wrap=True)

    def _under_way(self, text: str) -> None:
        """A spinner, where there is a terminal for it."""
        if self.console.is_terminal:
            if self._spinner is None:
                self._spinner = self.console.status(text)
                self._spinner.start()
            self._spinner.update(text)

    def starting(self, part: str) -> None:
        self._under_way(f"{part}  starting")

    def progress(self, part: str, done: int, total: int) -> None:
        text = f"{part}  fetching: {done} of {total} files"
        self._under_way(text)
        quarter = (part, done * 4 // total)
        if not self.console.is_terminal and quarter != self._last_progress:
            self._last_progress = quarter
            self._line(f"  {text}")

    def ready(self, part: str, seconds: float, at: str, again: bool = False) -> None:
        when = f"ready{' again' if again else ''} in {seconds:.1f} s"
        self._line(f"[green]{self._good}[/] {escape(part):<18} {when}  [dim]{escape(at)}[/]".rstrip())

    def died(self, part: str, reason: str, wait: float, log: str) -> None:
        self._line(
            f"[red]{self._bad}[/] {escape(part):<18} {escape(reason)}; starts again in {wait:g} s  "
            f"[dim]log: {escape(log)}[/]"
        )

    def note(self, part: str, text: str) -> None:
        self._line(f"  {escape(part):<18} {escape(text)}")

    def running(self, url: str, seconds: float) -> None:
        self._line(f"\n  Tandem runs after {seconds:.1f} s. Console: [bold]{escape(url)}[/]   Ctrl-C stops it.\n")

    def stopping(self) -> None:
        self._line("stopping (Ctrl-C again kills at once)")

    def stopped(self, seconds: float) -> None:
        self._line(f"stopped in {seconds:.1f} s")


class JsonLines:
    """For programs: one JSON object per line on standard output."""

    def _report(self, event: str, **data: object) -> None:
        sys.stdout.write(json.dumps({"event": event, **data}) + "\n")
        sys.stdout.flush()

    def starting(self, part: str) -> None:
        self._report("starting", part=part)

    def progress(self, part: str, done: int, total: int) -> None:
        self._report("progress", part=part, done=done, total=total)

    def ready(self, part: str, seconds: float, at: str, again: bool = False) -> None:
        self._report("ready", part=part, seconds=round(seconds, 2), at=at, again=again)

    def died(self, part: str, reason: str, wait: float, log: str) -> None:
        self._report("died", part=part, reason=reason, again_in=wait, log=log)

    def note(self, part: str, text: str) -> None:
        self._report("note", part=part, text=text)

    def running(self, url: str, seconds: float) -> None:
        self._report("running", console=url, seconds=round(seconds, 2))

    def stopping(self) -> None:
        self._report("stopping")

    def stopped(self, seconds: float) -> None:
        self._report("stopped", seconds=round(seconds, 2))
