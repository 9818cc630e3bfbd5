"""What the API shows of a record, and what it never shows."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from console.api import shapes
from console.api.connected import connection_item
from console.projection.pending import Differing
from shared.apps.stripe.app import RIGHTS
from shared.connections import FlowLink
from shared.domains import ACTIONS, TRIGGERS
from shared.key_states import KeyState, KeyStates

from tests.integration.console import records

NOW = datetime(2026, 11, 23, 10, 1, tzinfo=UTC)


def test_a_mapping_shows_the_id_of_each_side_plainly() -> None:
    """Whichever side it began at, and the Togai customer from `also`."""
    shown = shapes.mapping_item(records.mapping("n"), NOW)

    assert [side.id for side in shown.sides] == ["cus_n", "acc_n", "togai_n"]
    assert (shown.origin_app, shown.rule, shown.claimed_for) == ("stripe", "created", None)


def test_a_mapping_shows_its_sides_whatever_their_apps_are() -> None:
    """With their pages at the vendor, where they are known; what is no entity is left out."""
    shown = shapes.mapping_item(records.mapping("n", also=[f"{records.TOGAI}/customer/togai_n", "nonsense"]), NOW)

    assert shown.relation == "customer"
    assert [(side.app, side.kind, side.id) for side in shown.sides] == [
        ("stripe", "customer", "cus_n"), ("togai", "account", "acc_n"), ("togai", "customer", "togai_n"),
    ]  # fmt: skip
    assert shown.sides[0].url == "https://dashboard.stripe.com/acct_1/test/customers/cus_n"
    assert shown.sides[1].url == ""


def test_a_claim_shows_one_side_and_how_long_it_has_stood() -> None:
    """The other side is not there: it is not known yet."""
    shown = shapes.mapping_item(records.claim("n", 0), NOW)

    assert ([side.id for side in shown.sides], shown.target) == (["cus_n"], None)
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
    assert "sealed" not in connection_item(records.connection(), KeyStates()).model_dump_json()


def test_a_connection_shows_what_the_vendor_says_of_its_present_key() -> None:
    """Closed by a 401, or open with what it may not do; what a former key was refused is no word about this one."""
    connection, states = records.connection(fingerprint="new"), KeyStates()
    for fingerprint, operation in (("old", ""), ("old", "events.list"), ("new", "customers.create")):
        states.apply(
            KeyState(
                connection=connection.id, fingerprint=fingerprint, state="refused", operation=operation,
                reason=f"no {fingerprint}", at="2026-11-28T10:00:00.000Z",
            )
        )  # fmt: skip
    shown = connection_item(connection, states)
    former = connection_item(records.connection(fingerprint="old"), states)

    assert (shown.state, shown.reason) == ("open", "")
    assert [(one.operation, one.reason) for one in shown.refused] == [("customers.create", "no new")]
    assert (former.state, former.reason) == ("closed", "no old")


def lacking(operation: str, *links: FlowLink) -> str:
    """What is said of a connection to Stripe whose key may not do something."""
    connection, states = records.connection(app="stripe", fingerprint="f"), KeyStates()
    states.apply(
        KeyState(connection=connection.id, fingerprint="f", state="refused", operation=operation, reason="no right.")
    )
    return "".join(connection_item(connection, states, links=links).problems)


def flow_link(flow: str, *, enabled: bool = True) -> FlowLink:
    connection = records.connection(app="stripe", fingerprint="f")
    return FlowLink(id=f"link_{flow}", flow=flow, connections={"stripe": connection.id}, enabled=enabled)


def test_a_right_that_lacks_is_named_with_the_flow_links_that_need_it() -> None:
    """Those that are on; what may be written may be read; one that needs it not, or is off, is not named."""
    offers, prices = flow_link("togai-plan-to-stripe-payment-link"), flow_link("togai-plan-to-stripe-prices")
    invoices, off = (
        flow_link("togai-invoice-to-stripe-invoice"),
        flow_link("stripe-checkout-to-togai-plan", enabled=False),
    )
    links = lacking("payment_links.create", offers, prices, invoices, off)
    read = lacking("products.retrieve", offers, invoices)

    assert f"flow links {offers.id}, {prices.id} lack it" in links
    assert links.endswith('Give the key the right "Payment Links: write" at Stripe')
    assert f"flow link {offers.id} lacks it" in read
    assert 'the right "Products: read"' in read
    assert "flow link" not in lacking("payment_links.create", invoices)


def test_every_right_that_a_flow_needs_is_known_by_an_operation() -> None:
    """So that a refusal of one can say which flow links lack it."""
    known = {f"{words}: {what}" for words in RIGHTS.values() for what in ("read", "write")}

    asked = {right for action in ACTIONS.values() for right in action.rights}
    asked |= {right for trigger in TRIGGERS.values() for right in trigger.rights}

    assert asked <= known


@pytest.mark.parametrize(
    ("state", "reason", "expected"),
    [
        ("linked", "", "linked"),
        ("linked", "two records of one company", "linked"),
        ("deleted", "cus_n was deleted in Stripe", "Stripe customer deleted"),
        ("deleted", "cus_other was deleted in Stripe", "deleted"),
        ("deleted", "", "deleted"),
        ("withdrawn", "unlinked by hand: cus_n was deleted in Stripe", "withdrawn"),
        ("separate", "another company", "separate by hand"),
    ],
)
def test_a_mapping_says_its_state_in_words(state: str, reason: str, expected: str) -> None:
    """Which side is gone, and that a person decided: not only the name of the state."""
    assert shapes.shown_as(records.mapping("n", state=state, reason=reason)) == expected


def test_the_address_of_a_pair_is_in_no_list() -> None:
    """It is a customer's: only who looks at the one mapping sees it."""
    pair = records.mapping("n", match="ada@example.test")

    assert "ada@example.test" not in shapes.mapping_item(pair, NOW).model_dump_json()
    assert shapes.mapping_detail(pair, NOW).match == "ada@example.test"


