"""What a domain brings to the checker."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Set
from dataclasses import dataclass

from tests.reliability.checker.broken import Broken


@dataclass(frozen=True)
class Laws:
    """What must hold of one domain, of the facts of one moment.

    - `broken`: by invariant, what is broken; an invariant that says nothing of the domain is left out.
    - `waiting`: the ids of entities whose runs may wait for a person, or for a value that is missing.
    - `counts`: numbers for the report.
    """

    broken: Mapping[str, Iterable[Broken]]
    waiting: Set[str]
    counts: Callable[[], Mapping[str, int]]
