"""`tandem doctor`."""

from __future__ import annotations

import asyncio
import sys
from typing import Annotated

import typer
from pydantic import Field
from rich.text import Text
from shared.model import Model
from shared.plain import plain_json

from console.cli import client
from console.cli.errors import settings as read_settings
from console.doctor import Finding, NotChecked, findings


class Diagnosis(Model):
    """What `--json` prints."""

    safe: bool = Field(description="no finding; what could not be looked at is another matter")
    findings: list[Finding]
    not_checked: list[NotChecked]


def diagnose() -> Diagnosis:
    """Look at the installation that this folder's settings describe."""
    from console.local.facts import gather

    facts = asyncio.run(gather(read_settings()))
    found = findings(facts)
    return Diagnosis(safe=not found, findings=found, not_checked=facts.not_checked)


def doctor(json: Annotated[bool, typer.Option("--json", help="One JSON object instead of text.")] = False) -> None:
    """Whether this installation is safe: what is not, and what to do. Exit code 1 if anything is unsafe."""
    found = diagnose()
    if json:
        sys.stdout.write(plain_json(found.model_dump_json(indent=1)) + "\n")
        raise typer.Exit(0 if found.safe else 1)
    out = client.out()
    for one in found.findings:
        out.print(Text(one.what, style="red"))
        out.print(Text(f"  -> {one.remedy}"))
    for missing in found.not_checked:
        out.print(Text(f"not looked at: {missing.what}: {missing.why}", style="yellow"))
    if found.safe:
        out.print(Text("Nothing unsafe was found." if found.not_checked else "Nothing is unsafe.", style="green"))
    raise typer.Exit(0 if found.safe else 1)


def sentence(found: Diagnosis) -> str:
    """One line for `tandem status`, empty if nothing is unsafe."""
    count = len(found.findings)
    return f"unsafe: {count} finding{'' if count == 1 else 's'}, see `tandem doctor`" if count else ""
