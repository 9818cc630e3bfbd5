"""What a comparison of both sides of a pair leads to."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from customer_sync.fields import CustomerFields, created_equal, names, owner_of, watched
from customer_sync.patches import carried, stripe_params, togai_changes
from customer_sync.values import STATUS, PairSnapshot, stripe_value, togai_value
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel
from shared.apps.stripe.models import StripeCustomer
from shared.apps.togai.models import TogaiAccount, TogaiCustomer
from shared.identity import digest
from shared.linking.fields import Decision, FieldConflict, decide
from shared.linking.mappings import Mapping
from shared.linking.pairs import Known, Write

MADE_IN_TOGAI = Mapping(
    relation="customer",
    id="map_1", state="linked", source="togai:test:o/account/a", target="stripe:test:s/customer/c", at="", run="r",
    rule="created", origin_app="togai",
)  # fmt: skip
MADE_IN_STRIPE = Mapping(
    relation="customer",
    id="map_1", state="linked", source="stripe:test:s/customer/c", target="togai:test:o/account/a", at="", run="r",
    rule="created", origin_app="stripe",
)  # fmt: skip
PLAIN = {"name": "Acme", "email": "a@acme.test", "phone": "+1", "address": {"line1": "1 St", "country": "US"}}


def both(
    *,
    togai: dict[str, Any] | None = None,
    stripe: dict[str, Any] | None = None,
    alone: bool = True,
    pair: Mapping = MADE_IN_TOGAI,
) -> PairSnapshot:
    """A pair with equal values, but for what is given in Togai's and in Stripe's own names."""
    address = {"phoneNumber": "+1", "line1": "1 St", "country": "US"}
    account = {"id": "a", "customerId": "tc", "name": "Acme", "primaryEmail": "a@acme.test", "address": address}
    customer = {"id": "tc", "name": "Acme", "primaryEmail": "a@acme.test", "address": address}
    for name, value in (togai or {}).items():
        side, _, field = name.partition(".")
        (account if side == "account" else customer)[field] = value
    return PairSnapshot(
        TogaiAccount.model_validate(account),
        TogaiCustomer.model_validate(customer),
        StripeCustomer.model_validate({"id": "c"} | PLAIN | (stripe or {})),
        alone,
        pair is MADE_IN_STRIPE,
    )


def compare(
    seen: PairSnapshot,
    pair: Mapping = MADE_IN_TOGAI,
    known: Known | None = None,
    metadata: tuple[str, ...] = (),
    **more: Any,
) -> Decision:
    """Decide on a pair, by default one that agreed on everything when it was made."""
    seen = replace(seen, is_created_here=pair is MADE_IN_STRIPE)
    agreed = known or Known(agreed=decide(CustomerFields(both(), pair, Known(), more.get("owners", {}), ())).agreed)
    return decide(CustomerFields(seen, pair, agreed, more.get("owners", {}), metadata))


def test_equal_sides_ask_for_nothing() -> None:
    """And both agree on every field from then on."""
    found = compare(both(), known=Known())

    assert not found.writes
    assert found.different == []
    assert set(found.agreed) == set(names(()))


@pytest.mark.parametrize(
    ("changed", "wanted"),
    [
        ({"customer.name": "Acme II"}, {"name": "Acme II"}),
        ({"account.primaryEmail": "new@acme.test"}, {"email": "new@acme.test"}),
        ({"account.primaryEmail": None, "customer.primaryEmail": "c@acme.test"}, {"email": "c@acme.test"}),
        ({"account.address": {"phoneNumber": "+2", "line1": "1 St", "country": "US"}}, {"phone": "+2"}),
        ({"account.address": {"line1": "2 St"}}, {"address": {"line1": "2 St"}}),
        ({"account.status": "ARCHIVED"}, {STATUS: "archived"}),
        ({"customer.status": "ARCHIVED"}, {STATUS: "archived"}),
        ({"customer.name": "x (cus_1)"}, {"name": "x"}),
    ],
)
def test_what_the_owner_changed_in_togai_is_written_to_stripe(changed: dict[str, Any], wanted: dict[str, Any]) -> None:
    """In Stripe's terms, and nothing else."""
    found = compare(both(togai=changed))

    assert found.write == {"togai": {}, "stripe": wanted}
    assert found.different == []


