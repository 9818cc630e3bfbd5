"""What the API shows of a record, and what it never shows."""

from __future__ import annotations

from datetime import UTC, datetime

from console.api import shapes

from tests.integration.console import records

NOW = datetime(2026, 11, 23, 10, 1, tzinfo=UTC)


def test_a_mapping_shows_the_id_of_each_side_plainly() -> None:
    """Whichever side it began at, and the Togai customer from `also`."""
    shown = shapes.mapping_item(records.mapping("n"), NOW)

    assert (shown.stripe_id, shown.togai_account_id, shown.togai_customer_id) == ("cus_n", "acc_n", "togai_n")
    assert (shown.born, shown.rule, shown.claimed_for) == ("stripe", "created", None)


def test_a_claim_shows_one_side_and_how_long_it_has_stood() -> None:
    """The other side is null, not empty: it is not known yet."""
    shown = shapes.mapping_item(records.claim("n", 0), NOW)

    assert (shown.stripe_id, shown.togai_account_id, shown.target) == ("cus_n", None, None)
    assert shown.claimed_for == 60.0


def test_a_list_hides_the_traceback_and_the_single_record_shows_it() -> None:
    """A list is for people who scan it."""
    letter = records.dead_letter("e")

    assert "Trace: here" not in shapes.dead_letter_item(letter).model_dump_json()
    assert shapes.dead_letter_detail(letter).traceback == "Trace: here"


def test_a_dead_letter_shows_its_event_as_it_came() -> None:
    """Also one whose bytes are no text."""
    letter = records.dead_letter("e", value=b"\xff{}")

    assert shapes.dead_letter_detail(letter).value == "\ufffd{}"


def test_a_connection_never_shows_its_secrets() -> None:
    """Not even sealed: fields are named one by one."""
    assert "sealed" not in shapes.connection_item(records.connection()).model_dump_json()
