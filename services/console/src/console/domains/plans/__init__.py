"""Price plans in the console: their list, offers, and the public pages on which offers are paid."""

from __future__ import annotations

from typing import TYPE_CHECKING

from console.domain import ConsoleDomain, Server

if TYPE_CHECKING:
    from typer import Typer


def _server() -> Server:
    from console.domains.plans.server import SERVER

    return SERVER


def _command() -> Typer:
    from console.domains.plans.cli import app

    return app


DOMAIN = ConsoleDomain("plans", _server, _command)