@pytest.mark.parametrize(
    ("changed", "account", "customer"),
    [
        ({"name": "Acme II"}, {"name": "Acme II"}, {"name": "Acme II"}),
        ({"name": "x"}, {"name": "x (c)"}, {"name": "x (c)"}),
        ({"email": "n@x.test"}, {"primaryEmail": "n@x.test"}, {"primaryEmail": "n@x.test"}),
        (
            {"phone": None},
            {"address": {"line1": "1 St", "country": "US"}},
            {"address": {"line1": "1 St", "country": "US"}},
        ),
        ({"address": None}, {"address": {"phoneNumber": "+1"}}, {"address": {"phoneNumber": "+1"}}),
    ],
)
def test_what_the_owner_changed_in_stripe_is_written_to_account_and_customer(
    changed: dict[str, Any], account: dict[str, Any], customer: dict[str, Any]
) -> None:
    """The customer that Tandem made above the account must not keep a stale value: invoices show it."""
    seen = both(stripe=changed)
    found = compare(seen, MADE_IN_STRIPE)

    assert togai_changes(found.write["togai"], seen) == (account, customer)
    assert found.write["stripe"] == {}


def test_with_several_accounts_only_the_account_is_written() -> None:
    """The customer's own fields are the other accounts' too; its name is shown as a difference."""
    seen = both(stripe={"name": "Other", "email": "n@x.test"}, alone=False)
    found = compare(seen, MADE_IN_STRIPE)

    assert togai_changes(found.write["togai"], seen) == ({"primaryEmail": "n@x.test"}, {})
    assert [(d.field, "several linked accounts" in d.reason) for d in found.different] == [("name", True)]


@pytest.mark.parametrize(("pair", "owner"), [(MADE_IN_TOGAI, "togai"), (MADE_IN_STRIPE, "stripe")])
def test_a_change_on_the_other_side_is_shown_and_not_touched(pair: Mapping, owner: str) -> None:
    """Neither copied nor reverted, and both values are shown with the owner."""
    changed = both(stripe={"name": "By hand"}) if owner == "togai" else both(togai={"customer.name": "By hand"})
    found = compare(changed, pair)

    assert not found.writes
    [difference] = found.different
    assert (difference.field, difference.owner) == ("name", owner)
    assert set(difference.values.values()) == {"Acme", "By hand"}
    assert f"owned by {owner.title()}" in difference.reason


def test_the_owners_next_change_of_the_field_ends_the_difference() -> None:
    """And a change of another field leaves it as it is."""
    other_field = compare(both(togai={"account.primaryEmail": "n@x.test"}, stripe={"name": "By hand"}))
    same_field = compare(both(togai={"customer.name": "Acme II"}, stripe={"name": "By hand"}))

    assert other_field.write["stripe"] == {"email": "n@x.test"}
    assert [d.field for d in other_field.different] == ["name"]
    assert same_field.write["stripe"] == {"name": "Acme II"}


@pytest.mark.parametrize(
    ("first", "owners", "field", "owner"),
    [
        ("togai", {}, "name", "togai"),
        ("stripe", {}, "name", "stripe"),
        ("", {}, "name", "togai"),
        ("togai", {"name": "stripe"}, "name", "stripe"),
        ("stripe", {"name": "birth"}, "name", "stripe"),
        ("togai", {"metadata": "stripe"}, "metadata.VATN", "stripe"),
        ("togai", {"metadata": "stripe", "metadata.VATN": "togai"}, "metadata.VATN", "togai"),
        ("stripe", {}, STATUS, "togai"),
    ],
)
def test_the_owner(first: Any, owners: dict[str, str], field: str, owner: str) -> None:
    """By setting, else the side where the customer was first, else Togai."""
    pair = Mapping(
        relation="customer", id="m", state="linked", source="stripe:test:x/y/z", at="", run="r", origin_app=first
    )

    assert owner_of(field, pair, owners) == owner


