"""From records to rows: what is found by which id, and what is refused."""

from __future__ import annotations

import msgspec
import pytest
from console.projection.rows import (
    CONNECTION,
    DEAD_LETTER,
    MAPPING,
    PAIR_STATE,
    REFUSED_EVENT,
    RUN,
    Kind,
    Name,
    NotShown,
    kinds,
    name_of,
    pair_text,
)
from console.projection.tables import DifferenceRow
from shared.errors import StopWorker
from shared.events import envelope as envelopes
from shared.events.topics import Topics
from shared.flows import imports, replays, runs
from shared.flows.imports import ImportProgress
from shared.flows.replays import ReplayProgress
from shared.linking import mappings, pairs
from shared.settings import Settings

from shared import connections, key_states
from tests.integration.console import records

SCOPE = "stripe:test:acct_1/customer"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("cus_1", Name("cus_1")),
        ("stripe:test:acct_1/customer/cus_1", Name("cus_1", SCOPE)),
        ("togai:test:org/account/with/slashes", Name("with/slashes", "togai:test:org/account")),
        ("a/b/c", Name("a/b/c")),
        ("", Name("")),
    ],
)
def test_a_full_ref_is_taken_apart_and_a_bare_id_stays(text: str, expected: Name) -> None:
    """Only `app:mode:account/noun/id` is a ref; an id may hold slashes itself."""
    assert name_of(text) == expected


def test_a_run_is_found_by_its_event_and_by_every_entity() -> None:
    """Names hold both the id and where it belongs; the row holds what lists filter by."""
    folded = RUN.fold("", runs.encode(records.run("evt_1", 3)))

    assert folded.names == {
        Name("evt_1"),
        Name("cus_evt_1", SCOPE),
        Name("acc_evt_1", "togai:test:org_1/account"),
    }
    assert folded.values
    assert (folded.values["at"], folded.values["state"]) == (records.at(3), "succeeded")


def test_what_is_longer_than_any_id_finds_nothing() -> None:
    """An index of PostgreSQL holds 2,704 bytes: a candidate that a person mistyped must not stop the tables."""
    run = msgspec.structs.replace(records.run("evt_1", 3), refs=["stripe:test:acct_1/customer/" + "x" * 3000, "cus_1"])
    folded = RUN.fold("", runs.encode(run))

    assert {name.name for name in folded.names} == {"evt_1", "cus_evt_1", "cus_1"}


def test_a_mapping_is_found_by_both_sides_the_customer_above_and_its_run() -> None:
    """Also the Togai customer above the account, which is neither source nor target."""
    pair = records.mapping("n")
    folded = MAPPING.fold(pair.id, mappings.encode(pair))

    assert {n.name for n in folded.names} == {"cus_n", "acc_n", "togai_n", pair.run}


def test_a_dead_letter_is_found_by_its_event_run_and_entities() -> None:
    """Who knows any of them finds what was given up on."""
    letter = records.dead_letter("evt_2")
    folded = DEAD_LETTER.fold(letter.id, runs.encode(letter))

    assert letter.run
    assert {n.name for n in folded.names} == {"evt_2", "cus_evt_2", "acc_evt_2", letter.run.id}


def test_a_conflict_is_found_by_its_candidates_and_kept_apart_by_its_error() -> None:
    """Once the run goes on it has no problem any more, and its former candidates do not lead to it."""
    waiting = RUN.fold("", runs.encode(records.conflict("e", f"{records.TOGAI}/account/acme")))
    gone_on = RUN.fold("", runs.encode(records.run("e")))

    assert waiting.values
    assert gone_on.values
    assert (waiting.values["problem"], waiting.values["state"]) == ("Conflict", "parked")
    assert Name("acme", "togai:test:org_1/account") in waiting.names
    assert gone_on.values["problem"] == ""
    assert Name("acme", "togai:test:org_1/account") not in gone_on.names


