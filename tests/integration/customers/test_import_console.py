"""An import from the request in the console to its report: real importer and worker, the sandbox at both ends."""

from __future__ import annotations

import asyncio
import csv
import io
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from ingress.bulk_import import RUNNER
from ingress.imports.server import is_ours
from shared.events.envelope import timestamp
from shared.flows.imports import ImportProgress
from shared.flows.imports import encode as encode_import
from shared.key_states import KeyState, encode

from tests.integration.customers.conftest import Make
from tests.stack.console import Console, succeeded
from tests.stack.imports import known_of, run_imports
from tests.stack.in_process import InProcess

ALL, WITHOUT = 45, 14


async def asked(tandem: InProcess, console: Console, kind: str = "customers", **payload: Any) -> dict[str, Any]:
    """An import that a person asks for, when it has ended."""
    body = {"kind": kind, "payload": payload}
    answer = await asyncio.to_thread(console.ask, "POST", "/api/imports", json=body)
    assert answer.status_code == 202, answer.text
    await run_imports(tandem)
    return dict((await asyncio.to_thread(console.ask, "GET", f"/api/imports/{answer.json()['id']}")).json())


async def made_before(tandem: InProcess, count: int, without: int) -> list[str]:
    """Customers at Stripe before Tandem came, the first ones without an address."""
    found = [tandem.customer(name=f"Customer {n}", **({"email": ""} if n < without else {})) for n in range(count)]
    await tandem.stood_before()
    return found


async def test_the_first_landing(tandem: InProcess, console: Console) -> None:
    """45 customers, 14 without an address: a preview writes nothing, an import links 31, a second one nothing."""
    await made_before(tandem, ALL, WITHOUT)
    writes = tandem.writes()
    preview = await asked(tandem, console, dry_run=True)
    after_preview = tandem.writes() - writes
    first = await asked(tandem, console)
    writes = tandem.writes()
    second = await asked(tandem, console)
    kinds = {kind["name"]: kind["count"] for kind in preview["conflict_kinds"]}

    assert (preview["state"], preview["new"], kinds, after_preview) == ("done", 31, {"missing_email": 14}, 0)
    assert (first["state"], first["listed"], first["written"]) == ("done", ALL, ALL)
    assert (first["linked"], first["waiting"], first["done"]) == (31, 14, 31)
    assert (second["linked"], second["already"], second["waiting"], second["done"]) == (0, 31, 14, 31)
    assert tandem.writes() == writes
    assert tandem.letters() == []


async def rows(console: Console, import_id: str) -> dict[str, dict[str, str]]:
    """The report, by the id of each entity."""
    answer = await asyncio.to_thread(console.ask, "GET", f"/api/imports/{import_id}/report")
    assert answer.headers["content-type"].startswith("text/csv")
    return {row["id"]: row for row in csv.DictReader(io.StringIO(answer.text, newline=""))}


async def test_the_report_names_each_that_is_not_linked_and_what_to_do(tandem: InProcess, console: Console) -> None:
    """With the conflict, why, and the run; who is linked is not in it."""
    waits, linked = tandem.customer(email=""), tandem.customer()
    twins = [tandem.customer(email="twin@x.test") for _ in range(2)]
    deleted = tandem.customer()
    tandem.call("stripe", "DELETE", f"/v1/customers/{deleted}")
    await tandem.stood_before()
    found = await asked(tandem, console, ids=[waits, linked, deleted, *twins])
    preview = await asked(tandem, console, dry_run=True)
    report = await rows(console, found["id"])
    foreseen = await rows(console, preview["id"])

    assert report.keys() == {waits, deleted, *twins}
    assert (found["waiting"], found["left_out"], found["linked"]) == (1, 3, 1)
    assert (report[waits]["what"], report[waits]["conflict"]) == ("waiting", "missing_email")
    assert report[waits]["what_to_do"] == "add an address in Stripe; it goes on by itself then"
    assert (report[twins[0]]["what"], report[twins[0]]["conflict"]) == ("left_out", "same_email")
    assert f"tandem import customers --id {twins[0]}" in report[twins[0]]["what_to_do"]
    assert twins[1] in report[twins[0]]["why"]
    assert report[deleted]["why"] == f"{deleted} was deleted in Stripe before it was linked"
    assert report[waits]["run"].startswith("run_")
    assert {name: row["conflict"] for name, row in foreseen.items()} == {
        waits: "missing_email", twins[0]: "same_email", twins[1]: "same_email"
    }  # fmt: skip


