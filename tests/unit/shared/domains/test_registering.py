"""A domain is added whole, or it is refused with a sentence and nothing of it is there."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from shared.domains.model import Domain, Kind, Relation

from shared import domains
from tests.made_up.entries import BILLED, DOMAIN, ENTRIES, NOTE_ENTRIES

CUSTOMER = domains.DOMAINS["customer"]


def everything() -> dict[str, Any]:
    """What the rest knows of all domains."""
    return {
        "domains": dict(domains.DOMAINS), "triggers": dict(domains.TRIGGERS), "actions": dict(domains.ACTIONS),
        "relations": dict(domains.RELATIONS), "flows": dict(domains.BUILT_IN), "views": domains.views(),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"noun": "customer"}, "noun customer"),
        ({"service": CUSTOMER.service}, f"service {CUSTOMER.service}"),
        ({"triggers": (*DOMAIN.triggers, DOMAIN.triggers[0])}, f"name {DOMAIN.triggers[0].name}"),
        ({"triggers": (*DOMAIN.triggers, CUSTOMER.triggers[0])}, f"name {CUSTOMER.triggers[0].name}"),
        ({"actions": (*DOMAIN.actions, CUSTOMER.actions[0])}, f"name {CUSTOMER.actions[0].name}"),
        ({"relations": (BILLED, BILLED)}, "relation billed"),
        ({"relations": (BILLED, CUSTOMER.relations[0])}, f"relation {CUSTOMER.relations[0].name}"),
        ({"flows": (*DOMAIN.flows, CUSTOMER.flows[0])}, f"flow {CUSTOMER.flows[0].id}"),
        ({"views": (ENTRIES, replace(ENTRIES, name=CUSTOMER.views[0].name))}, f"view {CUSTOMER.views[0].name}"),
        ({"imports": CUSTOMER.imports}, f"import {CUSTOMER.imports[0].name}"),
        ({"flows": (NOTE_ENTRIES.model_copy(update={"trigger": "ledger.entry.unknown"}),)}, "ledger.entry.unknown"),
        ({"views": (replace(ENTRIES, relation="unknown"),)}, "no relation is that of its view entries"),
    ],
)
def test_a_name_that_is_taken_or_unknown_is_refused(changed: dict[str, Any], said: str) -> None:
    """Of every kind of part that others find by its name."""
    before = everything()
    with pytest.raises(ValueError, match=said.replace(".", r"\.")):
        domains.register(replace(DOMAIN, **changed))

    assert everything() == before


def test_a_relation_within_one_app_has_both_kinds() -> None:
    """As a ledger's entry and the one that takes it back."""
    within = Relation("reversed", source=Kind("ledger", "entry"), target=Kind("ledger", "reversal"))
    made: Domain = replace(DOMAIN, relations=(BILLED, within))
    domains.register(made)
    try:
        assert within in domains.relations_of("ledger", "entry")
        assert within in domains.relations_of("ledger", "reversal")
        assert {("ledger", "entry"), ("ledger", "reversal")} <= domains.linked_kinds()
    finally:
        domains.unregister(made)
