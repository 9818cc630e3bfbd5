"""The story: the same seed tells the same one, and it has everything that people do."""

from __future__ import annotations

from collections import defaultdict

from tests.reliability.customers.model import Story
from tests.reliability.customers.units import FIELDS, Unit

VERBS = {
    "togai.make", "togai.add_account", "togai.change_customer", "togai.change_account", "togai.by_hand",
    "togai.archive_account", "togai.unarchive_account", "togai.archive_customer", "togai.unarchive_customer",
    "stripe.make", "stripe.change", "stripe.delete", "stripe.by_hand",
}  # fmt: skip


def test_the_same_seed_tells_the_same_story() -> None:
    """Action by action, and with the same world at its end; another seed tells another."""
    one, again, other = Story(7, 500), Story(7, 500), Story(8, 500)

    assert one.actions == again.actions
    assert one.world == again.world
    assert one.actions != other.actions


def test_a_story_has_everything_that_people_do() -> None:
    """Every verb, every field, and every kind of unit comes in five hundred actions."""
    story = Story(1, 500)
    units = story.world.units.values()

    assert {action.verb for action in story.actions} == VERBS
    assert {name for unit in units for name in unit.values} == set(FIELDS)
    assert {unit.must for unit in units} == {"link", "wait", "partner", "either"}
    assert any(unit.key.endswith(".1") for unit in units)
    assert 500 <= len(story.actions) <= 502


def test_no_value_comes_twice() -> None:
    """Who looks at a value knows when it was set: what the proof of the order stands on."""
    owners: dict[str, set[str]] = defaultdict(set)
    for unit in Story(3, 2000).world.units.values():
        for name, past in unit.past.items():
            assert len({str(value) for value in past}) == len(past)
            for value in past:
                # Accounts of one customer show its values together; one address on both sides is a case of its own.
                owners[f"{name} {value}"].add(unit.parent or unit.partner.partition(".")[0] or unit.key)

    assert {value: who for value, who in owners.items() if len(who) > 1} == {}


def test_nobody_changes_what_is_archived_or_gone() -> None:
    """Togai takes no change of an archived account, Stripe none of a deleted customer."""
    archived: set[str] = set()
    deleted: set[str] = set()
    for action in Story(5, 3000).actions:
        if action.verb in ("togai.change_account", "togai.by_hand"):
            assert action.unit not in archived
        if action.verb in ("stripe.change", "stripe.by_hand"):
            assert action.unit not in deleted
        if action.verb.endswith("archive_account"):
            (archived.discard if "unarchive" in action.verb else archived.add)(action.unit)
        if action.verb == "stripe.delete":
            deleted.add(action.unit)


def test_an_owners_change_ends_what_was_set_by_hand() -> None:
    """The owner's newest value stands on both sides again."""
    unit = Unit("s1", "stripe")
    unit.set("name", "One")
    unit.hand["name"] = "By hand"
    unit.set("name", "Two")

    assert (unit.values["name"], unit.hand, unit.past["name"]) == ("Two", {}, ["One", "By hand", "Two"])
