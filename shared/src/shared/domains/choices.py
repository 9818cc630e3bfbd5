"""What becomes of a conflict that an import meets: kinds of conflicts, and a person's choice for each. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from shared.domains.flow import FlowOption
from shared.errors import Conflict, Permanent, SyncError, Waiting


class BadChoice(ValueError):
    """A choice that there is not; the message says which there are."""


Choice = Literal["wait", "leave_out", "decide", "pad"]
"""`wait`: for a change of the entity; `decide`: it is put among the conflicts, for a person; `leave_out`: its run ends,
and the report names it; `pad`: it is made, with what it lacks added.
"""


@dataclass(frozen=True)
class ConflictKind:
    """A kind of conflict. `codes` are those of the errors that tell it; of `choices` the first is taken where none is
    named; `remedy` says to a person what ends it. `separable`: so does declaring that the entity matches none.
    """

    name: str
    title: str
    codes: tuple[str, ...]
    choices: tuple[Choice, ...]
    remedy: str
    separable: bool = False


NEEDS_CHANGE = ConflictKind(
    "needs_change",
    title="something must change at the vendor first",
    codes=(),
    choices=("wait", "leave_out"),
    remedy="change what the reason names",
)
NEEDS_DECISION = ConflictKind(
    "needs_decision",
    title="a person must decide which two are one",
    codes=(),
    choices=("leave_out", "decide"),
    remedy="correct what the reason names, or `tandem mappings link`",
)
GENERAL = (NEEDS_CHANGE, NEEDS_DECISION)
"""Those of every import, for what none of its own kinds tells."""

FAILED = "failed"
"""The verdict of a dry run on what would be given up on."""


def kind_of(kinds: Iterable[ConflictKind], error: SyncError) -> ConflictKind | None:
    """The kind of an error; None for one that passes by itself, or that is given up on."""
    if not isinstance(error, Waiting):
        return None
    for kind in kinds:
        if error.code in kind.codes:
            return kind
    return NEEDS_DECISION if isinstance(error, Conflict) else NEEDS_CHANGE


def verdict_of(kinds: Iterable[ConflictKind], error: SyncError) -> str:
    """What a dry run says of an error; empty for one that passes by itself."""
    kind = kind_of(kinds, error)
    return kind.name if kind else FAILED if isinstance(error, Permanent) else ""


def write_choices(chosen: Mapping[str, str]) -> str:
    """As an event carries them."""
    return ",".join(f"{name}={choice}" for name, choice in sorted(chosen.items()))


def read_choices(text: str) -> dict[str, str]:
    """What `write_choices` wrote."""
    return dict(each.split("=", 1) for each in text.split(",") if "=" in each)


def check_choices(kinds: Iterable[ConflictKind], chosen: Mapping[str, str], options: Iterable[FlowOption] = ()) -> None:
    """Raises BadChoice for a kind, an option or a choice that there is not."""
    known: dict[str, tuple[str, ...]] = {option.name: option.values for option in options}
    known |= {kind.name: kind.choices for kind in kinds}
    for name, choice in chosen.items():
        if name not in known:
            raise BadChoice(f"no conflict is called {name}: there are {', '.join(known)}")
        if choice not in known[name]:
            raise BadChoice(f"{name} can be {' or '.join(known[name])}, not {choice}")
