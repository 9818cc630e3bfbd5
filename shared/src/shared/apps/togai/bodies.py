"""Reading the bodies of Togai's webhooks, of which none is documented: what comes is a hint."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

import msgspec

from shared.errors import Malformed
from shared.identity import is_id

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


def entity_in(body: Any, wrappers: Collection[str], names: Collection[str], *, mark: str, prefix: str) -> str | None:
    """The id of what a webhook is about, by probing: under one of the names anywhere first, then the `id` of an object
    that has a field (`mark`) of its kind, or an id that begins as those of its kind do.
    """
    found = list(objects(body, wrappers))
    named = [one.get(name) for one in found for name in names]
    own = [one.get("id") for one in found if mark in one or str(one.get("id")).startswith(prefix)]
    return next((entity for entity in (*named, *own) if is_id(entity)), None)


def names_no(what: str) -> Malformed:
    """For a body in which nothing was found: `what` in words."""
    return Malformed(
        f"the webhook from Togai names no {what}: check that the flow's action payload is exactly "
        f'{{"payload": "request"}}; the poller finds the {what.rpartition(" ")[2]} too'
    )
