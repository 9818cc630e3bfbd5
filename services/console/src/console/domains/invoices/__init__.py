"""Invoices in the console: their list, what a person decides about one, and the public page on which one is paid."""

from __future__ import annotations

from typing import TYPE_CHECKING

from console.domain import ConsoleDomain, Server

if TYPE_CHECKING:
    from typer import Typer


def _server() -> Server:
    from console.domains.invoices.server import SERVER

    return SERVER


def _command() -> Typer:
    from console.domains.invoices.cli import app

    return app


DOMAIN = ConsoleDomain("invoices", _server, _command)
