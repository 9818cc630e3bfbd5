"""The mapping index: order by offset decides, withdrawn records hold nothing, repeats change nothing."""

from __future__ import annotations

from typing import Any, cast

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from shared.errors import StopWorker
from shared.events.topics import Topics
from shared.linking.claims import Links
from shared.linking.mapping_index import LinkIndex
from shared.linking.mappings import Claim, Mapping, decode, encode
from shared.settings import Settings

from tests.fakes.log import FakeLog

A, B, C = "togai:test:o/account/a", "stripe:test:s/customer/b", "stripe:test:s/customer/c"


RELATION = "customer"


class Index(LinkIndex):
    """An index that is asked of the one relation of these tests."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self.of(RELATION), name)

    def claim_by(self, source: str) -> Mapping | None:
        """The record that an entity's own event began."""
        return next((m for _, m in self.found(source) if m.source == source and m.state != "unlinked"), None)


def claim(attempt: int = 1, first_offset: int = -1, match: str = "", key: str = "k", last_seen_link: str = "") -> Claim:
    return Claim(
        action="x", key=key, body={}, attempt=attempt, opened_at="2026-11-23T10:00:00.000Z", run="run_1",
        first_offset=first_offset,
        match=match,
        last_seen_link=last_seen_link,
    )  # fmt: skip


def record(name: str, state: Any, source: str, target: str = "", claimed: Claim | None = None) -> Mapping:
    return Mapping(
        relation="customer", id=name, state=state, source=source, target=target, at="", run="run_1", claim=claimed
    )


def test_a_pair_is_found_from_both_sides() -> None:
    """Either side's ref leads to the mapping."""
    index = Index()
    index.apply(0, record("m1", "linked", A, B))

    assert index.pair(A) == index.pair(B) != None  # noqa: E711
    assert index.pair(C) is None


def test_the_earlier_claim_is_in_the_right() -> None:
    """Two directions make the same pair at once: the later one sees its rival."""
    index = Index()
    index.apply(5, record("m1", "claimed", A, "", claim()))
    index.apply(6, record("m2", "claimed", C, A, claim()))
    first, second = index.claim_by(A), index.claim_by(C)
    assert first
    assert second

    assert index.rival(first) is None
    assert index.rival(second) == first


def test_a_match_value_is_a_rival_too() -> None:
    """Two claims without a common ref, for the same unique value."""
    index = Index()
    index.apply(5, record("m1", "claimed", A, "", claim(match="email:x")))
    index.apply(6, record("m2", "claimed", C, "", claim(match="email:x")))
    second = index.claim_by(C)
    assert second

    assert index.rival(second) == index.claim_by(A)


def test_a_withdrawn_claim_holds_nothing() -> None:
    """The rival goes on when the first gives way, and a claim made again is a new, later one."""
    index = Index()
    index.apply(5, record("m1", "claimed", A, "", claim()))
    index.apply(6, record("m2", "claimed", C, A, claim()))
    index.apply(7, record("m1", "withdrawn", A))
    second = index.claim_by(C)
    assert second
    assert index.rival(second) is None

    index.apply(8, record("m1", "claimed", A, "", claim()))
    again = index.claim_by(A)
    assert again

    assert index.rival(again) == second


def test_a_repeated_claim_keeps_the_first_key_and_body() -> None:
    """Two workers claim the same source in one moment: both must send the same call."""
    index = Index()
    index.apply(5, record("m1", "claimed", A, "", claim(key="first")))
    index.apply(6, record("m1", "claimed", A, "", claim(key="second")))
    held = index.claim_by(A)

    assert held
    assert held.claim
    assert held.claim.key == "first"


def test_a_raised_attempt_keeps_its_place_in_the_order() -> None:
    """After compaction only the later record is left: `first_offset` says how old the claim is."""
    index = Index()
    index.apply(6, record("m2", "claimed", C, A, claim()))
    index.apply(9, record("m1", "claimed", A, "", claim(attempt=2, first_offset=5)))
    second = index.claim_by(C)
    assert second

    assert index.rival(second) == index.claim_by(A)


def test_links_are_found_by_the_customer_above_their_accounts() -> None:
    """Only while they are links: an unlinked account shares nothing any more."""
    index, above = Index(), "togai:test:o/customer/c"
    index.apply(0, msgspec.structs.replace(record("m1", "linked", A, B), also=[above]))
    index.apply(1, msgspec.structs.replace(record("m2", "linked", A + "2", C), also=[above]))
    assert [m.id for m in index.under(above)] == ["m1", "m2"]

    index.apply(2, msgspec.structs.replace(record("m1", "withdrawn", A, B), also=[above]))
    assert [m.id for m in index.under(above)] == ["m2"]


