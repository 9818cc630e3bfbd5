"""What Togai's answers and addresses have in common: pages, rows, ids in a path."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from shared.errors import Malformed, Unavailable
from shared.identity import LONGEST_ID

FOREVER = "9999-01-01"
"""The last day of a schedule that has none."""


@dataclass(frozen=True)
class Page:
    """One page of a list; `token` leads to the next, empty at the end."""

    rows: list[dict[str, Any]]
    token: str


def page_of(found: dict[str, Any], what: str) -> Page:
    """A page as it was answered. Raises Unavailable for an answer that is none."""
    return Page(rows_of(found, what), str(found.get("nextToken") or ""))


def rows_of(found: dict[str, Any], what: str) -> list[dict[str, Any]]:
    """The rows of a list. Raises Unavailable for an answer that is none."""
    rows = found.get("data")
    if not isinstance(rows, list):
        raise Unavailable(f"Togai: GET /{what} answered with no list")
    return [row for row in rows if isinstance(row, dict)]


def leads_on(token: str, rows: list[dict[str, Any]], before: str) -> bool:
    """Whether a page is not the last: one that is empty, or leads to itself, is, whatever its token says."""
    return bool(token and rows and token != before)


def part(entity: str, longest: int = LONGEST_ID) -> str:
    """An id as a part of a path. Raises Malformed for what is none."""
    # "." and ".." are cut from a path before it is sent: the call would go to another address.
    if not entity.strip(".") or len(entity) > longest:
        raise Malformed(f"{entity[:longest]!r} is no id of a Togai object")
    return quote(entity, safe="")


def operation_of(method: str, path: str) -> str:
    """What quotas, rights and metrics call an operation: `accounts.get`, of the second API `v2.accounts.get`."""
    first, *rest = path.strip("/").split("/")
    return f"{first}.{rest[0]}.{method.lower()}" if first == "v2" and rest else f"{first}.{method.lower()}"
