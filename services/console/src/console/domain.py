"""What a domain adds to the console beside the lists of its views: data, made by its folder in `console.domains`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shared.domains.progress import Progress

if TYPE_CHECKING:
    from fastapi import APIRouter
    from sqlmodel import Session, SQLModel
    from typer import Typer

    from console.pages.lists import ListPage


@dataclass(frozen=True)
class RunTable:
    """What runs say of a domain's entities, in a table of its own.

    `row` gives the values of a run's row, None for a run that says nothing; the table's `owner` is the run's id. A row
    goes when its run goes, and is made again from the run's newest record.
    """

    table: type[SQLModel]
    row: Callable[[Progress], Mapping[str, Any] | None]


@dataclass(frozen=True)
class StatusList:
    """Sentences in the status under a name of their own, each a problem with what to do."""

    name: str
    description: str
    sentences: Callable[[Session], list[str]]


@dataclass(frozen=True)
class Server:
    """What a domain adds to the console's server.

    - `routers`: its API, the forms of its pages, its public pages; asked in this order.
    - `pages`: lists that have a page of their own, by address.
    - `run_tables`: raise `version` when `row` gives other values for the same columns: all tables are dropped then, and
      folded again, as they are when columns change.
    - `templates`: the folder of its pages' templates; `public`: that of its public pages, styles and scripts.
    """

    routers: Sequence[APIRouter] = ()
    pages: Mapping[str, ListPage] = field(default_factory=dict)
    run_tables: Sequence[RunTable] = ()
    version: int = 1
    status: Sequence[StatusList] = ()
    templates: Path | None = None
    public: Path | None = None


@dataclass(frozen=True)
class ConsoleDomain:
    """One domain's part of the console. `name` is that of its command.

    `server` and `command` import what they give when they are called: the command does not wait for the server's
    libraries.
    """

    name: str
    server: Callable[[], Server] = Server
    command: Callable[[], Typer] | None = None
