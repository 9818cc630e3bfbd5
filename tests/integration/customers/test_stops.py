"""What an import or replay has written already is held and ended too, and what comes live never is."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

from ingress.imports.importer import importer_of

from tests.integration.customers.test_import_console import asked, made_before
from tests.integration.customers.test_replays import run_replays
from tests.stack.console import Console
from tests.stack.imports import known_of
from tests.stack.in_process import InProcess


async def ask(console: Console, method: str, path: str, **what: Any) -> dict[str, Any]:
    answer = await asyncio.to_thread(console.ask, method, path, **what)
    return dict(answer.json()) | {"status": answer.status_code}


async def listed(tandem: InProcess, console: Console, **payload: Any) -> str:
    """An import whose events are all in the log, none of them handled."""
    asked = await ask(console, "POST", "/api/imports", json={"kind": "customers", "payload": payload})
    known = known_of(tandem)
    [request] = known.open()
    wanted = partial(known.wanted, request.id)
    await importer_of(request, None, tandem.settings, tandem.registry, tandem.clients, tandem.log, wanted).run()
    assert known_of(tandem).progress[request.id].state == "listed"
    return str(asked["id"])


def reasons(tandem: InProcess, cause: str) -> set[tuple[str, str]]:
    return {(run.state, run.reason) for run in tandem.runs() if run.cause == cause}


async def test_a_cancelled_import_ends_what_it_wrote(tandem: InProcess, console: Console) -> None:
    """All of it was listed and nothing handled: nothing is made of it, and each run says why."""
    customers = await made_before(tandem, 3, 1)
    name = await listed(tandem, console)
    writes = tandem.writes()
    cancelled = await ask(console, "POST", f"/api/imports/{name}/cancel")
    await tandem.work_off()
    shown = await ask(console, "GET", f"/api/imports/{name}")
    again = await ask(console, "POST", f"/api/imports/{name}/resume")
    unchanged = tandem.writes() == writes
    tandem.deliver(tandem.created_again(customers[-1]))
    await tandem.work_off()

    assert (cancelled["status"], cancelled["state"], shown["state"]) == (200, "cancelled", "cancelled")
    assert reasons(tandem, name) == {("skipped", f"import {name} was cancelled")}
    assert (shown["linked"], shown["left_out"], unchanged) == (0, 3, True)
    assert (again["status"], again["error"]["code"]) == (409, "ended")
    assert tandem.pair(tandem.ref(customers[-1])) is not None


async def test_a_paused_import_holds_what_it_wrote_until_it_is_resumed(tandem: InProcess, console: Console) -> None:
    """It waits without holding up others, and without an end to its patience."""
    customers = await made_before(tandem, 2, 0)
    name = await listed(tandem, console)
    paused = await ask(console, "POST", f"/api/imports/{name}/pause")
    await tandem.work_off()
    held = reasons(tandem, name)
    late = tandem.customer()
    await tandem.drain()
    while_paused = await ask(console, "GET", f"/api/imports/{name}")
    await ask(console, "POST", f"/api/imports/{name}/resume")
    resumed = await ask(console, "GET", f"/api/imports/{name}")
    await tandem.recheck()
    done = await ask(console, "GET", f"/api/imports/{name}")

    assert (paused["state"], while_paused["state"], resumed["state"]) == ("paused", "paused", "working")
    assert held == {("parked", f"import {name} is paused: this goes on after `tandem imports resume {name}`")}
    assert (while_paused["held"], done["held"]) == (2, 0)
    assert tandem.pair(tandem.ref(late)) is not None
    assert (done["state"], done["linked"]) == ("done", 2)
    assert all(tandem.pair(tandem.ref(each)) for each in customers)


async def test_what_waits_of_an_import_ends_with_it(tandem: InProcess, console: Console) -> None:
    """Without any news of the entity, and at once; then nothing is left to stop, and it is said what is."""
    await made_before(tandem, 1, 1)
    name = await listed(tandem, console)
    await tandem.work_off()
    waiting = await ask(console, "GET", f"/api/imports/{name}")
    await ask(console, "POST", f"/api/imports/{name}/cancel")
    await tandem.go_on_unchanged()
    again = await ask(console, "POST", f"/api/imports/{name}/pause")

    assert (waiting["state"], waiting["waiting"]) == ("done", 1)
    assert reasons(tandem, name) == {("skipped", f"import {name} was cancelled")}
    assert again["status"] == 409
    assert "`tandem flow-links disable stripe-customer-to-togai-customer`" in again["error"]["what_to_do"]


async def test_what_a_second_import_waits_for_outlives_the_first(tandem: InProcess, console: Console) -> None:
    """It adds no run of its own; the one that waits goes on for it once the first is cancelled, and ends with it."""
    customers = await made_before(tandem, 2, 2)
    first = (await asked(tandem, console))["id"]
    await asked(tandem, console, created_until="2020-01-01")  # it found nobody, so nothing waits for it
    second = (await asked(tandem, console))["id"]
    await ask(console, "POST", f"/api/imports/{first}/cancel")
    await tandem.go_on_unchanged()
    await tandem.work_off()
    shown = await ask(console, "GET", f"/api/imports/{second}")
    tandem.change(customers[0], email="now@x.test")
    await tandem.drain()
    later = await ask(console, "GET", f"/api/imports/{second}")
    await ask(console, "POST", f"/api/imports/{second}/cancel")
    await tandem.go_on_unchanged()

    assert (shown["state"], shown["waiting"], shown["left_out"]) == ("done", 2, 0)
    assert (later["waiting"], later["done"], tandem.pair(tandem.ref(customers[0])) is not None) == (1, 1, True)
    assert [run for run in tandem.runs() if run.state == "parked"] == []


async def test_what_a_second_import_waits_for_is_not_paused_with_the_first(tandem: InProcess, console: Console) -> None:
    """Both count what is made then, and the first one can end once it is resumed."""
    [customer] = await made_before(tandem, 1, 1)
    first, second = [(await asked(tandem, console))["id"] for _ in range(2)]
    await ask(console, "POST", f"/api/imports/{first}/pause")
    tandem.change(customer, email="now@x.test")
    await tandem.drain()
    await ask(console, "POST", f"/api/imports/{first}/resume")
    shown = [await ask(console, "GET", f"/api/imports/{name}") for name in (first, second)]

    assert [(each["state"], each["done"], each["waiting"]) for each in shown] == [("done", 1, 0)] * 2


async def test_an_import_with_other_choices_waits_by_itself(tandem: InProcess, console: Console) -> None:
    """What the first leaves out once it has an address is put among the conflicts by the second, as it was asked."""
    tandem.customer(email="twin@x.test")
    [customer] = await made_before(tandem, 1, 1)
    await asked(tandem, console, ids=[customer])
    second = await asked(tandem, console, ids=[customer], choices={"same_email": "decide"})
    tandem.change(customer, email="twin@x.test")
    await tandem.drain()
    shown = await ask(console, "GET", f"/api/imports/{second['id']}")

    assert (shown["conflicts"], shown["left_out"]) == (1, 0)


async def test_a_replay_is_held_and_ended_the_same_way(tandem: InProcess, console: Console) -> None:
    """A change that nobody handled stays as it is."""
    tandem.account("acme", primaryEmail="acme@x.test")
    await tandem.drain()
    tandem.call("togai", "PATCH", "/accounts/acme", json={"primaryEmail": "after@x.test"})
    await tandem.stood_before()
    writes, body = tandem.writes(), {"flow_link": "togai-account-changes"}
    name = (await ask(console, "POST", "/api/replays", json=body))["id"]
    await run_replays(tandem, handle=False)
    paused = await ask(console, "POST", f"/api/replays/{name}/pause")
    await tandem.work_off()
    held = {state for state, _ in reasons(tandem, name)}
    while_paused = await ask(console, "GET", f"/api/replays/{name}")
    await ask(console, "POST", f"/api/replays/{name}/cancel")
    await tandem.recheck()
    shown = await ask(console, "GET", f"/api/replays/{name}")

    assert (paused["state"], held, shown["state"]) == ("paused", {"parked"}, "cancelled")
    assert (while_paused["held"], shown["held"]) == (1, 0)
    assert reasons(tandem, name) == {("skipped", f"replay {name} was cancelled")}
    assert tandem.writes() == writes
