"""Input templates by field path: `{{ trigger.customer.email }}`. Pure; paths are JMESPath."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import jmespath
from jmespath.exceptions import JMESPathError

from shared.errors import Malformed

_WHOLE = re.compile(r"^\{\{\s*(.+?)\s*\}\}$")
_PART = re.compile(r"\{\{\s*(.+?)\s*\}\}")


@lru_cache(maxsize=1024)
def _compiled(path: str) -> Any:
    try:
        return jmespath.compile(path)
    except JMESPathError as error:
        raise Malformed(f"{path!r} is no field path: {error}") from error


def lookup(path: str, context: dict[str, Any]) -> Any:
    """The value at a path, None where there is none. Raises Malformed for what is no path."""
    return _compiled(path).search(context)


def paths(template: Any) -> Iterator[str]:
    """Every path that a template names."""
    if isinstance(template, str):
        yield from _PART.findall(template)
    elif isinstance(template, dict):
        for value in template.values():
            yield from paths(value)
    elif isinstance(template, list | tuple):
        for value in template:
            yield from paths(value)


def render(template: Any, context: dict[str, Any]) -> Any:
    """Fill in a template. A string that is one `{{ path }}` becomes the value itself, of whatever type."""
    if isinstance(template, str):
        whole = _WHOLE.match(template)
        if whole and "{{" not in whole[1]:
            return lookup(whole[1], context)
        return _PART.sub(lambda found: _text(lookup(found[1], context)), template)
    if isinstance(template, dict):
        return {name: render(value, context) for name, value in template.items()}
    if isinstance(template, list | tuple):
        return [render(value, context) for value in template]
    return template


def _text(value: Any) -> str:
    return "" if value is None else str(value)
