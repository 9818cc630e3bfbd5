"""Ids come from data alone."""

from __future__ import annotations

import pytest
from shared.identity import AppAccount, Ref, create_key, is_own_key, link_id, run_id, update_key


def test_refs_read_back_what_they_wrote() -> None:
    """An entity's id may hold slashes and colons."""
    ref = Ref(str(AppAccount("togai", "test", "org_1")), "account", "a/b:c")

    assert Ref.parse(str(ref)) == ref
    assert ref.app == "togai"


@pytest.mark.parametrize("text", ["", "x", "a/b"])
def test_what_is_no_ref_is_refused(text: str) -> None:
    """A torn ref never becomes another entity."""
    with pytest.raises(ValueError, match="unpack"):
        Ref.parse(text)


def test_ids_are_the_same_each_time_and_differ_by_every_part() -> None:
    """Whoever gets an event again makes the same ids; nothing else does."""
    keys = {create_key(a, b, c, d) for a in "xy" for b in "xy" for c in "xy" for d in (1, 2)}

    assert len(keys) == 16
    assert create_key("x", "y", "z", 1) == create_key("x", "y", "z", 1)
    assert run_id("l", "a", "e", "t/0/1") == run_id("l", "a", "e", "t/0/1") != run_id("l", "a", "f", "t/0/1")
    assert run_id("l", "a", "e", "t/0/1") != run_id("l", "a", "e", "t/0/2")
    assert link_id("a", "r", "x") != link_id("b", "r", "x") != link_id("b", "s", "x") != link_id("b", "s", "y")
    assert all(len(key) <= 255 for key in keys)


def test_our_own_writes_are_known_by_their_key() -> None:
    """Stripe shows the key of the request behind an event."""
    assert is_own_key(create_key("x", "y", "z", 1))
    assert is_own_key(update_key())
    assert not is_own_key(None)
    assert not is_own_key("somebody-elses")
