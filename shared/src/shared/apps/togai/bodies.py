"""Reading the bodies of Togai's webhooks, of which none is documented: what comes is a hint."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

import msgspec

WRAPPERS = ("payload", "data", "request", "body")
DEEPEST = 4


def objects(body: Any, wrappers: Collection[str] = WRAPPERS, depth: int = 0) -> Iterator[dict[str, Any]]:
    """The body and what is wrapped in it, outermost first; JSON inside a string is opened."""
    if depth > DEEPEST:
        return
    if isinstance(body, str):
        try:
            # Not the standard library's: that one takes what cannot be written again (lone surrogates, infinity).
            inside = msgspec.json.decode(body)
        except (ValueError, RecursionError):
            return
        yield from objects(inside, wrappers, depth + 1)
    elif isinstance(body, list):
        for item in body[:1]:
            yield from objects(item, wrappers, depth + 1)
    elif isinstance(body, dict):
        yield body
        for name in wrappers:
            if name in body:
                yield from objects(body[name], wrappers, depth + 1)
