"""Which settings the code of a process can read, found in its source: functions are followed by their names.

Too many rather than too few: every function or class of that name in a module that the process can import counts. So a
setting that is not found is read nowhere. Of an app's adapter, which every process has, each method counts by itself.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

import grimp
from shared.settings import Settings

from tests.repository.packages import PACKAGES

Body = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


@cache
def _graph() -> grimp.ImportGraph:
    return grimp.build_graph(*PACKAGES)


@cache
def _source(module: str) -> ast.Module:
    from importlib.util import find_spec

    found = find_spec(module)
    assert found
    assert found.origin
    return ast.parse(Path(found.origin).read_text())


def _names(nodes: Iterable[ast.AST]) -> Iterator[str]:
    for top in nodes:
        for node in ast.walk(top):
            if isinstance(node, ast.Name):
                yield node.id
            elif isinstance(node, ast.Attribute):
                yield from (node.attr, f".{node.attr}")
            elif isinstance(node, ast.alias):  # imported under another name
                yield node.name


def _parts(module: str) -> tuple[list[ast.AST], dict[str, list[ast.AST]]]:
    """What runs when the module is imported, and its functions and classes by name. A decorated one (a route) runs."""
    at_once: list[ast.AST] = []
    named: dict[str, list[ast.AST]] = {}
    for node in _source(module).body:
        # A decorated function is a route, a decorated class a dataclass.
        if isinstance(node, ast.ClassDef) and {"App", "Connector"} & set(map(ast.unparse, node.bases)):
            for part in node.body:
                named.setdefault(f".{part.name}" if isinstance(part, Body) else node.name, []).append(part)
        elif isinstance(node, ast.ClassDef) or (isinstance(node, Body) and not node.decorator_list):
            named.setdefault(node.name, []).append(node)
        elif not isinstance(node, ast.Import | ast.ImportFrom):
            at_once.append(node)
    return at_once, named


def settings_read(*entries: str) -> set[str]:
    """The fields of Settings that a process which begins with these modules can read."""
    modules = set(entries).union(*(_graph().find_upstream_modules(entry) for entry in entries))
    named: dict[str, list[ast.AST]] = {}
    open_: list[ast.AST] = []
    for module in modules - {"shared.settings"}:
        at_once, there = _parts(module)
        open_ += at_once
        for name, nodes in there.items():
            if module in entries:
                open_ += nodes
            else:
                named.setdefault(name, []).extend(nodes)
    seen: set[str] = set()
    while open_:
        new = set(_names(open_)) - seen
        seen |= new
        open_ = [node for name in new for node in named.get(name, [])]
    return _fields(seen)


def _fields(names: set[str]) -> set[str]:
    """Of names the fields, and those that a property of Settings reads."""
    properties = {
        name: textwrap.dedent(inspect.getsource(found))
        for name, member in vars(Settings).items()
        if (found := getattr(member, "fget", None) or getattr(member, "func", None))
    }
    todo, found_ = set(names), set()
    while todo:
        name = todo.pop()
        if name in Settings.model_fields:
            found_.add(name)
        elif name in properties:
            todo |= set(_names([ast.parse(properties.pop(name))]))
    return found_
