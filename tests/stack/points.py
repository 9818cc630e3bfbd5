"""Points at which a process can die: before each thing that it does to the outside, and after it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

NAMED_BY = ("event_type", "type", "origin", "kind", "side", "state")
"""Fields of a record that tell the records of one topic apart."""


@dataclass(frozen=True, order=True)
class Point:
    """The `number`-th operation of a label since the plan was made, before or after it."""

    label: str
    number: int
    phase: str

    def __str__(self) -> str:
        return f"{self.phase} {self.label} #{self.number}"

    @property
    def kind(self) -> str:
        """What is done to whom: method and vendor of a call, the topic of a record."""
        operation, *named = self.label.split()
        if operation == "call":
            method, path = named
            return f"{operation} {method} {path.split('/')[1]}"
        return " ".join([operation, *named[:1]])


def record_label(topic: str, value: bytes | None) -> str:
    """A record's label: its topic and what kind of record it is."""
    try:
        found = json.loads(value or b"{}")
    except ValueError:
        found = {}
    named = [str(found[name]) for name in NAMED_BY if isinstance(found, dict) and found.get(name)]
    return " ".join([f"send {topic}", *named])


class Died(BaseException):
    """The process ends here."""


class Points:
    """Counts what one process does, by labels that are the same in every run. `at` is called at each point, and what it
    raises ends the process: until `revive`, whatever it still tries ends there too.
    """

    def __init__(self) -> None:
        self.passed: list[Point] = []
        self.at: Callable[[Point], None] = lambda _: None
        self._counts: Counter[str] = Counter()
        self._dead = False
        self._others = False

    def begin(self, label: str) -> Point:
        """Before it; gives the point that comes after it."""
        if not self._others:
            self._counts[label] += 1
        number = self._counts[label]
        self._pass(Point(label, number, "before"))
        return Point(label, number, "after")

    def end(self, after: Point) -> None:
        """The outside has confirmed it, and nothing here knows of that yet."""
        self._pass(after)

    @contextmanager
    def others(self) -> Iterator[None]:
        """What is done meanwhile is another process's."""
        before, self._others = self._others, True
        try:
            yield
        finally:
            self._others = before

    def revive(self) -> None:
        """Another process takes its place. Counting goes on."""
        self._dead = False

    def die_in(self, points: int) -> None:
        """Die at the so-manieth point from now."""
        left = points

        def count_down(_: Point) -> None:
            nonlocal left
            left -= 1
            if left == 0:
                raise Died

        self.at = count_down

    def _pass(self, point: Point) -> None:
        if self._others:
            return
        if self._dead:
            raise Died
        self.passed.append(point)
        try:
            self.at(point)
        except Died:
            self._dead = True
            raise