async def test_who_was_left_out_for_its_address_can_be_declared_separate(tandem: InProcess, console: Console) -> None:
    """As the report says: it is decided, and the next import makes it. Its twin stays left out."""
    twins = [tandem.customer(email="twin@x.test") for _ in range(2)]
    await tandem.stood_before()
    await asked(tandem, console, ids=twins)
    nobody = await asyncio.to_thread(console.ask, "POST", "/api/mappings/separate", json={"id": "cus_x", "reason": "x"})
    await succeeded(console, "POST", "/api/mappings/separate", json={"id": twins[0], "reason": "two firms"})
    await tandem.work_off()
    again = await asked(tandem, console, ids=twins)

    assert (nobody.status_code, nobody.json()["error"]["code"]) == (409, "no_conflict")
    assert (again["linked"], again["left_out"]) == (1, 1)
    assert tandem.linked(twins[0]).rule == "created"
    assert tandem.pair(tandem.ref(twins[1])) is None


@pytest.mark.parametrize(
    ("kind", "why"),
    [
        ("customers", "Stripe has no customer nope in this account and mode"),
        ("accounts", "Togai: GET /accounts/nope answered 404: Account with id nope not found"),
    ],
)
async def test_an_id_that_its_app_does_not_know_is_left_out(
    kind: str, why: str, tandem: InProcess, console: Console
) -> None:
    """It may be misspelt, or of another account, and is not said to be deleted. No event of it will come, so nothing
    waits and nobody has a letter to look after.
    """
    found = await asked(tandem, console, kind=kind, ids=["nope"])
    [row] = (await rows(console, found["id"])).values()

    assert (found["left_out"], found["failed"], tandem.letters()) == (1, 0, [])
    assert row["why"] == why


@pytest.mark.parametrize("wrong", ["", "..", "cus_x\n", "x" * 256])
async def test_what_can_be_no_id_is_refused(wrong: str, tandem: InProcess, console: Console) -> None:
    """Before anything is written: a person corrects it at once."""
    body = {"kind": "customers", "payload": {"ids": ["cus_1", wrong]}}
    answer = await asyncio.to_thread(console.ask, "POST", "/api/imports", json=body)

    assert answer.status_code == 422
    assert known_of(tandem).requests == {}


async def test_choices_are_of_the_conflicts_that_there_are(tandem: InProcess, console: Console) -> None:
    """A wrong one is refused with those that there are; a right one is carried out."""
    customer = tandem.customer(email="")
    await tandem.stood_before()
    wrong = [{"missing_mail": "wait"}, {"missing_email": "decide"}]
    bodies = [{"kind": "customers", "payload": {"choices": choices}} for choices in wrong]
    answers = [await asyncio.to_thread(console.ask, "POST", "/api/imports", json=body) for body in bodies]
    found = await asked(tandem, console, choices={"missing_email": "leave_out"})

    assert [answer.status_code for answer in answers] == [400, 400]
    assert "there are missing_email" in answers[0].json()["error"]["message"]
    assert "can be wait or leave_out" in answers[1].json()["error"]["message"]
    assert (found["waiting"], found["left_out"]) == (0, 1)
    assert (await rows(console, found["id"]))[customer]["what"] == "left_out"


async def test_who_waited_before_the_import_is_counted_as_waiting(tandem: InProcess, console: Console) -> None:
    """And as linked as soon as it is."""
    customer = tandem.customer(email="")
    await tandem.drain()
    before = await asked(tandem, console)
    tandem.change(customer, email="now@x.test")
    await tandem.drain()
    after = (await asyncio.to_thread(console.ask, "GET", f"/api/imports/{before['id']}")).json()

    assert (before["waiting"], before["done"], before["state"]) == (1, 0, "done")
    assert (after["waiting"], after["done"]) == (0, 1)


@pytest.mark.parametrize(("quota", "over", "said"), [(3, 3, "where 2 stand"), (2, 4, "where 2 or more stand")])
async def test_a_preview_says_whether_togais_limit_would_be_passed(
    make: Make, tmp_path: Path, quota: int, over: int, said: str
) -> None:
    """What stands there is counted no further than the limit."""
    tandem = await make(default_currency="USD", togai_account_quota=quota)
    tandem.account("one")
    tandem.account("two")
    await made_before(tandem, 4, 0)
    console = Console(tandem, tmp_path)
    try:
        found = await asked(tandem, console, dry_run=True)
        page = (await asyncio.to_thread(console.ask, "GET", "/imports", headers={"Accept": "text/html"})).text
    finally:
        console.close()

    assert (found["standing"], found["quota"], found["new"], found["over_quota"]) == (2, quota, 4, over)
    assert said in page