def test_a_pair_linked_between_look_and_claim_is_a_rival() -> None:
    """Its claim is gone by then, and the claimant looked before the link. Whoever knew of the pair goes on."""
    index = Index()
    linked = msgspec.structs.replace(record("m1", "linked", A, B), match="t|s|a@x.test")
    index.apply(5, record("m1", "claimed", A, "", claim(match="t|s|a@x.test")))
    index.apply(6, linked)
    index.apply(7, record("m2", "claimed", C, "", claim(match="t|s|a@x.test")))
    unaware = index.claim_by(C)
    assert unaware

    assert index.rival(unaware) == linked
    assert index.rival(record("m2", "claimed", C, "", claim(match="t|s|a@x.test", last_seen_link="m1"))) is None


def test_an_address_is_remembered_for_a_while_after_the_link() -> None:
    """The index of entities may lag behind; a pair that was taken back is not remembered."""
    index = Index()
    index.apply(0, msgspec.structs.replace(record("m1", "linked", A, B), match="t|s|a@x.test"))
    assert index.recently_linked("t|s|a@x.test") == index.claim_by(A)
    assert index.recently_linked("t|s|b@x.test") is None

    index.apply(1, msgspec.structs.replace(record("m1", "withdrawn", A, B), match="t|s|a@x.test"))
    assert index.recently_linked("t|s|a@x.test") is None


def test_what_is_declared_separate_holds_nothing() -> None:
    """A create may claim the entity afterwards."""
    index = Index()
    index.apply(0, record("m1", "separate", A))
    assert index.holders_of(A) == []

    index.apply(7, record("m1", "claimed", A, "", claim()))
    held = index.claim_by(A)
    assert held
    assert index.order(held) == 7


def test_records_read_back_and_a_newer_major_version_stops() -> None:
    """What is written is what is read."""
    mapping = record("m1", "claimed", A, "", claim())

    assert decode(encode(mapping)) == mapping
    with pytest.raises(StopWorker):
        decode(encode(msgspec.structs.replace(mapping, schemaversion="2.0")))


@given(st.lists(st.tuples(st.sampled_from("123"), st.sampled_from(["claimed", "linked", "withdrawn", "deleted"]))))
def test_the_index_never_names_what_is_not_there(history: list[tuple[str, str]]) -> None:
    """After any history: whatever a ref leads to is a present record that names the ref."""
    index = Index()
    pairs = {"1": (A, B), "2": (B, C), "3": (C, "")}
    for offset, (name, state) in enumerate(history):
        index.apply(offset, record(name, state, *pairs[name], claim() if state == "claimed" else None))

    for ref in (A, B, C):
        for mapping in index.holders_of(ref):
            assert index.claim_by(mapping.source) == mapping
            assert ref in mapping.refs
            assert mapping.state != "withdrawn"


RUN_2 = {"run": "run_2"}


@pytest.mark.parametrize(
    ("known", "late", "holds"),
    [
        (record("m", "linked", A, C), record("m", "deleted", A, B), False),
        (msgspec.structs.replace(record("m", "linked", A, B), **RUN_2), record("m", "deleted", A, B), False),
        (record("m", "linked", A, B), record("m", "deleted", A, B), True),
        (record("m", "linked", A, B), record("m", "claimed", A, "", claim()), False),
        (record("m", "linked", A, B), record("m", "linked", A, C), False),
        (record("m", "deleted", A, B), record("m", "linked", A, B), False),
        (record("m", "withdrawn", A, B), record("m", "deleted", A, B), False),
        (record("m", "withdrawn", A), record("m", "claimed", A, "", claim()), True),
        (record("m", "claimed", A, "", claim()), record("m", "linked", A, B), True),
        (msgspec.structs.replace(record("m", "claimed", A, "", claim()), **RUN_2), record("m", "linked", A, B), False),
        (record("m", "unlinked", A, B), record("m", "linked", A, B), False),
        (record("m", "separate", A), record("m", "claimed", A, "", claim()), True),
    ],
)
def test_a_late_record_does_not_undo_what_came_after_it(known: Mapping, late: Mapping, holds: bool) -> None:
    """A worker that was replaced marks a pair as deleted that a person has linked again meanwhile: nobody follows."""
    index = Index()
    index.apply(0, known)
    index.apply(1, late)

    assert index.present(known) == (late if holds else known)
    assert index.refused(1) is not holds


async def test_who_wrote_a_refused_record_writes_the_valid_one_again() -> None:
    """Compaction keeps the last record of an id: it must be the one that holds."""
    log, index, topics = FakeLog(), Index(), Topics(Settings(_env_file=None))
    claims = Links(log, cast(Any, _Folding(log, index)), index, topics).of(RELATION)
    index.apply(0, msgspec.structs.replace(record("m", "linked", A, C), **RUN_2))
    stood = await claims.mark_deleted(record("m", "linked", A, B), "gone")

    assert (stood.state, stood.target) == ("linked", C)
    assert decode(log.written[-1].value) == stood


class _Folding:
    """A replica that has folded what the log holds."""

    def __init__(self, log: FakeLog, index: LinkIndex) -> None:
        self._log, self._index = log, index

    async def wait_for(self, _topic: str, offset: int) -> None:
        self._index.apply(offset, decode(self._log.written[offset].value))