def test_a_pair_state_becomes_one_row_with_a_part_for_each_difference() -> None:
    """The row tells of which pair, and where its record stands; each part has the field and since when it differs."""
    pair = records.mapping("n")
    both = {"name": records.difference(3), "metadata.VATN": records.difference(4)}
    record = pairs.encode(records.pair_state(pair, "stripe", differences=both, settled=5))
    folded = PAIR_STATE.fold("", record, 17)

    assert folded.values == {
        "id": f"{pair.id}/stripe",
        "mapping": pair.id,
        "pair": pair_text(pair.refs, pair.run),
        "settled": 5,
        "place": 17,
        "record": record,
    }
    assert [(table, p["owner"], p["field"], p["id"], p["at"]) for table, p in folded.parts] == [
        (DifferenceRow, folded.key, "name", f"{pair.id}/name", records.at(3)),
        (DifferenceRow, folded.key, "metadata.VATN", f"{pair.id}/metadata.VATN", records.at(4)),
    ]


def test_the_secrets_of_a_connection_never_enter_sql() -> None:
    """Sealed or not, they are left out before the row is made."""
    folded = CONNECTION.fold("stripe", connections.encode(records.connection()))

    assert folded.values
    assert b"sealed-secret" not in folded.values["record"]


@pytest.mark.parametrize("kind", [RUN, MAPPING, DEAD_LETTER])
def test_a_tombstone_removes_the_row_of_its_key(kind: Kind) -> None:
    """A record without a value is a removal, not an error."""
    folded = kind.fold("some_id", None)

    assert (folded.key, folded.values) == ("some_id", None)


@pytest.mark.parametrize("kind", kinds(Topics(Settings())).values(), ids=lambda kind: kind.name)
@pytest.mark.parametrize("value", [b"", b"{}", b"no json", b"[]"])
def test_what_is_no_record_is_refused(kind: Kind, value: bytes) -> None:
    """A fold raises; the projector stops the partition for it."""
    with pytest.raises(msgspec.DecodeError):
        kind.fold("key", value)


def test_every_kind_refuses_another_major_schema_version() -> None:
    """A newer Tandem wrote it: to guess would show wrong things."""
    samples = {
        "run": runs.encode(records.run("e", schemaversion="2.0")),
        "mapping": mappings.encode(records.mapping("e", schemaversion="2.0")),
        "dead-letter": runs.encode(records.dead_letter("e", schemaversion="2.0")),
        "connection": connections.encode(records.connection(schemaversion="2.0")),
        "key-state": key_states.encode(records.key_state(schemaversion="2.0")),
        "refused-event": envelopes.encode(records.refused_event("e", schemaversion="2.0")),
        "flow-link": connections.encode(records.flow_link(schemaversion="2.0")),
        "pair-state": pairs.encode(records.pair_state(records.mapping("e"), "togai", schemaversion="2.0")),
        "import": imports.encode(ImportProgress(id="imp_1", schemaversion="2.0")),
        "replay": replays.encode(ReplayProgress(id="rpl_1", schemaversion="2.0")),
    }

    for kind in kinds(Topics(Settings())).values():
        with pytest.raises(StopWorker, match="schema version"):
            kind.fold("key", samples[kind.name])


def test_only_refused_ones_of_the_other_events_are_shown() -> None:
    """Their reason and connection; of a good event that nobody knows no table holds anything."""
    folded = REFUSED_EVENT.fold("key", envelopes.encode(records.refused_event("evt_1")))
    good = msgspec.structs.replace(records.refused_event("evt_2"), refused="")

    assert folded.values
    assert (folded.key, folded.values["connection"], folded.values["reason"]) == (
        "stripe/evt_1",
        "stripe",
        "wrong_mode",
    )
    with pytest.raises(NotShown):
        REFUSED_EVENT.fold("key", envelopes.encode(good))


def test_no_text_of_a_row_holds_a_nul() -> None:
    """PostgreSQL refuses it, and one vendor's odd id must not stop the projection."""
    folded = RUN.fold("", runs.encode(records.run("evt\x00_1")))

    assert folded.values
    assert "\x00" not in folded.values["event"]
    assert all("\x00" not in n.name for n in folded.names)
