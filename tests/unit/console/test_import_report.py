"""The report of an import says what to do, and no spreadsheet computes anything of it."""

from __future__ import annotations

import csv
import io
import re

import msgspec
import pytest
from console.api.import_report import _line, as_text, to_do
from shared.domains import import_kinds
from shared.flows.imports import ImportRequest

from tests.integration.console import records

REQUEST = ImportRequest(id="imp_1", kind="customers", flow_link="l", connection="c", requested_at="t", created_until=1)
KINDS = {kind.name: kind for kind in import_kinds()["customers"].all_conflicts}


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "  =1", '=HYPERLINK("x")', "＝1"])
def test_what_begins_like_a_formula_is_text(text: str) -> None:
    """The texts are of whoever wrote them at a vendor."""
    [row] = csv.reader(io.StringIO(_line((text, "cus_1")), newline=""))

    assert row == [f"'{text}", "cus_1"]


@pytest.mark.parametrize("text", ["Acme;=1+1", "Acme; +1", "Acme\n-1", "Acme\t@x", "a;＝1"])
def test_no_formula_begins_within_a_text(text: str) -> None:
    """Where a semicolon divides the cells of a line, a text in quotes is divided too."""
    cells = re.split(r"[;\t\n]", as_text(text))

    assert len(cells) == 2
    assert cells[1].lstrip().startswith("'")


@pytest.mark.parametrize("text", ["", "cus_1", "a=b", "it's -1", 'say "x", y\nz'])
def test_any_other_text_stays(text: str) -> None:
    """Commas, quotes and ends of lines too."""
    [row] = csv.reader(io.StringIO(_line((as_text(text), "end")), newline=""))

    assert row == [text, "end"]


@pytest.mark.parametrize(
    ("what", "kind", "said"),
    [
        ("waiting", "missing_email", "add an address in Stripe; it goes on by itself then"),
        ("left_out", "same_email", "then tandem import customers --id cus_1 --flow-link l"),
        ("conflicts", "same_email", "tandem conflicts show run_1, then decide"),
        ("failed", "", "tandem dead-letters list --id cus_1, then retry it"),
        ("waiting", "", "tandem runs show run_1 says what it waits for"),
        ("going_on", "", "tandem runs show run_1 says how far it is"),
        ("left_out", "", "tandem import customers --id cus_1 --flow-link l if it should be linked"),
    ],
)
def test_each_says_what_to_do(what: str, kind: str, said: str) -> None:
    """With the exact command and id."""
    run = records.run("1", id="run_1")

    assert said in to_do(REQUEST, what, run, KINDS.get(kind))


def test_a_command_names_any_id() -> None:
    """Togai's ids are of its user: what a shell would take for something else stands in quotes."""
    run = records.run("1", id="run_1", aggregate=f"{records.TOGAI}/account/acme; ls $HOME")

    assert "--id 'acme; ls $HOME' --flow-link l" in to_do(REQUEST, "left_out", run, None)
    assert "list --id 'acme; ls $HOME', then" in to_do(REQUEST, "failed", run, None)


def test_a_preview_asks_nobody_to_mend_what_would_be_made() -> None:
    """A short name is padded, unless a person chose to leave it out."""
    run, preview = records.run("1", id="run_1"), msgspec.structs.replace(REQUEST, dry_run=True)
    left_out = msgspec.structs.replace(preview, choices={"short_name": "leave_out"})

    assert to_do(preview, "conflicts", run, KINDS["short_name"]).startswith("nothing: it would be made")
    assert "then tandem import customers --id cus_1" in to_do(left_out, "conflicts", run, KINDS["short_name"])
