"""A person's decision as an event, and the commands that a conflict offers."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from console.api.asked import RelinkRequest
from console.api.decisions import Decision
from console.api.errors import BadRequest
from console.api.links import event_of
from console.api.relations import LinkContext
from console.cli.conflicts import commands
from pydantic import ValidationError
from shared.domains import RELATIONS, TRIGGERS
from shared.domains.customers.stripe import LinkChange
from shared.events import envelope as envelopes

from tests.integration.console.records import STRIPE, TOGAI

NOW = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
CONTEXT = LinkContext("link_1", RELATIONS["customer"], "con_togai", {"togai": TOGAI, "stripe": STRIPE})
ACCOUNT, CUSTOMER = f"{TOGAI}/account/acme", f"{STRIPE}/customer/cus_1"


@pytest.mark.parametrize(
    ("account", "customer", "aggregate", "subject"),
    [(ACCOUNT, CUSTOMER, ACCOUNT, "acme"), (ACCOUNT, "", ACCOUNT, "acme"), ("", CUSTOMER, CUSTOMER, "cus_1")],
)
def test_the_event_is_about_the_account_if_one_is_named(
    account: str, customer: str, aggregate: str, subject: str
) -> None:
    """So that it stands in one queue with what happens to that account; it always happened at the organization."""
    sides = {app: ref for app, ref in (("stripe", customer), ("togai", account)) if ref}
    event = event_of(Decision("separate", CONTEXT, "because", sides), "req_1", NOW)

    assert (event.aggregate, event.subject) == (aggregate, subject)
    assert (event.appaccount, event.connection, event.source) == (TOGAI, "con_togai", "urn:tandem:console")
    assert (event.origin, event.cause, event.time) == ("live", "", "2026-11-23T10:00:00.000Z")


def test_the_event_is_what_its_trigger_reads() -> None:
    """Written, read again, and handed to the flow as the catalog's model."""
    event = event_of(Decision("relink", CONTEXT, "a merger", {"togai": ACCOUNT, "stripe": CUSTOMER}), "req_1", NOW)
    read = envelopes.decode(envelopes.encode(event))

    assert TRIGGERS[read.type].extract(read.body()) == LinkChange(
        change="relink",
        togai_account_id="acme",
        stripe_customer_id="cus_1",
        reason="a merger",
        flow_link="link_1",
    )
    assert msgspec.json.decode(envelopes.encode(event))["id"] == "req_1"


@pytest.mark.parametrize(
    ("app", "text", "expected"),
    [
        ("togai", "acme", ACCOUNT),
        ("togai", ACCOUNT, ACCOUNT),
        ("stripe", "cus_1", CUSTOMER),
        ("togai", "with/two/slashes", f"{TOGAI}/account/with/two/slashes"),
    ],
)
def test_an_id_or_a_full_ref_names_a_side(app: str, text: str, expected: str) -> None:
    """An id belongs to the app account of the flow link; it may hold slashes itself."""
    assert CONTEXT.ref(app, text) == expected


def test_the_ref_of_something_else_is_refused() -> None:
    """A Stripe customer is no Togai account, and a Togai customer neither."""
    for text in (CUSTOMER, f"{TOGAI}/customer/acme"):
        with pytest.raises(BadRequest, match="is no Togai account"):
            CONTEXT.ref("togai", text)


@pytest.mark.parametrize("named", [{}, {"togai": "a", "stripe": "b"}])
def test_a_relink_names_one_new_partner(named: dict[str, str]) -> None:
    """With none or two nobody could tell which side stays."""
    with pytest.raises(ValidationError, match="1 item"):
        RelinkRequest(id="map_1", reason="because", sides=named)


def candidate(app: str, noun: str, entity: str, **fields: Any) -> dict[str, Any]:
    return {"app": app, "noun": noun, "id": entity, "state": None, "mapping": None} | fields


def conflict(entity: dict[str, Any], candidates: list[dict[str, Any]], **fields: Any) -> dict[str, Any]:
    given = {"entity": entity, "candidates": candidates, "separable": True, "flow_link": "", "relation": "customer"}
    return given | fields


def test_a_conflict_that_separate_does_not_end_does_not_offer_it() -> None:
    """And where several flow links could do it, each command names the one."""
    found = conflict(
        candidate("stripe", "customer", "cus_1"),
        [candidate("togai", "account", "held", state="linked", mapping="map_h")],
        separable=False,
        flow_link="link_2",
    )

    assert commands(found) == ["tandem mappings relink map_h --side stripe=cus_1 --flow-link link_2 --reason ..."]


def test_a_conflict_offers_a_command_for_each_candidate() -> None:
    """Free ones are linked, linked ones relinked, those of the same side only shown; and none of them is a choice."""
    found = conflict(
        candidate("stripe", "customer", "cus_1"),
        [
            candidate("togai", "account", "acme"),
            candidate("togai", "account", "two words", state="separate", mapping="map_s"),
            candidate("togai", "account", "held", state="linked", mapping="map_h"),
            candidate("stripe", "customer", "cus_2"),
        ],
    )

    assert commands(found) == [
        "tandem mappings link stripe=cus_1 togai=acme --reason ...",
        "tandem mappings link stripe=cus_1 'togai=two words' --reason ...",
        "tandem mappings relink map_h --side stripe=cus_1 --reason ...",
        "tandem mappings separate cus_1 --reason ...",
    ]


def test_a_conflict_of_an_account_offers_customers() -> None:
    """Each side is named with its app, the entity in conflict first."""
    found = conflict(
        candidate("togai", "account", "acme"),
        [
            candidate("stripe", "customer", "cus_1"),
            candidate("stripe", "customer", "cus_2", state="deleted", mapping="map_2"),
        ],
    )

    assert commands(found)[:2] == [
        "tandem mappings link togai=acme stripe=cus_1 --reason ...",
        "tandem mappings relink map_2 --side togai=acme --reason ...",
    ]
