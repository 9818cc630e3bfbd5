"""What stays of a customer where records have no end: ids, and not what was sent or matched."""

from __future__ import annotations

import json
from typing import Any

from tests.integration.customers.conftest import Make
from tests.stack.in_process import InProcess

NAME, EMAIL, STREET = "Zoe Marked", "zoe@marked.example", "Marked Street 7"


def last_mappings(tandem: InProcess) -> dict[str, Any]:
    """What compaction leaves of the mappings."""
    return {record.key: json.loads(record.value) for record in tandem.log.on(tandem.topics.mappings)}


def marked(tandem: InProcess) -> list[str]:
    """Who still holds something that names the person."""
    return [
        f"{key}: {found}"
        for key, found in last_mappings(tandem).items()
        if any(word in json.dumps(found) for word in ("Marked", EMAIL))
    ]


def person(tandem: InProcess) -> str:
    return tandem.customer(name=NAME, email=EMAIL, **{"address[line1]": STREET, "address[country]": "DE"})


async def test_a_claims_body_ends_with_the_link(tandem: InProcess) -> None:
    """Name and address stand in the claim as long as they may have to be sent again."""
    customer = person(tandem)
    await tandem.drain()
    pair = tandem.linked(customer)
    bodies = [json.loads(r.value) for r in tandem.log.on(tandem.topics.mappings)]

    assert any(NAME in json.dumps(body) for body in bodies), "the claim held it"
    assert (pair.state, pair.claim) == ("linked", None)
    assert NAME not in json.dumps(last_mappings(tandem))
    assert STREET not in json.dumps(last_mappings(tandem))


async def test_a_claim_that_comes_to_nothing_leaves_nothing(make: Make) -> None:
    """A refused create is withdrawn, and its body and address with it."""
    tandem = await make(default_currency="USD")
    with tandem.control.fault(
        app="togai",
        kind="error_before",
        match={"account": tandem.accounts["togai"]["id"], "operation": "customers.create"},
        status=422,
        times=5,
    ):
        person(tandem)
        await tandem.drain()

    assert {found["state"] for found in last_mappings(tandem).values()} == {"withdrawn"}
    assert marked(tandem) == []


async def test_a_pair_that_ended_keeps_no_address(tandem: InProcess) -> None:
    """Neither one that a person took back, nor one whose customer was deleted."""
    unlinked = person(tandem)
    deleted = tandem.customer(name=NAME, email=f"other-{EMAIL}")
    await tandem.drain()
    account = tandem.linked(unlinked).target.rpartition("/")[2]
    tandem.by_hand("unlink", account, unlinked)
    tandem.call("stripe", "DELETE", f"/v1/customers/{deleted}")
    await tandem.drain()

    assert {found["state"] for found in last_mappings(tandem).values()} >= {"withdrawn", "deleted", "unlinked"}
    assert marked(tandem) == []