def test_a_late_write_of_ours_is_repaired_and_a_persons_is_not() -> None:
    """A worker that stood still may send what it decided long ago: its announcement tells it from a person's change."""
    agreed = compare(both(togai={"customer.name": "N2"})).agreed
    late = Write(run="r", to="stripe", fields={"name": digest("N1")}, at=0)
    now = both(togai={"customer.name": "N2"}, stripe={"name": "N1"})

    assert compare(now, known=Known(agreed=agreed, open=(late,))).write["stripe"] == {"name": "N2"}
    assert not compare(now, known=Known(agreed=agreed)).writes


@pytest.mark.parametrize(
    ("stripe", "togai", "reason"),
    [
        ({"email": None}, {}, "demands an e-mail"),
        ({"email": "x" * 321}, {}, "321 characters"),
        ({"name": "Other"}, {"account.status": "ARCHIVED"}, "archived in Togai"),
    ],
)
def test_what_togai_would_refuse_is_a_difference_with_its_reason(
    stripe: dict[str, Any], togai: dict[str, Any], reason: str
) -> None:
    """It is not tried, and goes by itself when it can."""
    found = compare(both(stripe=stripe, togai=togai), MADE_IN_STRIPE)

    assert found.write["togai"] == {}
    assert reason in " ".join(d.reason for d in found.different)


def test_chosen_metadata_travels_and_the_rest_of_the_map_stays() -> None:
    """Togai replaces the whole map, so what is not chosen is sent back as it was."""
    seen = both(
        togai={"account.metadata": {"VATN": "old", "keep": "1"}}, stripe={"metadata": {"VATN": "new", "x": "y"}}
    )
    to_togai = compare(seen, MADE_IN_STRIPE, Known(), metadata=("VATN",))
    to_stripe = compare(seen, MADE_IN_TOGAI, Known(), metadata=("VATN", "none"))

    assert togai_changes(to_togai.write["togai"], seen) == ({"metadata": {"VATN": "new", "keep": "1"}}, {})
    assert stripe_params(to_stripe.write["stripe"]) == {"metadata": {"VATN": "old"}}


def test_what_a_write_to_togai_carries_besides() -> None:
    """Landing late, an address would set the phone number back and the map the rest of it; a person's change is not
    ours to set back.
    """
    seen = both(stripe={"address": {"line1": "2 St"}, "metadata": {"A": "new"}}, togai={"account.metadata": {"B": "1"}})
    found = compare(seen, MADE_IN_STRIPE, Known(), metadata=("A", "B"))
    by_hand = compare(both(stripe={"phone": "+2", "address": {"line1": "2 St"}}), MADE_IN_STRIPE)
    by_hand.different.append(FieldConflict("phone", "stripe", {"togai": "+1", "stripe": "+2"}, "by hand"))
    by_hand.write["togai"].pop("phone")

    assert carried(found, seen, ("A", "B")) == found.write["togai"] | {"phone": "+1", "metadata.B": "1"}
    assert carried(compare(both(stripe={"email": "n@x.test"}), MADE_IN_STRIPE), seen, ()) == {"email": "n@x.test"}
    assert carried(by_hand, seen, ()) == {"address": {"line1": "2 St"}}


def test_an_address_is_sent_whole_to_stripe() -> None:
    """A part that is gone is unset; no address at all unsets all."""
    whole = stripe_params({"address": {"line1": "2 St"}, STATUS: ""})

    assert whole["address"]["line1"] == "2 St"
    assert whole["address"]["country"] == ""
    assert whole["metadata"] == {"togai_status": ""}
    assert stripe_params({"address": {}}) == {"address": ""}


@pytest.mark.parametrize(
    ("changed", "concerns"),
    [
        (["balance"], False),
        (["metadata.togai_account_id", "metadata.togai_customer_id"], False),
        (["metadata.VATN"], True),
        (["metadata.other"], False),
        (["metadata"], True),
        (["balance", "email"], True),
        (["business_name"], True),
        (["metadata.togai_status"], True),
    ],
)
def test_an_update_of_other_fields_needs_no_look(changed: list[str], concerns: bool) -> None:
    """Stripe tells of every payment by an update of the customer."""
    assert watched(changed, ["VATN"]) is concerns


def test_a_pair_is_created_with_what_its_source_owns() -> None:
    """A person's change on the other side right after is then not taken for ours."""
    values = {"name": "Acme", "email": "a@acme.test"}

    assert set(created_equal(MADE_IN_STRIPE, {"email": "togai"}, values)) == {"name"}
    assert created_equal(MADE_IN_TOGAI, {}, values) == {"name": digest("Acme"), "email": digest("a@acme.test")}