async def test_accounts_are_imported_the_same_way(tandem: InProcess, console: Console) -> None:
    """Same preview, same report."""
    for name in ("a", "b"):
        tandem.account(name, primaryEmail=f"{name}@x.test")
    tandem.customer(email="a@x.test")
    await tandem.stood_before()
    preview = await asked(tandem, console, kind="accounts", dry_run=True)
    found = await asked(tandem, console, kind="accounts")

    assert (preview["new"], preview["matched"], preview["conflicts"]) == (1, 1, 0)
    assert (found["linked"], found["done"]) == (2, 2)
    assert await rows(console, found["id"]) == {}


async def pressed(console: Console, path: str, **fields: str) -> str:
    """A button of a page, and the page that stands afterwards."""
    answer = await asyncio.to_thread(console.ask, "POST", path, data=fields, headers={"Accept": "text/html"})
    return answer.text


async def test_a_person_previews_chooses_and_imports_in_the_console(tandem: InProcess, console: Console) -> None:
    """From the flow link to what is linked, with a choice for a kind of conflict, and the report's link."""
    await made_before(tandem, 2, 1)
    links = (await asyncio.to_thread(console.ask, "GET", "/flow-links")).text
    await pressed(console, "/flow-links/stripe-customer-to-togai-customer/import", payload="{}", do="preview")
    await run_imports(tandem)
    preview = (await asyncio.to_thread(console.ask, "GET", "/imports")).text
    [request] = known_of(tandem).requests.values()
    writes = tandem.writes()
    await pressed(console, f"/imports/{request.id}/run", **{"choice-missing_email": "leave_out"})
    await run_imports(tandem)
    page = (await asyncio.to_thread(console.ask, "GET", "/imports")).text

    assert links.index(">Preview</button>") < links.index(">Trigger now</button>")
    assert "<b>1</b> new" in preview
    assert 'name="choice-missing_email"' in preview
    assert "Import now" in preview
    assert tandem.writes() > writes
    assert "<b>1</b> linked" in page
    assert "<b>1</b> left out" in page
    assert f'href="/api/imports/{request.id}/report"' in page


async def test_trigger_now_takes_a_payload(tandem: InProcess, console: Console) -> None:
    """What does not fit is refused with what does."""
    one, _ = await made_before(tandem, 2, 0)
    path = "/flow-links/stripe-customer-to-togai-customer/import"
    wrong = await pressed(console, path, payload='{"idz": []}', do="run")
    broken = await pressed(console, path, payload="{", do="run")
    unknown = await pressed(console, "/flow-links/none/import", payload="{}", do="run")
    await pressed(console, path, payload=f'{{"ids": ["{one}"]}}', do="run")
    await run_imports(tandem)

    assert "the payload does not fit: idz" in wrong
    assert "the payload does not fit" in broken
    assert "nothing can be imported by none" in unknown
    assert [len(request.ids) for request in known_of(tandem).requests.values()] == [1]
    assert tandem.pair(tandem.ref(one)) is not None


async def test_an_import_is_paused_resumed_and_cancelled_in_the_console(tandem: InProcess, console: Console) -> None:
    """Each button stands where it can be pressed."""
    await made_before(tandem, 1, 0)
    await pressed(console, "/flow-links/stripe-customer-to-togai-customer/import", payload="{}", do="run")
    [request] = known_of(tandem).requests.values()
    pages = [await pressed(console, f"/imports/{request.id}/{change}") for change in ("pause", "resume", "cancel")]
    await run_imports(tandem)

    assert [">Resume</button>" in page for page in pages] == [True, False, False]
    assert [">Pause</button>" in page for page in pages] == [False, True, False]
    assert known_of(tandem).progress[request.id].state == "cancelled"
    assert tandem.log.on(tandem.topics.replay("customer")) == []


async def test_what_a_dead_process_left_is_resumed_by_ingress(tandem: InProcess, console: Console) -> None:
    """One that ran in the foreground: it is not said to run, and says how it goes on."""
    await made_before(tandem, 2, 0)
    await asked(tandem, console, dry_run=True)
    [known] = known_of(tandem).requests.values()
    long_ago = "2026-11-30T10:00:00.000Z"
    for name, seen in (("imp_dead", long_ago), ("imp_alive", timestamp(datetime.now(UTC)))):
        request = msgspec.structs.replace(known, id=name, runner=RUNNER, dry_run=False, requested_at=long_ago)
        await tandem.log.append(tandem.topics.imports, request.key, encode_import(request))
        progress = ImportProgress(id=name, started_at=long_ago, updated_at=seen)
        await tandem.log.append(tandem.topics.imports, progress.key, encode_import(progress))
    dead = await succeeded(console, "GET", "/api/imports/imp_dead")
    paused = await succeeded(console, "POST", "/api/imports/imp_dead/pause")
    for name in ("dead", "alive"):
        await succeeded(console, "POST", f"/api/imports/imp_{name}/resume")
    ours = {name: is_ours(request) for name, request in known_of(tandem).requests.items()}

    assert (dead["state"], paused["state"]) == ("paused", "paused")
    assert f"nobody runs it since {long_ago}" in dead["problem"]
    assert "`tandem imports resume imp_dead` lets ingress go on" in dead["problem"]
    assert (ours["imp_dead"], ours["imp_alive"]) == (True, False)


