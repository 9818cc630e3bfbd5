"""What else a kind of import lets a person choose: said once, by its domain's manifest."""

from __future__ import annotations

import pytest
import typer
from console.api.imports import ImportPayload
from console.cli.imports import options_of, run_app
from ingress.bulk_import import parsed
from pydantic import ValidationError
from shared.domains import import_kinds


def test_an_option_is_a_choice_by_its_own_name() -> None:
    """In the API and its description; empty is none, and a name that no kind has is refused."""
    both = ImportPayload.model_validate({"billing": "togai", "choices": {"same_email": "decide"}})

    assert both.choices == {"same_email": "decide", "billing": "togai"}
    assert ImportPayload.model_validate({"billing": ""}).choices == {}
    assert ImportPayload.model_json_schema()["properties"]["billing"]["enum"] == ["", "stripe", "togai"]
    for wrong in ({"bill": "togai"}, {"billing": "togai", "choices": "none"}):
        with pytest.raises(ValidationError):
            ImportPayload.model_validate(wrong)


def test_the_command_of_a_kind_has_its_options_and_no_others() -> None:
    """Shown again as they were typed; the script that imports without a console takes them too."""
    commands = typer.main.get_command(run_app).commands  # type: ignore[attr-defined]
    having = {name for name, one in commands.items() if "--billing" in {o for p in one.params for o in p.opts}}

    assert having == {kind.name for kind in import_kinds().values() if kind.options} == {"subscriptions"}
    assert options_of({"billing": "togai"}, "") == " --billing togai"
    assert parsed(["subscriptions", "--billing", "togai"]).selection.choices == {"billing": "togai"}


def test_what_can_follow_an_import_hangs_on_its_options() -> None:
    """And nothing can follow one that has no second step."""
    found = {name: kind.next_of({"billing": "togai"}) for name, kind in import_kinds().items()}

    assert {name for name, step in found.items() if step} == {"subscriptions"}
    assert import_kinds()["subscriptions"].next_of({"billing": "stripe"}) is None