# --- any sequence -----------------------------------------------------------------------------------------------------

TEXTS = st.text("abcxyz ", min_size=3, max_size=8).filter(lambda text: len(text.strip()) >= 3).map(str.strip)
TOGAI_EDITS = st.one_of(
    st.tuples(st.just("customer.name"), TEXTS),
    st.tuples(st.just("account.primaryEmail"), TEXTS.map("{}@x.test".format)),
    st.tuples(st.just("account.address"), st.fixed_dictionaries({"phoneNumber": TEXTS, "line1": TEXTS})),
)
STRIPE_EDITS = st.one_of(
    st.tuples(st.just("name"), TEXTS),
    st.tuples(st.just("email"), TEXTS.map("{}@x.test".format)),
    st.tuples(st.just("phone"), TEXTS),
    st.tuples(st.just("address"), st.fixed_dictionaries({"line1": TEXTS})),
)
STEPS = st.lists(
    st.one_of(st.tuples(st.just("togai"), TOGAI_EDITS), st.tuples(st.just("stripe"), STRIPE_EDITS), st.just("look")),
    max_size=14,
)


class World:
    """Both sides, what is known of the pair, and which field was last changed by whom."""

    def __init__(self, pair: Mapping, owners: dict[str, str]) -> None:
        self.pair, self.owners = pair, owners
        self.seen, self.agreed, self.writes = both(), dict[str, str](), 0
        self.compare()

    def edit(self, side: str, change: tuple[str, Any]) -> None:
        name, value = change
        if side == "stripe":
            self.seen = replace(self.seen, stripe=StripeCustomer.model_validate(self._stripe() | {name: value}))
            return
        where, _, field = name.partition(".")
        models: dict[str, type[BaseModel]] = {"account": TogaiAccount, "customer": TogaiCustomer}
        present = getattr(self.seen, where).model_dump(by_alias=True)
        changed: dict[str, Any] = {where: models[where].model_validate(present | {field: value})}
        self.seen = replace(self.seen, **changed)

    def _stripe(self) -> dict[str, Any]:
        return self.seen.stripe.model_dump()

    def compare(self) -> Decision:
        found = decide(CustomerFields(self.seen, self.pair, Known(agreed=self.agreed), self.owners, ()))
        if found.write["stripe"]:
            self.writes += 1
            for name, value in stripe_params(found.write["stripe"]).items():
                self.edit("stripe", (name, value or None))
        account, customer = togai_changes(found.write["togai"], self.seen)
        self.writes += bool(account) + bool(customer)
        for where, changes in (("account", account), ("customer", customer)):
            for name, value in changes.items():
                self.edit("togai", (f"{where}.{name}", value))
        self.agreed = found.agreed
        return found


@given(
    STEPS,
    st.sampled_from([MADE_IN_TOGAI, MADE_IN_STRIPE]),
    st.dictionaries(st.sampled_from(["name", "email", "phone", "address"]), st.sampled_from(["togai", "stripe"])),
)
def test_after_any_sequence_owned_fields_are_equal_or_shown(
    steps: list[Any], pair: Mapping, owners: dict[str, str]
) -> None:
    """A field is equal, or the side that does not own it changed it and that is shown; a second look does nothing."""
    world = World(pair, owners)
    for step in steps:
        if step == "look":
            world.compare()
        else:
            world.edit(*step)
    last = world.compare()
    written = world.writes
    again = world.compare()

    shown = {d.field for d in last.different}
    for name in names(()):
        if name not in shown and name != STATUS:
            assert togai_value(name, world.seen) == stripe_value(name, world.seen.stripe)
    assert world.writes == written
    assert {d.field for d in again.different} == shown


@given(st.lists(st.tuples(st.just("stripe"), STRIPE_EDITS), min_size=1, max_size=5))
def test_what_the_other_side_changed_stays_as_it_is(edits: list[Any]) -> None:
    """However often it is looked at."""
    world = World(MADE_IN_TOGAI, {})
    for edit in edits:
        world.edit(*edit)
        world.compare()
    before = world.seen
    world.compare()

    assert world.seen == before
    assert world.writes == 0
