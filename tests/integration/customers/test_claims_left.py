"""Claims that a dead worker had written for both sides of one pair: what was begun comes to its end, once."""

from __future__ import annotations

from typing import Any

import pytest
from shared.events.envelope import timestamp
from shared.identity import create_key, link_id
from shared.linking.claims import now
from shared.linking.mappings import Claim, Mapping, encode

from tests.stack.in_process import InProcess

ACTIONS = {"stripe": "togai.customer.create", "togai": "stripe.customer.create"}
"""What is claimed for an entity of an app."""


class Left:
    """A customer whose metadata names an account, whose events nobody has handled, and the claims that were left."""

    def __init__(self, tandem: InProcess, *, named: bool, names: str = "acme") -> None:
        """`named`: the account's Settings name the customer too. `names`: whom the customer's metadata name."""
        self.tandem = tandem
        self.customer = tandem.customer(email="g@x.test", **{"metadata[togai_account_id]": names})
        setting = {"id": "StripeCustomerId", "name": "StripeCustomerId", "value": self.customer}
        tandem.account(settings=[setting | {"dataType": "STRING", "namespace": "USER"}] if named else [])
        self.refs = {"stripe": tandem.ref(self.customer), "togai": tandem.ref("acme", "togai")}
        self.claims: dict[str, str] = {}

    async def claim(self, app: str, target: str = "", **body: Any) -> None:
        """What the dead worker wrote for the event of one side."""
        source, at = self.refs[app], timestamp(now())
        other = self.refs["stripe" if app == "togai" else "togai"].partition("/")[0]
        key = create_key(source.partition("/")[0], ACTIONS[app], source, 1)
        claim = Claim(action=ACTIONS[app], key=key, body=body, attempt=1, opened_at=at, run=f"run_of_{app}")
        held = Mapping(
            id=link_id(source, "customer", other),
            relation="customer",
            state="claimed",
            source=source,
            target=target,
            at=at,
            run=claim.run,
            claim=claim,
        )
        self.claims[app] = other
        await self.tandem.log.append(self.tandem.topics.mappings, held.id, encode(held))

    async def revive(self) -> None:
        """The worker's next life, to the end of all events."""
        await self.tandem.restart()
        await self.tandem.drain()
        await self.tandem.recheck()

    def states(self) -> dict[str, str]:
        """Of the records that both sides' events began."""
        found = {app: self.tandem.links.claim_of(self.refs[app], other) for app, other in self.claims.items()}
        return {app: held.state for app, held in found.items() if held}


@pytest.mark.parametrize(("first", "second"), [("stripe", "togai"), ("togai", "stripe")])
async def test_two_that_name_each_other_become_one_pair(tandem: InProcess, first: str, second: str) -> None:
    """Each found the other's claim and took itself for its echo: nobody went on, and all that followed waited."""
    left = Left(tandem, named=True)
    await left.claim(first, left.refs[second])
    await left.claim(second, left.refs[first])
    await left.revive()
    [customer] = tandem.customers()

    assert left.states() == {first: "linked", second: "withdrawn"}
    assert set(tandem.linked(left.customer).refs) == set(left.refs.values())
    assert customer["metadata"] == {"togai_account_id": "acme", "togai_customer_id": "c-acme"}
    assert tandem.organization() == ["acme"]
    assert tandem.setting("acme") == left.customer


async def test_the_first_claim_holds_though_the_account_is_claimed_too(tandem: InProcess) -> None:
    """The later claim knows of no customer yet: it is withdrawn, and none is made."""
    left = Left(tandem, named=False)
    await left.claim("stripe", left.refs["togai"])
    await left.claim("togai", name="Customer acme", metadata={"togai_account_id": "acme"})
    await left.revive()

    assert left.states() == {"stripe": "linked", "togai": "withdrawn"}
    assert [one["id"] for one in tandem.customers()] == [left.customer]


async def test_a_customer_that_a_person_named_so_is_no_echo(tandem: InProcess) -> None:
    """The account gets the customer that was begun for it; the other one is shown, for a person to decide."""
    left = Left(tandem, named=False)
    ids = {"togai_account_id": "acme", "togai_customer_id": "c-acme"}
    await left.claim("togai", name="Customer acme", metadata=ids)
    await left.claim("stripe", left.refs["togai"])
    await left.revive()
    run = tandem.runs(left.refs["stripe"], "customer.created")[-1]

    assert left.states() == {"togai": "linked", "stripe": "withdrawn"}
    assert run.problem
    assert (run.state, run.problem.error) == ("parked", "Conflict")
    assert "linked to another customer" in run.reason


@pytest.mark.parametrize("app", ["stripe", "togai"])
async def test_a_link_that_became_a_conflict_is_free_for_a_person(tandem: InProcess, app: str) -> None:
    """The metadata name another account, which a person corrects: the claim of the dead worker is in nobody's way."""
    left = Left(tandem, named=True, names="nowhere")
    await left.claim(app, left.refs["togai" if app == "stripe" else "stripe"])
    await left.revive()
    waiting, found = tandem.runs(left.refs[app], "created")[-1], left.states()
    tandem.by_hand("link", "acme", left.customer)
    await tandem.drain()
    [customer] = tandem.customers()

    assert (waiting.state, found) == ("parked", {app: "withdrawn"})
    assert tandem.linked(left.customer).rule == "manual"
    assert customer["metadata"]["togai_account_id"] == "acme"
