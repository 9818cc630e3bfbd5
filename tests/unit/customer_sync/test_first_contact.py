"""What the first contact of a pair does: nothing that somebody filled in is emptied, and lossy values stay at home."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from customer_sync.fields import CustomerFields, created_equal
from customer_sync.patches import former_fields, former_params, stripe_params, togai_changes
from customer_sync.values import PairSnapshot
from shared.apps.stripe.models import StripeCustomer
from shared.apps.togai.models import TogaiAccount, TogaiCustomer
from shared.identity import digest
from shared.linking.fields import decide
from shared.linking.mappings import Mapping
from shared.linking.pairs import Difference, Known

LINKED = Mapping(
    relation="customer",
    id="map_1", state="linked", source="togai:test:o/account/a", target="stripe:test:s/customer/c", at="", run="r",
    rule="email",
)  # fmt: skip
STRIPE_OWNS = {"name": "stripe", "email": "stripe", "phone": "stripe", "address": "stripe", "metadata": "stripe"}
FULL = {"line1": "1 St", "city": "Bonn", "country": "DE"}


def pair(
    *, account: dict[str, Any] | None = None, customer: dict[str, Any] | None = None, **stripe: Any
) -> PairSnapshot:
    """A Togai account with name and address of mail only, and a Stripe customer with what is given."""
    return PairSnapshot(
        TogaiAccount.model_validate({"id": "a", "customerId": "tc", "name": "Acme"} | (account or {})),
        TogaiCustomer.model_validate({"id": "tc", "name": "Acme", "primaryEmail": "a@x.test"} | (customer or {})),
        StripeCustomer.model_validate({"id": "c", "name": "Acme", "email": "a@x.test"} | stripe),
    )


def contact(seen: PairSnapshot, owners: dict[str, str] | None = None, known: Known | None = None) -> Any:
    return decide(CustomerFields(seen, LINKED, known or Known(), owners or {}, ("VATN",)))


@pytest.mark.parametrize("owners", [{}, STRIPE_OWNS], ids=["Togai owns", "Stripe owns"])
def test_what_only_stripe_has_is_copied_to_togai(owners: dict[str, str]) -> None:
    """Whichever side owns the field: empty is no value."""
    seen = pair(phone="+49 1", address=FULL, metadata={"VATN": "DE1"})
    found = contact(seen, owners)

    assert found.write["stripe"] == {}
    assert found.write["togai"] == {"phone": "+49 1", "address": FULL, "metadata.VATN": "DE1"}
    assert togai_changes(found.write["togai"], seen) == (
        {"metadata": {"VATN": "DE1"}},
        {"address": {"phoneNumber": "+49 1"} | FULL},
    )


@pytest.mark.parametrize("owners", [{}, STRIPE_OWNS], ids=["Togai owns", "Stripe owns"])
def test_what_only_togai_has_is_copied_to_stripe(owners: dict[str, str]) -> None:
    """Also the name: none is invented over one that stands there."""
    address = {"phoneNumber": "+49 1"} | FULL
    seen = pair(account={"address": address, "metadata": {"VATN": "DE1"}}, name=None)
    found = contact(seen, owners)

    assert found.write["togai"] == {}
    assert found.write["stripe"] == {"name": "Acme", "phone": "+49 1", "address": FULL, "metadata.VATN": "DE1"}


@pytest.mark.parametrize("owners", [{}, STRIPE_OWNS], ids=["Togai owns", "Stripe owns"])
def test_the_fuller_address_wins(owners: dict[str, str]) -> None:
    """One that holds all parts of the other and more is not cut down to it."""
    assert contact(pair(account={"address": {"country": "DE"}}, address=FULL), owners).write["togai"] == {
        "address": FULL
    }
    assert contact(pair(account={"address": FULL}, address={"country": "DE"}), owners).write["stripe"] == {
        "address": FULL
    }


@pytest.mark.parametrize(("owners", "to"), [({}, "stripe"), (STRIPE_OWNS, "togai")])
def test_of_two_filled_values_the_owners_is_written(owners: dict[str, str], to: Any) -> None:
    """It is counted as an overwrite, and the former value is known."""
    seen = pair(account={"address": {"phoneNumber": "+1"}}, phone="+2")
    found = contact(seen, owners)

    assert found.write[to] == {"phone": "+1" if to == "stripe" else "+2"}
    assert found.overwrites == ["phone"]
    assert former_params(stripe_params(found.write["stripe"]), seen.stripe) == (
        {"phone": "+2"} if to == "stripe" else {}
    )
    changes, _ = togai_changes(found.write["togai"], seen)
    assert former_fields(changes, seen.account) == ({"address": {"phoneNumber": "+1"}} if to == "togai" else {})


def test_later_an_owners_emptying_travels() -> None:
    """It is deliberate: both sides had agreed on a value."""
    filled = pair(account={"address": {"phoneNumber": "+1"} | FULL}, phone="+1", address=FULL)
    agreed = contact(filled).agreed
    emptied = pair(phone="+1", address=FULL)

    assert contact(emptied, known=Known(agreed=agreed)).write["stripe"] == {"phone": "", "address": {}}


def test_a_mark_of_a_former_link_is_no_value() -> None:
    """The archive mark is Tandem's own: the account is active, so it goes."""
    found = contact(pair(metadata={"togai_status": "archived"}))

    assert found.write["stripe"] == {"status": ""}