def test_a_candidate_tells_who_holds_it() -> None:
    """Linked to whom, or nobody's; a mapping that is not linked has no partner to tell."""
    pair = records.mapping("n")
    free = shapes.candidate(pair.target, None)
    held = shapes.candidate(pair.target, pair)
    gone = shapes.candidate(pair.target, records.mapping("n", state="deleted"))

    assert (free.app, free.noun, free.id, free.mapping, free.state) == ("togai", "account", "acc_n", None, None)
    assert (held.mapping, held.state, held.linked_to) == (pair.id, "linked", pair.source)
    assert (gone.state, gone.linked_to) == ("deleted", None)


def test_an_entity_is_no_candidate_for_itself() -> None:
    """Whatever stopped the run names everybody that is concerned; there is nothing to choose in the one that asks."""
    own, other = f"{records.STRIPE}/customer/cus_e", f"{records.TOGAI}/account/acme"
    run = records.conflict("e", own, other)
    shown, listed = shapes.conflict_item(run, {}), shapes.run_item(run)

    assert [candidate.ref for candidate in shown.candidates] == [other]
    assert listed.problem
    assert listed.problem.candidates == [other]


def test_a_difference_shows_values_and_not_their_json() -> None:
    """Text, addresses, and nothing at all; what is no JSON stands as it is."""
    found = records.difference(togai='{"city":"Paris"}', stripe="null")
    shown = shapes.difference_item(Differing(records.mapping("n"), "address", found))
    odd = shapes.difference_item(Differing(records.mapping("n"), "name", records.difference(togai="no json")))

    assert (shown.values, shown.owner) == ({"togai": {"city": "Paris"}, "stripe": None}, "togai")
    assert [side.id for side in shown.sides] == ["cus_n", "acc_n"]
    assert odd.values["togai"] == "no json"
