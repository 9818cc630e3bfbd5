"""The shapes that a request's parameters may have, and Stripe's error for each way to miss one."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Protocol

from sandbox.stripe_api.errors import StripeError
from sandbox.stripe_api.forms import bracketed

Path = tuple[str, ...]
_INDEX = re.compile(r"[0-9]{1,6}")


class Shape(Protocol):
    """Turns the text of a form into a typed value, or raises StripeError with Stripe's code and `param`."""

    def read(self, value: Any, path: Path) -> Any:
        """The typed value."""


def refuse(kind: str, value: Any, path: Path, code: str | None = None) -> StripeError:
    """Stripe's answer to a value of the wrong type; it repeats what should have been simple, not what should nest."""
    shown = "" if kind in ("array", "hash", "object") else f": {_inspected(value)}"
    return StripeError(400, f"Invalid {kind}{shown}", code=code, param=bracketed(path))


def _inspected(value: Any) -> str:
    """A nested value as Stripe repeats it: the way Ruby prints a hash."""
    if not isinstance(value, dict):
        return str(value)
    return "{" + ", ".join(f":{key}=>{_quoted(inner)}" for key, inner in value.items()) + "}"


def _quoted(value: Any) -> str:
    return _inspected(value) if isinstance(value, dict) else f'"{value}"'


def empty(path: Path) -> StripeError:
    """Stripe's answer to '' where a parameter cannot be unset."""
    name = bracketed(path)
    return StripeError(
        400,
        f"You passed an empty string for '{name}'. We assume empty values are an attempt to unset a parameter; however "
        f"'{name}' cannot be unset. You should remove '{name}' from your request or supply a non-empty value.",
        code="parameter_invalid_empty",
        param=name,
    )


@dataclass(frozen=True)
class Text:
    """Any text; '' means unset."""

    def read(self, value: Any, path: Path) -> str:
        """The text as it came."""
        if not isinstance(value, str):
            raise refuse("string", value, path)
        return value


@dataclass(frozen=True)
class Integer:
    """A whole number; "5.0" is none."""

    def read(self, value: Any, path: Path) -> int:
        """The number."""
        if value == "":
            raise empty(path)
        if not isinstance(value, str) or not re.fullmatch(r"-?[0-9]{1,19}", value):
            raise refuse("integer", value, path, "parameter_invalid_integer")
        return int(value)


@dataclass(frozen=True)
class Number:
    """A decimal number with up to 12 places, such as a unit amount; no exponent."""

    def read(self, value: Any, path: Path) -> Decimal:
        """The number."""
        if value == "":
            raise empty(path)
        if not isinstance(value, str) or not re.fullmatch(r"-?[0-9]{1,19}(\.[0-9]{1,12})?", value):
            raise refuse("decimal", value, path)
        return Decimal(value)


@dataclass(frozen=True)
class Flag:
    """`true` or `false`; "yes" is neither."""

    def read(self, value: Any, path: Path) -> bool:
        """The truth value."""
        if value == "":
            raise empty(path)
        if value not in ("true", "false"):
            raise refuse("boolean", value, path)
        return bool(value == "true")


@dataclass(frozen=True)
class Choice:
    """One of the values that the SDK's Literal names."""

    allowed: tuple[str, ...]

    def read(self, value: Any, path: Path) -> str:
        """The chosen value."""
        if not isinstance(value, str):
            raise refuse("string", value, path)
        if value not in self.allowed:
            name, words = bracketed(path), [word for word in self.allowed if word]
            if value == "":
                raise empty(path)
            raise StripeError(400, f"Invalid {name}: must be one of {_listed(words)}", param=name)
        return value


def _listed(words: list[str]) -> str:
    """Words as Stripe lists them: `a`, `a or b`, `a, b, or c`."""
    if len(words) < 3:
        return " or ".join(words)
    return f"{', '.join(words[:-1])}, or {words[-1]}"


@dataclass(frozen=True)
class ListOf:
    """A list, sent as `a[0]=x&a[1]=y` or `a[]=x`."""

    item: Shape

    def read(self, value: Any, path: Path) -> list[Any]:
        """The items in the order of their indices; where '' empties a list the SDK's type says so."""
        if value == "":
            raise empty(path)
        if not isinstance(value, dict) or not all(_INDEX.fullmatch(key) for key in value):
            raise refuse("array", value, path)
        return [self.item.read(value[key], (*path, key)) for key in sorted(value, key=int)]


@dataclass(frozen=True)
class MapOf:
    """A map with free keys, such as metadata."""

    item: Shape

    def read(self, value: Any, path: Path) -> dict[str, Any]:
        """The map with typed values."""
        if value == "":
            raise empty(path)
        if not isinstance(value, dict):
            raise refuse("hash", value, path)
        return {key: self.item.read(inner, (*path, key)) for key, inner in value.items()}


@dataclass
class Struct:
    """A hash with known keys; any other key is refused."""

    fields: Mapping[str, Shape] = field(default_factory=dict)
    required: frozenset[str] = frozenset()

    def read(self, value: Any, path: Path) -> dict[str, Any]:
        """The hash with typed values; raises for unknown and for missing keys."""
        if value == "" and path:
            raise empty(path)
        if not isinstance(value, dict):
            raise refuse("object", value, path)
        unknown = [bracketed((*path, key)) for key in value if key not in self.fields]
        if unknown:
            text = f"Received unknown parameter{'s' if len(unknown) > 1 else ''}: {', '.join(unknown)}"
            raise StripeError(400, text, code="parameter_unknown", param=unknown[0])
        for key in sorted(self.required):
            name = bracketed((*path, key))
            if key not in value:
                raise StripeError(400, f"Missing required param: {name}.", code="parameter_missing", param=name)
            if value[key] == "" and not _may_be_unset(self.fields[key]):
                raise empty((*path, key))
        return {key: self.fields[key].read(inner, (*path, key)) for key, inner in value.items()}


@dataclass(frozen=True)
class OneOf:
    """The first shape that fits; a hash is tried against hashes only, so that the error names the wrong key in it."""

    shapes: tuple[Shape, ...]

    def read(self, value: Any, path: Path) -> Any:
        """The value as the first fitting shape reads it, else the error of the last candidate."""
        nested = [shape for shape in self.shapes if isinstance(shape, Struct | MapOf | ListOf)]
        candidates = nested if isinstance(value, dict) and nested else list(self.shapes)
        for shape in candidates[:-1]:
            try:
                return shape.read(value, path)
            except StripeError:
                continue
        return candidates[-1].read(value, path)


def _may_be_unset(shape: Shape) -> bool:
    """Whether '' is one of the values that a shape allows by name."""
    return isinstance(shape, OneOf) and any(isinstance(one, Choice) and "" in one.allowed for one in shape.shapes)
