"""The import in the foreground: which one a start goes on with, and that two starts do not run at once."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from ingress.bulk_import import RUNNER, alone, going_on, parsed, request_for
from ingress.imports.server import is_ours
from shared.connections import FlowLink
from shared.errors import Misconfigured
from shared.flows.imports import ImportProgress, Imports, encode

FLOW = "stripe-customer-to-togai-customer"
LINKS = {"link": FlowLink(id="link", flow=FLOW, connections={"stripe": "con_s", "togai": "con_t"}, enabled=True)}
NOW = 1_790_000_000.0


def known(*records: msgspec.Struct) -> Imports:
    """What the log says."""
    found = Imports()
    for record in records:
        found.apply(0, "", encode(record))
    return found


def test_a_start_begins_a_new_import() -> None:
    """Of everything that was made until now, with what the options say."""
    asked = parsed(["customers", "--dry-run", "--id", "cus_1", "--choice", "same_email=decide"])
    request = request_for(asked, Imports(), LINKS, NOW)

    assert (request.runner, request.connection, request.target) == (RUNNER, "con_s", "con_t")
    assert (request.dry_run, request.ids, request.choices) == (True, ["cus_1"], {"same_email": "decide"})
    assert request.created_until == int(NOW) + 1
    assert not is_ours(request)


def test_a_second_start_goes_on_with_the_first_one() -> None:
    """A paused one too, and one that was killed; not one that has ended or was cancelled."""
    asked = parsed(["customers"])
    first = request_for(asked, Imports(), LINKS, NOW)
    paused = msgspec.structs.replace(first, wanted="pause")
    cancelled = msgspec.structs.replace(first, wanted="cancel")
    ended = ImportProgress(id=first.id, state="listed")

    assert request_for(asked, known(first), LINKS, NOW) == first
    assert request_for(asked, known(paused, ImportProgress(id=first.id, state="paused")), LINKS, NOW) == first
    assert request_for(asked, known(first, ended), LINKS, NOW).id != first.id
    assert request_for(asked, known(cancelled), LINKS, NOW).id != first.id
    assert is_ours(cancelled)


def test_an_earlier_import_is_not_taken_for_another_one() -> None:
    """Who asks for something else reads the name of the one that has not ended."""
    first = request_for(parsed(["customers", "--id", "cus_1"]), Imports(), LINKS, NOW)

    with pytest.raises(Misconfigured, match=f"tandem imports cancel {first.id}"):
        request_for(parsed(["customers", "--id", "cus_2"]), known(first), LINKS, NOW)
    assert request_for(parsed(["customers", "--id", "cus_1"]), known(first), LINKS, NOW).id == first.id


@pytest.mark.parametrize(
    ("links", "said"),
    [
        ({}, "0 flow links"),
        (LINKS | {"other": msgspec.structs.replace(LINKS["link"], id="other")}, "link, other"),
        ({"link": msgspec.structs.replace(LINKS["link"], enabled=False)}, "0 flow links"),
    ],
)
def test_which_flow_link_does_it_must_be_clear(links: dict[str, FlowLink], said: str) -> None:
    """None is guessed, and one that is off imports nothing."""
    with pytest.raises(Misconfigured, match=said):
        request_for(parsed(["customers"]), Imports(), links, NOW)


@pytest.mark.parametrize(
    "options",
    [
        ["nothing"],
        ["customers", "--choice", "same_email=pad"],
        ["accounts", "--created-from", "2026-11-01"],
        ["customers", "--created-from", "2026-11-02", "--created-until", "2026-11-02"],
        ["customers", "--created-from", "2999-01-01"],
        ["customers", "--id", ".."],
        ["customers", "--id", "cus_x\n"],
    ],
)
def test_options_that_do_not_fit_are_refused(options: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """With what there is."""
    with pytest.raises(SystemExit):
        parsed(options)

    assert "error:" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["same_email", "same_email:decide", "same_email=", "=decide", "a=b,same_email", ""])
def test_a_choice_that_is_none_is_never_left_out_silently(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Else the import would run with the choice that its person did not want."""
    with pytest.raises(SystemExit):
        parsed(["customers", "--choice", text])

    assert "same_email=decide" in capsys.readouterr().err


def test_a_time_that_is_none_says_how_one_is_written(capsys: pytest.CaptureFixture[str]) -> None:
    """In a person's words."""
    with pytest.raises(SystemExit):
        parsed(["customers", "--created-from", "yesterday"])

    assert "'yesterday' is no time: write it as 2026-11-01" in capsys.readouterr().err


def test_two_starts_do_not_run_at_once(tmp_path: Path) -> None:
    """The second one is refused until the first one is gone."""
    with (
        alone(tmp_path, "customers"),
        pytest.raises(Misconfigured, match="another start"),
        alone(tmp_path, "customers"),
    ):
        pass
    with alone(tmp_path, "customers"), alone(tmp_path, "accounts"):
        pass


@pytest.mark.parametrize(
    ("options", "what"), [([], "the import of customers"), (["--dry-run"], "the preview of customers")]
)
def test_a_start_says_what_it_goes_on_with(options: list[str], what: str) -> None:
    """A dry run that was left is not taken for the import."""
    request = request_for(parsed(["customers", *options]), Imports(), LINKS, NOW)
    says = going_on(request, ImportProgress(id=request.id, state="paused", listed=30))

    assert says.startswith(f"going on with {request.id}, {what}")
    assert "30 listed so far" in says
    assert f"tandem imports cancel {request.id}" in says
