"""Which parts of an import are listed side by side, and how far each is. Pure.

A list goes from the newest to the oldest, so what is left of a slice is its older part: it is cut in two when somebody
has nothing to do. An empty half costs one call, and is cut off for good.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import msgspec
from shared.apps.listing import Listed, Window
from shared.flows.imports import Slice


def whole(window: Window) -> list[Slice]:
    """An import that is not begun."""
    return [Slice(begin=window.begin, end=window.end)]


def after_page(part: Slice, rows: Sequence[Listed], new: int, following: str) -> Slice:
    """A slice after one more page, of which so many were `new`."""
    changed = msgspec.structs.replace(part, cursor=following, listed=part.listed + new, done=not following)
    if not rows or not rows[-1].created:
        return changed
    last = rows[-1].created
    kept = part.edge if last == part.reached else []
    edge = [*kept, *(row.id for row in rows if row.created == last)]
    return msgspec.structs.replace(changed, reached=last, edge=edge, span=(part.reached or rows[0].created) - last)


def cut(slices: Sequence[Slice], busy: Collection[int]) -> list[Slice] | None:
    """The slices with one more: the older half of the longest one that is being listed. None if none is worth it: what
    is left of it comes with the page that is under way, if pages go on to go back as far.
    """
    found = max(busy, key=lambda index: slices[index].left, default=None)
    if found is None:
        return None
    part = slices[found]
    if not part.cursor or not part.reached or part.left <= max(part.span, 1):
        return None
    middle = part.begin + (part.left + 1) // 2
    older = Slice(begin=part.begin, end=middle)
    return [
        *slices[:found],
        msgspec.structs.replace(part, begin=middle),
        *slices[found + 1 :],
        older,
    ]
