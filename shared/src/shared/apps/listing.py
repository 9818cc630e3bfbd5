"""Listing what an app holds, page by page, for imports."""

from __future__ import annotations

from typing import NamedTuple


class Window(NamedTuple):
    """When what is listed was made, in epoch seconds: from `begin` on, before `end`."""

    begin: int
    end: int


class Listed(NamedTuple):
    """One entity of a list; `created` in epoch seconds."""

    id: str
    created: int


class ListedPage(NamedTuple):
    """One page, and where the next one begins, in the vendor's own terms; empty at the end."""

    rows: list[Listed]
    following: str = ""
