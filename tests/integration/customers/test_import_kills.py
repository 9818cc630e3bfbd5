"""Importer and worker die at any point of an import: nobody is lost or made twice, and the counts are the same."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from pathlib import Path

import pytest
from shared.identity import Ref

from tests.integration.customers.conftest import Make
from tests.integration.customers.test_import_console import made_before
from tests.stack.console import Console
from tests.stack.imports import known_of, run_imports
from tests.stack.in_process import InProcess
from tests.stack.points import Died

MANY, WITHOUT = 7, 2
POINTS = 130
"""So many at least, of an import of so many."""


async def died(tandem: InProcess) -> bool:
    """One life of importer and worker: whether it ended by a death. Another process takes its place."""
    dead = False
    try:
        await run_imports(tandem)
    except* Died:
        dead = True
    tandem.points.revive()
    if dead:
        await tandem.restart()
    return dead


async def check(tandem: InProcess, console: Console, customers: list[str], without: int) -> None:
    """Whoever has an address is linked to one account, which no other one has; a second import writes nothing."""
    [request] = known_of(tandem).requests.values()
    found = (await asyncio.to_thread(console.ask, "GET", f"/api/imports/{request.id}")).json()
    pairs = [tandem.pair(tandem.ref(customer)) for customer in customers[without:]]
    state = tandem.control.call("GET", "/state", account=tandem.accounts["togai"]["id"])
    accounts = Counter(
        Ref.parse(next(ref for ref in pair.refs if ref.startswith("togai"))).id for pair in pairs if pair
    )
    writes = tandem.writes()
    await asyncio.to_thread(console.ask, "POST", "/api/imports", json={"kind": "customers"})
    await run_imports(tandem)

    assert (found["state"], found["listed"], found["written"]) == ("done", len(customers), len(customers))
    assert (found["done"], found["waiting"]) == (len(customers) - without, without)
    assert accounts == Counter(account["id"] for account in state["accounts"])
    assert len(accounts) == len(customers) - without
    assert tandem.writes() == writes
    assert tandem.letters() == []


@pytest.mark.parametrize("at", range(2, POINTS, 16))
async def test_a_death_at_any_point(tandem: InProcess, console: Console, at: int) -> None:
    """Of the importer, at its events and its progress; of the worker, at its calls, claims, mappings and runs."""
    customers = await made_before(tandem, MANY, WITHOUT)
    await asyncio.to_thread(console.ask, "POST", "/api/imports", json={"kind": "customers"})
    tandem.points.die_in(at)

    assert await died(tandem)
    assert not await died(tandem)
    await check(tandem, console, customers, WITHOUT)


@pytest.mark.long("test_a_death_at_any_point, at some of the points of one import")
@pytest.mark.parametrize("seed", range(3))
async def test_deaths_again_and_again(make: Make, tmp_path: Path, seed: int) -> None:
    """45 customers; a process lives for a few writes and calls only."""
    tandem, chance = await make(default_currency="USD"), random.Random(seed)
    console = Console(tandem, tmp_path)
    customers = await made_before(tandem, 45, 14)
    await asyncio.to_thread(console.ask, "POST", "/api/imports", json={"kind": "customers"})
    deaths = 0
    try:
        for _ in range(60):
            tandem.points.die_in(chance.randrange(15, 120))
            deaths += await died(tandem)
        tandem.points.at = lambda _: None
        assert not await died(tandem)
        await check(tandem, console, customers, 14)
    finally:
        console.close()

    assert deaths > 5
