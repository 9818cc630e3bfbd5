"""The SDK's own request types, read off its source text.

The sandbox reads the same types by evaluating them. This reader shares nothing with that one, so a hole in either one
shows.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import stripe

ROOT = Path(stripe.__file__).parent
_LEAVES = {"str": "text", "int": "integer", "bool": "flag", "float": "number", "Decimal": "number"}


@dataclass(frozen=True)
class Leaf:
    """A value of one kind: text, integer, flag or number."""

    kind: str


@dataclass(frozen=True)
class Enum:
    """One of these words."""

    words: tuple[str, ...]


@dataclass(frozen=True)
class Array:
    """A list of items."""

    item: Type


@dataclass(frozen=True)
class Map:
    """A map with free keys."""

    item: Type


@dataclass(frozen=True)
class Hash:
    """A hash with known keys, some of them required."""

    fields: dict[str, Type]
    required: frozenset[str]


@dataclass(frozen=True)
class Either:
    """Any of several types."""

    members: tuple[Type, ...]


Type = Leaf | Enum | Array | Map | Hash | Either


@cache
def _module(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def _path_of(dotted: str) -> Path:
    return ROOT.parent / Path(*dotted.split(".")).with_suffix(".py")


@cache
def parameters(method: str, path: str) -> Hash:
    """What the SDK types say of one operation; raises LookupError when the SDK has no such operation."""
    for file, text in _services():
        if path.partition("/{")[0] in text and (function := _functions(file).get((method.lower(), path))):
            name = _params_of(function)
            return _read_class(_imported(_module(file), name), name)
    raise LookupError(f"the SDK has no {method} {path}")


@cache
def _services() -> list[tuple[Path, str]]:
    return [(file, file.read_text()) for file in sorted(ROOT.rglob("_*_service.py"))]


@cache
def _functions(file: Path) -> dict[tuple[str, str], ast.FunctionDef]:
    """The functions of a service by what they send: method and path. The first of several counts."""
    functions = [node for node in ast.walk(_module(file)) if isinstance(node, ast.FunctionDef)]
    return {request: function for function in reversed(functions) for request in _requests(function)}


def _requests(function: ast.FunctionDef) -> Iterator[tuple[str, str]]:
    """Method and path of each request that a service's function sends; ids in a path are all called the same."""
    for call in (node for node in ast.walk(function) if isinstance(node, ast.Call)):
        texts = [
            node.value for node in ast.walk(call) if isinstance(node, ast.Constant) and isinstance(node.value, str)
        ]
        if isinstance(call.func, ast.Attribute) and call.func.attr == "_request":
            found = [re.sub(r"\{\w+\}", "{id}", text) for text in texts if text.startswith("/v")]
            yield (texts[0], found[0])


def _params_of(function: ast.FunctionDef) -> str:
    annotation = next(a.annotation for a in function.args.args if a.arg == "params")
    texts = [n.value for n in ast.walk(annotation or ast.Pass()) if isinstance(n, ast.Constant)]
    return str(next(text for text in texts if isinstance(text, str)))


def _imported(module: ast.Module, name: str) -> str:
    """The module from which a name comes."""
    for node in ast.walk(module):
        if isinstance(node, ast.ImportFrom) and node.module and any(alias.name == name for alias in node.names):
            return node.module
    raise LookupError(f"{name} is imported nowhere")


@cache
def _read_class(dotted: str, name: str) -> Hash:
    module = _module(_path_of(dotted))
    fields: dict[str, Type] = {}
    required: set[str] = set()
    for node in module.body:
        if isinstance(node, ast.ClassDef) and node.name == name:
            for base in node.bases:
                if isinstance(base, ast.Name) and base.id not in ("RequestOptions", "TypedDict"):
                    inherited = _read_class(dotted, base.id)
                    fields |= inherited.fields
                    required |= inherited.required
            annotated = [(n.target.id, n.annotation) for n in node.body if _is_field(n)]  # type: ignore[attr-defined]
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id == name:
            # Fields that are Python's own words stand in the functional form: TypedDict("_Base", {"from": ...}).
            table = next(n for n in ast.walk(node.value) if isinstance(n, ast.Dict))
            annotated = [(str(k.value), v) for k, v in zip(table.keys, table.values, strict=True) if _is_text(k)]  # type: ignore[union-attr]
        else:
            continue
        for field, annotation in annotated:
            inner = _optional(annotation)
            fields[field] = _read(dotted, inner or annotation)
            if inner is None:
                required.add(field)
    return Hash(fields, frozenset(required))


def _is_field(node: ast.stmt) -> bool:
    return isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)


def _is_text(node: ast.expr | None) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def _optional(annotation: ast.expr) -> ast.expr | None:
    """What stands inside `NotRequired[...]`, or None for a field that must be there."""
    if isinstance(annotation, ast.Subscript) and ast.unparse(annotation.value) == "NotRequired":
        return annotation.slice
    return None


def _read(dotted: str, node: ast.expr) -> Type:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return _read(dotted, ast.parse(node.value, mode="eval").body)
    if isinstance(node, ast.Name):
        return Leaf(_LEAVES[node.id]) if node.id in _LEAVES else _read_class(dotted, node.id)
    if isinstance(node, ast.BinOp):
        return _either(dotted, _members(node))
    if isinstance(node, ast.Subscript):
        kind, inner = ast.unparse(node.value), node.slice
        if kind == "List":
            return Array(_read(dotted, inner))
        if kind == "Dict" and isinstance(inner, ast.Tuple):
            return Map(_read(dotted, inner.elts[1]))
        if kind == "Literal":
            return Enum(tuple(str(n.value) for n in ast.walk(inner) if isinstance(n, ast.Constant)))
        if kind in ("Union", "Optional"):
            return _either(dotted, list(inner.elts) if isinstance(inner, ast.Tuple) else [inner])
    raise TypeError(f"no type for {ast.unparse(node)}")


def _members(node: ast.expr) -> list[ast.expr]:
    return [*_members(node.left), *_members(node.right)] if isinstance(node, ast.BinOp) else [node]


def _either(dotted: str, nodes: list[ast.expr]) -> Type:
    """A union; an enum that the SDK leaves open with `| str` is closed, as the vendor's own documents are."""
    members = [_read(dotted, node) for node in nodes if "UntypedStripeObject" not in ast.unparse(node)]
    words = tuple(word for member in members if isinstance(member, Enum) for word in member.words)
    others = [m for m in members if not isinstance(m, Enum) and not (any(words) and m == Leaf("text"))]
    merged: list[Type] = [*([Enum(words)] if words else []), *others]
    return merged[0] if len(merged) == 1 else Either(tuple(merged))
