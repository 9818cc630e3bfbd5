"""Stripe's form encoding: `a[0][b]=c` becomes nested values."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import parse_qsl

from sandbox.stripe_api.errors import StripeError

Params = dict[str, Any]
_NAME = re.compile(r"^([^\[\]]+)((?:\[[^\[\]]*\])*)$")


def parse(encoded: str) -> Params:
    """Nested parameters of a query or form body; raises StripeError for a name whose brackets do not pair.

    Lists stay dicts keyed by index, because only the parameter's type tells a list from a map with digits as keys.
    """
    tree: Params = {}
    for name, value in parse_qsl(encoded, keep_blank_values=True, max_num_fields=5000):
        found = _NAME.match(name)
        if not found:
            raise StripeError(400, f"Invalid parameter name: {name}", param=name)
        keys = re.findall(r"\[([^\[\]]*)\]", found.group(2))
        _put(tree, [found.group(1), *keys], value, name)
    return tree


def _put(tree: Params, keys: list[str], value: str, name: str) -> None:
    node = tree
    for depth, raw in enumerate(keys):
        key = raw or str(len(node))
        if depth == len(keys) - 1:
            node[key] = value
            return
        inside = node.setdefault(key, {})
        if not isinstance(inside, dict):
            raise StripeError(400, f"Invalid parameters: {name} is given both as a value and as a hash", param=name)
        node = inside


def bracketed(path: tuple[str, ...]) -> str:
    """The name of a nested parameter as Stripe reports it, such as `address[line1]`."""
    return path[0] + "".join(f"[{key}]" for key in path[1:]) if path else ""
