"""What the parts of the console share by name: of two parts of one name, one would not be seen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path


def only_once(kind: str, names: Iterable[str]) -> None:
    """Raises ValueError if two parts have one name."""
    if twice := sorted(name for name, count in Counter(names).items() if count > 1):
        raise ValueError(f"the console has two parts of one name: {kind} {', '.join(twice)}")


def files_in(folders: Sequence[Path]) -> list[str]:
    """The names of their files. Raises ValueError for a folder that is not there."""
    if missing := [folder for folder in folders if not folder.is_dir()]:
        raise ValueError(f"a part of the console names a folder that is not there: {missing[0]}")
    return [file.name for folder in folders for file in folder.iterdir() if file.is_file()]