async def test_togais_quota_is_shown_in_plain_words(tandem: InProcess, console: Console) -> None:
    """In the report and at the connection, which the status shows: whom to ask, and with Togai's own text."""
    [customer] = await made_before(tandem, 1, 0)
    says = "Togai: POST /customers answered 403: The quota of 100 customers is used up"
    refused = KeyState(
        connection="togai", fingerprint=tandem.registry.connections["togai"].fingerprint, state="refused",
        operation="customers.post", quota=True, reason=says, at="2100-01-01T00:00:00Z",
    )  # fmt: skip
    await tandem.log.append(tandem.topics.key_states, refused.key, encode(refused))
    found = await asked(tandem, console)
    [row] = (await rows(console, found["id"])).values()
    connections = (await asyncio.to_thread(console.ask, "GET", "/api/connections")).json()["items"]
    problem = next(each["problems"][0] for each in connections if each["id"] == "togai")

    assert (found["waiting"], row["id"], row["what"], row["why"]) == (1, customer, "waiting", says)
    assert row["what_to_do"] == "ask Togai for more; it goes on by itself within a minute then"
    assert row["conflict"] == "quota_used"
    assert found["problem"].startswith("1 waits for room at Togai, whose quota is used up")
    assert problem.startswith("has used up a quota: ask Togai for more")
    assert problem.endswith(says)


async def test_a_second_import_adds_no_waiting_run(tandem: InProcess, console: Console) -> None:
    """It is counted and reported as the run that waits already: as waiting, and as linked once that one is."""
    [customer] = await made_before(tandem, 1, 1)
    imports = [await asked(tandem, console) for _ in range(3)]
    waiting = [run.id for run in tandem.runs() if run.state == "parked"]
    [row] = (await rows(console, imports[-1]["id"])).values()
    tandem.change(customer, email="now@x.test")
    await tandem.drain()
    later = [(await asyncio.to_thread(console.ask, "GET", f"/api/imports/{each['id']}")).json() for each in imports]

    assert len(waiting) == 1
    assert [(each["waiting"], each["left_out"], each["state"]) for each in imports] == [(1, 0, "done")] * 3
    assert (row["what"], row["conflict"]) == ("waiting", "missing_email")
    assert row["why"].startswith(f"run {waiting[0]} waits for the same already: ")
    assert [(each["waiting"], each["done"]) for each in later] == [(0, 1)] * 3


async def test_a_preview_counts_what_the_import_makes_with_a_longer_name(tandem: InProcess, console: Console) -> None:
    """As new, with the choice still offered; left out, it is a conflict. Only a preview can be carried out."""
    short = tandem.customer(name="Al")
    await tandem.stood_before()
    preview = await asked(tandem, console, dry_run=True)
    left_out = await asked(tandem, console, dry_run=True, choices={"short_name": "leave_out"})
    run = await asyncio.to_thread(console.ask, "POST", f"/api/imports/{preview['id']}/run")
    await run_imports(tandem)
    done = (await asyncio.to_thread(console.ask, "GET", f"/api/imports/{run.json()['id']}")).json()
    again = await asyncio.to_thread(console.ask, "POST", f"/api/imports/{done['id']}/run")

    assert (preview["new"], preview["conflicts"], done["linked"]) == (1, 0, 1)
    assert [(kind["name"], kind["count"], kind["choice"]) for kind in preview["conflict_kinds"]] == [
        ("short_name", 1, "pad")
    ]
    assert (left_out["new"], left_out["conflicts"]) == (0, 1)
    assert tandem.pair(tandem.ref(short)) is not None
    assert (again.status_code, "is no preview" in again.json()["error"]["message"]) == (409, True)


async def test_a_wrong_flow_link_is_refused_with_those_that_there_are(tandem: InProcess, console: Console) -> None:
    """Whoever mistyped it need not look it up."""
    body = {"kind": "customers", "flow_link": "stripe-customer"}
    answer = await asyncio.to_thread(console.ask, "POST", "/api/imports", json=body)

    assert answer.status_code == 409
    assert "stripe-customer-to-togai-customer (on)" in answer.json()["error"]["what_to_do"]
