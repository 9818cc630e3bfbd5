"""What a write to a customer set, in the terms in which both sides are compared."""

from __future__ import annotations

from typing import Any

import pytest
from shared.domains import RELATIONS
from shared.domains.writes import FieldWrite

STRIPE = "stripe:test:acct_1/customer/cus_1"
ACCOUNT, ABOVE = "togai:test:org_1/account/acme", "togai:test:org_1/customer/acme"


@pytest.mark.parametrize(
    ("entity", "set_", "expected"),
    [
        (STRIPE, {"phone": "+1", "email": ""}, {"phone": {"phone": "+1"}, "email": {"email": ""}}),
        (STRIPE, {"address": {"city": "Paris", "line2": ""}}, {"address": {"address": {"city": "Paris"}}}),
        (STRIPE, {"address": ""}, {"address": {"address": {}}}),
        (
            STRIPE,
            {"metadata": {"VATN": "1", "togai_status": "archived"}},
            {"metadata": {"metadata.VATN": "1", "status": "archived"}},
        ),
        (ACCOUNT, {"primaryEmail": "a@x.test"}, {"primaryEmail": {"email": "a@x.test"}}),
        (
            ACCOUNT,
            {"address": {"phoneNumber": "+1", "postalCode": "75001"}},
            {"address": {"phone": "+1", "address": {"postal_code": "75001"}}},
        ),
        (ACCOUNT, {"metadata": {"VATN": "1"}, "name": "A"}, {"metadata": {"metadata.VATN": "1"}, "name": {}}),
        (ABOVE, {"name": "A", "primaryEmail": "a@x.test"}, {"name": {"name": "A"}}),
    ],
)
def test_a_write_is_read_as_fields(entity: str, set_: dict[str, Any], expected: dict[str, Any]) -> None:
    """Each parameter by the fields in it; what is compared at another entity is left out."""
    assert RELATIONS["customer"].fields_of(FieldWrite(entity=entity, set=set_, former={})) == expected


def test_what_togai_takes_no_value_back_of_stays() -> None:
    """An address and metadata can be emptied."""
    former = {"primaryEmail": None, "address": None, "metadata": None, "name": "A"}

    assert RELATIONS["customer"].lasting(FieldWrite(entity=ACCOUNT, set={}, former=former)) == {"primaryEmail"}
