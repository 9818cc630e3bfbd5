"""Two parts of the console under one name are refused when it starts: one of them would not be seen."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import typer
from console import domains
from console.api.state import State
from console.app import create_app
from console.cli import main
from console.domain import ConsoleDomain, RunTable, Server, StatusList
from console.pages.lists import ListPage
from console.projection.database import Batch, Database, Move
from fastapi import APIRouter
from shared.settings import Settings
from sqlalchemy import Column, Text
from sqlalchemy.orm import declarative_base

PAGE = ListPage("Twice", "twice.html", "twice", lambda session, search: ({}, None))


@contextmanager
def registered(server: Server) -> Iterator[None]:
    """A domain's part, there for a while."""
    made = ConsoleDomain("twice", server=lambda: server)
    domains.register(made)
    try:
        yield
    finally:
        domains.unregister(made)


def start() -> None:
    create_app(cast(State, SimpleNamespace(settings=Settings(_env_file=None))))


def routed(path: str) -> APIRouter:
    found = APIRouter()
    found.get(path)(lambda: None)
    return found


def folder(tmp_path: Path, name: str) -> Path:
    (tmp_path / name).touch()
    return tmp_path


@pytest.mark.parametrize("name", ["runs", "customers", "imports", "status", "plans"])
def test_a_page_under_anothers_address_is_refused(name: str) -> None:
    """The console's own, a view's, and another domain's."""
    refused(Server(pages={name: PAGE}), f"page {name}")


@pytest.mark.parametrize("name", ["counts", "healthy", "not_attached"])
def test_a_list_under_anothers_name_is_refused(name: str) -> None:
    """It would take the place of what the status says of all."""
    refused(Server(status=(StatusList(name, "twice", lambda session: []),)), f"list of the status {name}")


def test_an_address_of_the_api_that_is_taken_is_refused() -> None:
    """Domains' routers are asked first: the common one would never be."""
    refused(Server(routers=(routed("/api/runs"),)), "address GET /api/runs")


def test_files_of_one_name_are_refused(tmp_path: Path) -> None:
    """Templates of pages, and what public pages load; a folder that is missing breaks all of them."""
    refused(Server(templates=folder(tmp_path, "runs.html")), "template runs.html")
    refused(Server(public=folder(tmp_path, "portal.css")), "public file portal.css")
    refused(Server(public=tmp_path / "none"), "names a folder that is not there")


def refused(server: Server, said: str) -> None:
    """With a sentence that names what is there twice."""
    with registered(server), pytest.raises(ValueError, match=said):
        start()


def test_a_command_under_anothers_name_is_refused() -> None:
    """Of two commands of one name, one could not be called."""
    made = typer.Typer()
    made.add_typer(typer.Typer(), name="runs")
    main.check_names(made)
    made.add_typer(typer.Typer(), name="runs")

    with pytest.raises(ValueError, match="command runs"):
        main.check_names(made)


def test_a_changed_column_makes_the_tables_again(tmp_path: Path) -> None:
    """Whoever forgets to raise the number: the log fills them. The same columns keep them."""
    url, moves = f"sqlite:///{tmp_path / 'console.sqlite3'}", Batch([Move(("runs", 0), 0, 7)])
    places = list[int]()
    for fields in (("owner",), ("owner",), ("owner", "amount")):
        with registered(Server(run_tables=(RunTable(table(*fields), lambda progress: None),))):
            database = Database(url)
            database.prepare()
            places.append(database.positions([("runs", 0)])["runs", 0])
            if not places[-1]:
                database.fold(moves)
            database.close()

    assert places == [0, 7, 0]


def table(*fields: str) -> Any:
    """One with these columns, which no other test sees."""
    columns = {name: Column(name, Text, primary_key=name == "owner") for name in fields}
    return type("Made", (declarative_base(),), {"__tablename__": "made", **columns})
