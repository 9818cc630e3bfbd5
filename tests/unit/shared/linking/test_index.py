"""The index of entities: by ref, by address, by the customer above."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from shared.domains import linked_kinds
from shared.errors import StopWorker
from shared.linking.index import Entity, EntityIndex, decode, encode, normalized_email

STRIPE, TOGAI = "stripe:test:s", "togai:test:o"
ADDRESS = "a@x.test"


def refs(found: list[Entity]) -> list[str]:
    return [entity.ref for entity in found]


@pytest.mark.parametrize(
    ("given_", "normal"),
    [
        ("  A@X.test ", "a@x.test"),
        (None, ""),
        ("", ""),
        ("STRASSE@X.test", "strasse@x.test"),
        ("quac\u212a@x.test", "quac\u212a@x.test"),
        ("straße@x.test", "straße@x.test"),
        ("\ufb01@x.test", "\ufb01@x.test"),
    ],
)
def test_addresses_are_one_but_for_ascii_capitals_and_space(given_: str | None, normal: str) -> None:
    """No other likeness counts, as that of the Kelvin sign with k, or of a sharp s with ss: nothing is guessed."""
    assert normalized_email(given_) == normal


def test_an_address_is_found_at_its_own_app_account_only() -> None:
    """Of the kinds that relations link: customers in Stripe, accounts in Togai, and not the Togai customer above."""
    index = EntityIndex(linked_kinds())
    for ref in (f"{STRIPE}/customer/c", f"{TOGAI}/account/a", f"{TOGAI}/customer/t", "stripe:live:s/customer/c"):
        index.apply(Entity(ref=ref, email=ADDRESS))

    assert refs(index.with_email(STRIPE, ADDRESS)) == [f"{STRIPE}/customer/c"]
    assert refs(index.with_email(TOGAI, ADDRESS)) == [f"{TOGAI}/account/a"]
    assert index.with_email(STRIPE, "b@x.test") == []


@pytest.mark.parametrize("change", [{"email": "b@x.test"}, {"email": ""}, {"state": "deleted"}, {"state": "archived"}])
def test_the_last_record_holds(change: dict[str, Any]) -> None:
    """Who has another address now, or is gone, is not found by the former one."""
    index, first = EntityIndex(), Entity(ref=f"{STRIPE}/customer/c", email=ADDRESS)
    index.apply(first)
    index.apply(msgspec.structs.replace(first, **change))

    assert index.with_email(STRIPE, ADDRESS) == []
    assert index.get(first.ref) == msgspec.structs.replace(first, **change)


def test_accounts_are_found_by_their_customer() -> None:
    """Also after one moved or is archived."""
    index = EntityIndex()
    for name in ("a", "b"):
        index.apply(Entity(ref=f"{TOGAI}/account/{name}", parent=f"{TOGAI}/customer/t"))
    index.apply(Entity(ref=f"{TOGAI}/account/b", parent=f"{TOGAI}/customer/u", state="archived"))

    assert refs(index.children(f"{TOGAI}/customer/t")) == [f"{TOGAI}/account/a"]
    assert refs(index.children(f"{TOGAI}/customer/u")) == [f"{TOGAI}/account/b"]
    assert len(index.of(TOGAI, "account")) == 2


def test_records_read_back_and_a_newer_major_version_stops() -> None:
    """What a newer Tandem wrote is not guessed at."""
    entity = Entity(ref=f"{STRIPE}/customer/c", email=ADDRESS, seq=3)
    assert decode(encode(entity)) == entity
    with pytest.raises(StopWorker):
        decode(encode(msgspec.structs.replace(entity, schemaversion="2.0")))


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["", "x", "y"]), st.booleans())))
def test_any_history_leaves_what_a_fold_of_the_last_records_has(history: list[tuple[str, str, bool]]) -> None:
    """The topic is compacted: who starts later sees the last records only."""
    followed, last = EntityIndex(), {}
    for name, email, active in history:
        state: Any = "active" if active else "deleted"
        last[name] = Entity(ref=f"{STRIPE}/customer/{name}", email=email, state=state)
        followed.apply(last[name])
    folded = EntityIndex()
    for entity in last.values():
        folded.apply(entity)

    assert len(followed) == len(folded)
    for email in ("x", "y"):
        assert sorted(refs(followed.with_email(STRIPE, email))) == sorted(refs(folded.with_email(STRIPE, email)))
