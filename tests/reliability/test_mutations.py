"""The checker is tested: for each invariant a product that breaks it is caught by it, in a small run."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.reliability.asking import asked_of
from tests.reliability.chaos import ProcessFault, VendorFault
from tests.reliability.checker.verdict import INVARIANTS
from tests.reliability.domain import CUSTOMERS
from tests.reliability.mutant import MUTATIONS
from tests.reliability.run import Part, Plan, Result, perform

EVENTS = 60
AT_ONCE = 3
"""Runs side by side: each waits more than it works."""
CREATES = {"match": {"operation": "customers.create"}}
LOOKS = {"match": {"operation": "events.list"}}
CAUGHT: dict[str, tuple[str, list[VendorFault], list[ProcessFault]]] = {
    "drop_events": ("lost", [], []),
    "forget_keys": (
        "doubled",
        # Whoever sees the first customer before the second is made links it, and nothing is doubled: nobody does,
        # neither by webhook nor by looking.
        [
            VendorFault(0, EVENTS, "stripe", "error_after", {"times": 8} | CREATES),
            VendorFault(0, EVENTS, "stripe", "drop", {}),
            VendorFault(0, EVENTS, "stripe", "error_before", LOOKS),
        ],
        [],
    ),
    "forget_phones": ("fields", [], []),
    "forget_ends": ("ended", [], []),
    "send_late": ("backwards", [], []),
    "answer_echoes": ("echo", [], []),
    "heed_no_refusal": (
        "limits",
        [VendorFault(10, EVENTS, "togai", "rate_limited", {"times": 4, "retry_after": 3})],
        [],
    ),
    "use_refused_keys": ("limits", [], [ProcessFault(15, "revoke", "stripe", 6.0)]),
    "write_again": ("second pass", [], []),
    "forget_rows": ("sql", [], []),
}
"""By mutation: the invariant that catches it, and what must go wrong at the vendors for that."""
IN_THE_GATE = ("drop_events", "forget_keys", "write_again", "forget_rows")
"""Those that the two great promises are broken by, and those that are seen in a second pass and in the tables alone."""
OTHERS = pytest.mark.long("the gate has a broken product for each way that a run is checked")


def test_every_invariant_has_a_mutation() -> None:
    """An invariant that no broken product was ever caught by may hold nothing."""
    assert {invariant for invariant, _, _ in CAUGHT.values()} == set(INVARIANTS)
    assert set(CAUGHT) == set(MUTATIONS)


@pytest.fixture(scope="module")
def results(
    request: pytest.FixtureRequest, kafka_bootstrap: str, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Result | BaseException]:
    """What came of the run of every mutation that a test asks for."""
    asked = asked_of(request, "mutation")
    return asyncio.run(_all(asked, tmp_path_factory.mktemp("mutations"), kafka_bootstrap))


async def _all(asked: list[str], home: Path, bootstrap: str) -> dict[str, Result | BaseException]:
    room = asyncio.Semaphore(AT_ONCE)

    async def one(mutation: str) -> Result:
        async with room:
            return await _run(mutation, home / mutation, bootstrap)

    found = await asyncio.gather(*map(one, asked), return_exceptions=True)
    return dict(zip(asked, found, strict=True))


async def _run(mutation: str, home: Path, bootstrap: str) -> Result:
    invariant, spells, hits = CAUGHT[mutation]
    part: Part = "second pass" if invariant == "second pass" else "sql" if invariant == "sql" else "rest"
    plan = Plan(
        5,
        EVENTS,
        rate=15,
        mutation=mutation,
        vendor_faults=spells,
        process_faults=hits,
        patience=30,
        person_patience=8,
        last=part,
        parts=(CUSTOMERS,),
    )
    return await perform(plan, home, bootstrap=bootstrap)


@pytest.mark.parametrize(
    "mutation", [pytest.param(name, marks=[] if name in IN_THE_GATE else OTHERS) for name in CAUGHT]
)
@pytest.mark.timeout(900)
def test_a_broken_product_is_caught(mutation: str, results: dict[str, Result | BaseException]) -> None:
    """By the invariant that is there for it."""
    result = results[mutation]
    if isinstance(result, BaseException):
        raise result
    assert CAUGHT[mutation][0] in {broken.invariant for broken in result.broken}, result.broken
