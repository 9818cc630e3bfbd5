"""How the sub-commands speak to the console's API, and the options that they share."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import httpx
import typer
from rich.console import Console
from shared.errors import SyncError
from shared.plain import plain_json
from shared.tls import trusted

from console.cli.errors import settings
from console.cli.terminal import terminal
from console.identity import ConsoleAuth

TIMEOUT = 15.0

AsJson = Annotated[bool, typer.Option("--json", help="The API's JSON instead of a table.")]
AnyId = Annotated[
    str, typer.Option("--id", metavar="ID", help="Any id of either side, or of a run, event, mapping or dead letter.")
]
Limit = Annotated[int, typer.Option("--limit", min=1, max=200, help="How many, newest first.")]
State = Annotated[str, typer.Option("--state", help="Only this state.")]
Since = Annotated[str, typer.Option("--since", help="Only newer ones: a time, or a span as 24h.")]


class NotAnswered(SyncError):
    """The console does not answer, or refuses."""


def call(method: str, path: str, *, params: dict[str, Any] | None = None, body: Any = None) -> httpx.Response:
    """One request to the console of this machine.

    Raises NotAnswered with one line that says what to do: the console is away, or it refused. Raises NotOurConsole
    where something else listens: the token is not sent to it.
    """
    chosen = settings()
    base = f"http://127.0.0.1:{chosen.console_port}"
    wanted = {name: value for name, value in (params or {}).items() if value not in ("", None)}
    try:
        # No proxy of the environment stands between us and our own machine.
        with httpx.Client(
            base_url=base, timeout=TIMEOUT, auth=ConsoleAuth(chosen), verify=trusted(), trust_env=False
        ) as client:
            answer = client.request(method, path, params=wanted, json=body)
    except httpx.TransportError as error:
        raise NotAnswered(
            f"the console does not answer at {base}: start it with `make up`, or set TANDEM_CONSOLE_PORT to the "
            "port on which it runs"
        ) from error
    if answer.is_error:
        raise NotAnswered(_refusal(answer, base))
    return answer


def _refusal(answer: httpx.Response, base: str) -> str:
    try:
        error = answer.json()["error"]
        return f"{error['message']}. {error['what_to_do']}"
    except (ValueError, KeyError, TypeError):
        return (
            f"what answers at {base} is not Tandem's console (HTTP {answer.status_code}): set TANDEM_CONSOLE_PORT "
            "to its port"
        )


def items(answer: httpx.Response) -> list[dict[str, Any]]:
    """The items of a list."""
    found: list[dict[str, Any]] = answer.json()["items"]
    return found


def print_json(answer: httpx.Response) -> None:
    """What the API said: the same JSON, with nothing in it that a terminal would obey."""
    sys.stdout.write(plain_json(answer.text) + "\n")


def out() -> Console:
    """Where tables go. Without a terminal they are as wide as they need: no id is cut in a pipe."""
    console = terminal(highlight=False)
    return console if console.is_terminal else terminal(highlight=False, width=240)
