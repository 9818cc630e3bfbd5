"""Request shapes, read off the `stripe.params` TypedDicts of the SDK, so that the sandbox is as strict as its types."""

from __future__ import annotations

import sys
import types
from decimal import Decimal
from functools import cache
from typing import Any, ForwardRef, Literal, NotRequired, Union, get_args, get_origin, get_type_hints

import stripe.params as sdk
from stripe._request_options import RequestOptions
from typing_extensions import is_typeddict

from sandbox.stripe_api.shapes import Choice, Flag, Integer, ListOf, MapOf, Number, OneOf, Shape, Struct, Text

_OPTIONS = frozenset(RequestOptions.__annotations__)
_SIMPLE: dict[Any, Shape] = {str: Text(), int: Integer(), bool: Flag(), float: Number(), Decimal: Number()}


@cache
def struct(params: type) -> Struct:
    """The shape of one `...Params` TypedDict, without the SDK's request options (they travel in headers)."""
    # StripeContext is imported for type checkers only, and belongs to the request options that are left out below.
    names = {
        "StripeContext": str,
        **vars(sys.modules["stripe._request_options"]),
        **vars(sys.modules[params.__module__]),
    }
    hints = get_type_hints(params, names, include_extras=True)
    fields: dict[str, Shape] = {}
    required = set()
    # Only the outermost classes inherit RequestOptions; inner hashes may own a field of such a name.
    options = _OPTIONS if not _OPTIONS - set(hints) else frozenset()
    for name, hint in hints.items():
        if name in options:
            continue
        if get_origin(hint) is NotRequired:
            hint = get_args(hint)[0]
        else:
            required.add(name)
        fields[name] = _shape(hint, params.__module__)
    return Struct(fields, frozenset(required))


def _shape(hint: Any, module: str) -> Shape:
    if isinstance(hint, str | ForwardRef):
        text = hint if isinstance(hint, str) else hint.__forward_arg__
        return _shape(eval(text, vars(sys.modules[module])), module)  # the SDK's own annotations
    if hint in _SIMPLE:
        return _SIMPLE[hint]
    origin, inner = get_origin(hint), get_args(hint)
    if origin is Literal:
        return Choice(tuple(str(value) for value in inner))
    if origin is list:
        return ListOf(_shape(inner[0], module))
    if origin is dict:
        return MapOf(_shape(inner[1], module))
    if origin in (Union, types.UnionType):
        return _union(inner, module)
    if is_typeddict(hint):
        return struct(hint)
    raise TypeError(f"no shape for {hint}")


def _union(members: tuple[Any, ...], module: str) -> Shape:
    literals = tuple(str(value) for hint in members if get_origin(hint) is Literal for value in get_args(hint))
    others = []
    for hint in members:
        if get_origin(hint) is Literal or hint is type(None) or "UntypedStripeObject" in str(hint):
            continue
        # The SDK leaves enums open (`Literal[...] | str`), Stripe not; `Literal[''] | str` just means "may be unset".
        if hint is str and any(literals):
            continue
        others.append(_shape(hint, module))
    shapes = ([Choice(literals)] if literals else []) + others
    return shapes[0] if len(shapes) == 1 else OneOf(tuple(shapes))


def named(name: str) -> Struct:
    """The shape of the SDK's type of this name, such as `checkout.SessionCreateParams`."""
    found: Any = sdk
    for part in name.split("."):
        found = getattr(found, part)
    return struct(found)


CUSTOMER_CREATE = named("CustomerCreateParams")
API_VERSIONS = frozenset(getattr(named("WebhookEndpointCreateParams").fields["api_version"], "allowed", ()))