@pytest.mark.parametrize(
    ("stripe", "togai"),
    [
        ({"name": "é" * 256}, {"name": "é" * 254 + "…"}),
        ({"name": "李"}, {"name": "李 (c)"}),
        ({"name": None}, {"name": "a@x.test"}),
        ({"name": " Acme "}, {}),
        ({"address": {"line1": "1 St", "country": "Narnia"}}, {"address": {"line1": "1 St"}}),
        ({"address": {"line1": "1 St", "country": "Narnia"}}, {"address": {"line1": "1 St", "country": "DE"}}),
        ({"address": {"line1": "1 St", "country": "uk"}}, {"address": {"line1": "1 St", "country": "GB"}}),
    ],
    ids=["cut", "padded", "invented", "blanks", "no country", "another country", "a form of a country"],
)
@pytest.mark.parametrize("owners", [{}, STRIPE_OWNS], ids=["Togai owns", "Stripe owns"])
def test_what_tandem_made_of_a_value_never_travels_back(
    stripe: dict[str, Any], togai: dict[str, Any], owners: dict[str, str]
) -> None:
    """Whoever owns the field: both are in step, and stay so when looked at again. What is left out is shown."""
    seen = pair(account=togai, customer=togai, **stripe)
    found = contact(seen, owners)
    again = contact(seen, owners, Known(agreed=found.agreed))

    assert found.write == again.write == {"togai": {}, "stripe": {}}
    assert found.different == again.different
    assert [d.reason for d in found.different] == (
        ["'Narnia' is no country that Togai takes: it is left as it is there"] if "Narnia" in str(stripe) else []
    )


def test_a_country_that_togai_cannot_take_does_not_remove_the_one_there() -> None:
    """The rest of the address follows."""
    seen = pair(account={"address": {"line1": "old", "country": "DE"}}, address={"line1": "new", "country": "Narnia"})
    found = contact(seen, STRIPE_OWNS)

    assert found.write["togai"] == {"address": {"line1": "new", "country": "DE"}}
    assert any("Narnia" in note for note in found.notes)


def test_a_name_is_not_replaced_by_an_invented_one() -> None:
    """Stripe lost its name: Togai demands one, so the last one stays, and that is shown."""
    agreed = contact(pair(), STRIPE_OWNS).agreed
    found = contact(pair(name=None), STRIPE_OWNS, Known(agreed=agreed))

    assert not found.writes
    assert "demands a name" in found.different[0].reason


def test_an_invented_name_follows_the_address_that_it_was_made_of() -> None:
    """No person wrote it, so the next one replaces it."""
    made = {"name": "a@x.test"}
    agreed = contact(pair(name=None, account=made, customer=made), STRIPE_OWNS).agreed
    found = contact(pair(name=None, account=made, customer=made, email="b@x.test"), STRIPE_OWNS, Known(agreed=agreed))

    assert found.write["togai"] == {"email": "b@x.test", "name": "b@x.test"}


def test_a_refused_value_is_not_sent_again() -> None:
    """It is shown with the vendor's text, until it is another one or what else the refusal depends on has changed."""
    seen = pair(customer={"primaryEmail": "x1@invalid"})
    first = contact(seen)
    policy = CustomerFields(seen, LINKED, Known(), {}, ("VATN",))
    first.refuse("stripe", "email", "Stripe refused the value: no", policy)
    [shown] = first.different
    former = Difference(owner="togai", values={}, reason=shown.reason, since="", refused=shown.refused)
    known = Known(differences={"email": former})

    assert first.write["stripe"] == {}
    assert contact(seen, known=known).write["stripe"] == {}
    assert contact(seen, known=known).different == [shown]
    assert contact(pair(customer={"primaryEmail": "y@x.test"}), known=known).write["stripe"] == {"email": "y@x.test"}


def test_a_customer_of_its_own_above_the_account_keeps_its_own_values() -> None:
    """Only what shows the same as the account follows it: a billing address that a person gave the customer stays."""
    seen = pair(account={"primaryEmail": "acc@x.test"}, customer={"primaryEmail": "boss@x.test"}, email="new@x.test")
    found = contact(seen, STRIPE_OWNS)

    assert togai_changes(found.write["togai"], seen) == ({"primaryEmail": "new@x.test"}, {})


def test_one_of_several_accounts_gets_an_address_of_its_own_with_all_that_it_showed() -> None:
    """What stands above is not its own to change, and an address of a phone number alone would hide the street."""
    several = replace(pair(customer={"address": FULL}, phone="+49 1"), is_sole_account=False)
    found = contact(several)

    assert found.write["togai"] == {"phone": "+49 1"}
    assert togai_changes(found.write["togai"], several) == ({"address": {"phoneNumber": "+49 1"} | FULL}, {})


def test_a_value_that_was_changed_above_the_account_alone_is_shown() -> None:
    """Stripe owns it, and Tandem made both: the account is in step, its customer is not."""
    seen = replace(
        pair(account={"primaryEmail": "a@x.test"}, customer={"primaryEmail": "boss@x.test"}), is_created_here=True
    )
    known = Known(agreed={"email": digest("a@x.test")})
    [shown] = contact(seen, STRIPE_OWNS, known).different

    assert (shown.field, shown.values["togai"], shown.values["stripe"]) == ("email", "boss@x.test", "a@x.test")


def test_what_a_create_sent_is_agreed_on_as_it_was_sent() -> None:
    """So the cut value is no news of the owner's at the first comparison."""
    made = Mapping(
        relation="customer",
        id="m",
        state="linked",
        source="stripe:test:s/customer/c",
        at="",
        run="r",
        origin_app="stripe",
    )
    long = "é" * 256
    sent = "é" * 254 + "…"
    seen = pair(account={"name": sent}, customer={"name": sent}, name=long)

    agreed = created_equal(made, {}, {"name": sent})
    assert decide(CustomerFields(seen, made, Known(agreed=agreed), {}, ())).agreed["name"] == agreed["name"]
