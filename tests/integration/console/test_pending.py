"""What waits for a person: conflicts with their candidates, and fields that differ, in both SQL engines."""

from __future__ import annotations

from typing import Any

import httpx
import msgspec
import pytest
from console.api.state import State
from console.projection import pending
from console.projection.database import Batch, Database, Move
from console.projection.queries import Search
from console.projection.rows import MAPPING, PAIR_STATE, RUN, Kind
from console.projection.tables import DifferenceRow, PairStateRow
from shared.flows.runs import RunError
from shared.kafka.log import Log
from shared.linking import mappings
from shared.linking.mappings import Mapping
from shared.linking.pairs import Side
from sqlmodel import Session, select

from tests.integration.console import records
from tests.integration.console.test_api import put

ACME, BETA = f"{records.TOGAI}/account/acme", f"{records.TOGAI}/account/beta"


class Tables:
    """Folds records into the tables, each at the next offset of its topic."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._next = {"run": 0, "mapping": 0, "pair-state": 0}
        database.positions([(name, 0) for name in self._next])

    def fold(self, kind: Kind, *found: Any) -> None:
        at = self._next[kind.name]
        folded = [kind.fold("", mappings.encode(record), at + n) for n, record in enumerate(found)]
        self._next[kind.name] = at + len(found)
        self._database.fold(Batch([Move((kind.name, 0), at, at + len(found))], folded))

    def tell(self, of: Mapping, side: Side, *fields: str, second: int = 0) -> None:
        """A side's worker records which fields differ."""
        differing = {field: records.difference(second, stripe=f'"{side}"') for field in fields}
        self.fold(PAIR_STATE, records.pair_state(of, side, differences=differing))

    def differing(self, **search: Any) -> list[tuple[str, str, str]]:
        """Mapping, field and Stripe's value of every difference."""
        with Session(self._database.engine) as session:
            found, _ = pending.differences_page(session, Search(**search))
            return [(d.mapping.id, d.field, d.difference.values["stripe"]) for d in found]


@pytest.fixture
def tables(database: Database) -> Tables:
    return Tables(database)


def test_the_later_record_of_both_sides_tells_what_differs(tables: Tables) -> None:
    """By its place in the log, and whatever the records say of time."""
    pair = records.mapping("n")
    tables.fold(MAPPING, pair)
    tables.tell(pair, "togai", "name", "phone")
    tables.tell(pair, "stripe", "name")
    assert tables.differing() == [(pair.id, "name", '"stripe"')]

    tables.tell(pair, "togai")
    assert tables.differing() == []

    tables.tell(pair, "togai", "email")
    assert tables.differing() == [(pair.id, "email", '"togai"')]


def test_a_former_link_says_nothing(tables: Tables) -> None:
    """Relinked to another customer, unlinked, with a deleted side, or not known yet."""
    pair = records.mapping("n")
    tables.tell(pair, "togai", "name")
    assert tables.differing() == []

    tables.fold(MAPPING, pair)
    assert tables.differing() == [(pair.id, "name", '"togai"')]
    for present in (
        msgspec.structs.replace(pair, target=BETA),
        msgspec.structs.replace(pair, state="withdrawn"),
        msgspec.structs.replace(pair, state="deleted"),
    ):
        tables.fold(MAPPING, present)
        assert tables.differing() == [], present

    tables.fold(MAPPING, msgspec.structs.replace(pair, target=BETA))
    tables.tell(msgspec.structs.replace(pair, target=BETA), "stripe", "phone")
    assert tables.differing() == [(pair.id, "phone", '"stripe"')]


def test_a_record_that_was_removed_leaves_nothing(tables: Tables, database: Database) -> None:
    """Neither the row nor its parts; the other side's record then tells."""
    pair = records.mapping("n")
    tables.fold(MAPPING, pair)
    tables.tell(pair, "togai", "name")
    tables.tell(pair, "stripe", "phone")

    database.fold(Batch([Move(("pair-state", 0), 2, 3)], [PAIR_STATE.fold(f"{pair.id}/stripe", None)]))

    assert tables.differing() == [(pair.id, "name", '"togai"')]
    with Session(database.engine) as session:
        assert [row.id for row in session.scalars(select(PairStateRow))] == [f"{pair.id}/togai"]


def test_a_topic_that_was_made_anew_takes_its_parts_along(tables: Tables, database: Database) -> None:
    """What was folded from the former one goes, in both tables."""
    pair = records.mapping("n")
    tables.fold(MAPPING, pair)
    tables.tell(pair, "togai", "name")

    database.forget("pair-state", PAIR_STATE)

    with Session(database.engine) as session:
        assert list(session.scalars(select(DifferenceRow))) == []


def test_what_a_comparison_found_last_is_shown_whatever_is_announced_after_it(tables: Tables) -> None:
    """A write that is announced, or taken back, tells again what its own side found at its last comparison."""
    pair = records.mapping("a")
    tables.fold(MAPPING, pair)
    tables.fold(PAIR_STATE, records.pair_state(pair, "togai", differences={"name": records.difference()}, settled=1))
    tables.fold(PAIR_STATE, records.pair_state(pair, "stripe", settled=2))
    tables.fold(PAIR_STATE, records.pair_state(pair, "togai", differences={"name": records.difference()}, settled=1))

    assert tables.differing() == []


def test_pages_of_differences_meet_without_gap_or_repeat(tables: Tables, database: Database) -> None:
    """Several fields of one pair, and several that began in the same millisecond, may lie on two pages."""
    for number in range(4):
        pair = records.mapping(f"n{number}")
        tables.fold(MAPPING, pair)
        tables.tell(pair, "togai", "name", "phone", second=number // 2)
    whole = [d[:2] for d in tables.differing()]

    seen: list[tuple[str, str]] = []
    after: tuple[str, str] | None = None
    for _ in range(10):
        with Session(database.engine) as session:
            page, after = pending.differences_page(session, Search(limit=3, after=after))
        seen += [(d.mapping.id, d.field) for d in page]
        if after is None:
            break

    assert seen == whole
    assert len(whole) == 8
    with Session(database.engine) as session:
        assert pending.difference_count(session) == 8


def test_differences_are_found_by_any_id_and_by_time(tables: Tables) -> None:
    """Of either side, of the mapping; and only those since a time."""
    for number, name in enumerate(("old", "new")):
        pair = records.mapping(name)
        tables.fold(MAPPING, pair)
        tables.tell(pair, "togai", "name", second=number)
    expected = records.mapping("old").id

    for known in ("cus_old", "acc_old", "togai_old", records.mapping("old").source, expected):
        assert [d[0] for d in tables.differing(id=known)] == [expected], known
    assert [d[0] for d in tables.differing(since=records.at(1))] == [records.mapping("new").id]
    assert tables.differing(id="nobody") == []


def test_who_holds_a_candidate(tables: Tables, database: Database) -> None:
    """A link tells more than a claim, a withdrawn record nothing; the app account counts, not the bare id."""
    linked, claimed = records.mapping("linked"), records.claim("claimed")
    taken_back = records.mapping("back", state="withdrawn")
    rival = records.mapping("rival", state="claimed", target=linked.target)
    tables.fold(MAPPING, linked, claimed, taken_back, rival)
    elsewhere = linked.target.replace("org_1", "org_2")

    with Session(database.engine) as session:
        found = pending.holders(session, [linked.target, claimed.source, taken_back.source, elsewhere, "no ref"])

    expected = {("customer", linked.target): linked.id, ("customer", claimed.source): claimed.id}
    assert {key: m.id for key, m in found.items()} == expected


def test_a_conflict_ends_when_its_run_goes_on(tables: Tables, database: Database) -> None:
    """Only a parked run with that very error is one; one of another kind waits too, but not for a decision."""
    waiting = records.conflict("evt_1", ACME)
    other = msgspec.structs.replace(records.conflict("evt_2"), problem=None)
    tables.fold(RUN, waiting, other, records.conflict("evt_3", state="dead"))

    with Session(database.engine) as session:
        assert [run.event for run in pending.conflicts_page(session, Search())[0]] == ["evt_1"]
        assert pending.conflict_count(session) == 1
    tables.fold(RUN, records.run("evt_1"))
    with Session(database.engine) as session:
        assert pending.conflicts_page(session, Search())[0] == []
        assert pending.conflict(session, waiting.id) is None


def test_one_entity_is_one_conflict(tables: Tables, database: Database) -> None:
    """From a webhook and from a poller: the newest run represents both, and the other one when that went on."""
    first, second = records.conflict("evt_1", ACME, second=1), records.conflict("evt_2", BETA, second=2)
    second = msgspec.structs.replace(second, aggregate=first.aggregate)
    tables.fold(RUN, first, second)

    with Session(database.engine) as session:
        assert [run.event for run in pending.conflicts_page(session, Search())[0]] == ["evt_2"]
        for known, event in ((first.aggregate, "evt_2"), ("evt_1", "evt_1")):
            assert [run.event for run in pending.conflicts_page(session, Search(id=known))[0]] == [event]
        assert pending.conflict_count(session) == 1
    tables.fold(RUN, msgspec.structs.replace(second, state="succeeded", problem=None))
    with Session(database.engine) as session:
        assert [run.event for run in pending.conflicts_page(session, Search())[0]] == ["evt_1"]


async def test_a_conflict_shows_what_there_is_to_choose_from(console: State, api: httpx.AsyncClient, log: Log) -> None:
    """The entity, the reason, and of each candidate who holds it."""
    held = records.mapping("held", target=BETA)
    await put(console, log, records.conflict("evt_1", ACME, BETA, second=5), held)

    (found,) = (await api.get("/api/conflicts")).json()["items"]
    alone = (await api.get(f"/api/conflicts/{found['run']}")).json()

    assert found["run"] == records.conflict("evt_1").id
    assert found["entity"] == {
        "ref": f"{records.STRIPE}/customer/cus_evt_1", "app": "stripe", "noun": "customer", "id": "cus_evt_1",
    }  # fmt: skip
    assert "several in Togai" in found["reason"]
    assert (found["since"], found["next_attempt_at"]) == (records.at(5), records.at(59))
    assert [(c["id"], c["mapping"], c["state"], c["linked_to"]) for c in found["candidates"]] == [
        ("acme", None, None, None),
        ("beta", held.id, "linked", held.source),
    ]
    assert alone == found
    assert (await api.get("/api/conflicts/run_nope")).status_code == 404


async def test_conflicts_are_paged_and_found_by_any_id(console: State, api: httpx.AsyncClient, log: Log) -> None:
    """By the entity, the event, the run and each candidate."""
    for number in range(3):
        await put(console, log, records.conflict(f"evt_{number}", ACME if number else BETA, second=number))

    first = (await api.get("/api/conflicts", params={"limit": 2})).json()
    rest = (await api.get("/api/conflicts", params={"limit": 2, "cursor": first["next_cursor"]})).json()
    pages = [item["entity"]["id"] for item in (*first["items"], *rest["items"])]

    assert (pages, rest["next_cursor"]) == (["cus_evt_2", "cus_evt_1", "cus_evt_0"], None)
    for known in ("cus_evt_0", "evt_0", records.conflict("evt_0").id, "beta", BETA):
        found = (await api.get("/api/conflicts", params={"id": known})).json()["items"]
        assert [item["entity"]["id"] for item in found] == ["cus_evt_0"], known


async def test_a_difference_shows_both_values_and_the_owner(console: State, api: httpx.AsyncClient, log: Log) -> None:
    """As the vendors have them, with the ids of both sides."""
    pair = records.mapping("n")
    name = records.difference(3, togai='"Acme"', stripe="null")
    await put(console, log, pair, records.pair_state(pair, "stripe", differences={"name": name}))

    answer = (await api.get("/api/differences", params={"id": "acc_n"})).json()
    sides = answer["items"][0].pop("sides")

    assert answer["items"] == [
        {
            "mapping": pair.id,
            "relation": "customer",
            "field": "name",
            "owner": "togai",
            "values": {"togai": "Acme", "stripe": None},
            "reason": name.reason,
            "since": records.at(3),
        }
    ]
    assert [side["id"] for side in sides] == ["cus_n", "acc_n"]
    assert (await api.get("/api/differences", params={"cursor": "nonsense"})).status_code == 400


async def test_status_and_metrics_count_what_waits(console: State, api: httpx.AsyncClient, log: Log) -> None:
    """A difference is shown and no fault; a conflict stands still until somebody decides: all is not well."""
    pair = records.mapping("n")
    state = records.pair_state(pair, "togai", differences={"name": records.difference()})
    await put(console, log, pair, state, records.mapping("s", state="separate"))
    before = (await api.get("/api/status")).json()
    await put(console, log, records.conflict("evt_1", ACME))

    status = (await api.get("/api/status")).json()
    metrics = (await api.get("/metrics")).text

    assert (status["counts"]["conflicts"], status["counts"]["differences"]) == (1, 1)
    assert status["counts"]["mappings"] == {"linked": 1, "separate": 1}
    assert (before["healthy"], before["problems"]) == (True, [])
    assert (status["healthy"], status["problems"]) == (
        False,
        ["1 conflict waits for a decision: see `tandem conflicts list`"],
    )
    assert "tandem_conflicts 1.0" in metrics
    assert "tandem_differences 1.0" in metrics


HELD = "OverwritesHeld"
LEAVE = (
    "for your leave to overwrite: see `tandem runs list --state parked` for which, then `tandem flow-links confirm a`"
)


@pytest.mark.parametrize(
    ("left", "says"),
    [
        ([records.dead_letter("e")], "1 dead letter is open: see `tandem dead-letters list --state open`"),
        (
            [records.dead_letter("e"), records.dead_letter("f", id="dead_2")],
            "2 dead letters are open: see `tandem dead-letters list --state open`",
        ),
        (
            [records.waiting("e")],
            "1 entity waits for a change at Stripe or Togai: see `tandem runs list --state parked`",
        ),
        ([records.waiting("e"), records.waiting("f")], "2 entities wait for a change at Stripe or Togai"),
        ([records.waiting("e", "Blocked")], "1 entity waits until a connection is mended: see `tandem runs list"),
        ([records.waiting("e", HELD, flow_link="a")], f"1 entity waits {LEAVE}"),
        (
            [one for link in "ab" for one in (records.flow_link(id=link), records.waiting(link, HELD, flow_link=link))],
            f"2 entities wait {LEAVE}",
        ),
        (
            [
                records.mapping("n"),
                records.pair_state(
                    records.mapping("n"), "togai", differences={"name": records.difference(refused="mark")}
                ),
            ],
            "1 value was refused by a vendor: see `tandem differences list`",
        ),
        (
            [records.connection(), records.key_state()],
            "connection stripe is closed: ",
        ),
    ],
)
async def test_what_waits_for_a_person_is_not_well(
    console: State, api: httpx.AsyncClient, log: Log, left: list[Any], says: str
) -> None:
    """ "All is well" is never said above it: each is a sentence with the command that shows it."""
    await put(console, log, *left)

    status = (await api.get("/api/status")).json()

    assert status["healthy"] is False
    assert len(status["problems"]) == 1
    assert status["problems"][0].startswith(says)
    assert "All is well" not in (await api.get("/status")).text


async def test_what_is_over_is_well(console: State, api: httpx.AsyncClient, log: Log) -> None:
    """A letter that was discarded or is being retried, and runs that wait for a vendor to be back, or for a flow link
    that a person switched off.
    """
    parked = records.run("e", state="parked", problem=RunError(error="Unavailable", reason="away", retryable=True))
    await put(console, log, records.waiting("off", "FlowLinkOff"))
    letters = [records.dead_letter("f", state="discarded"), records.dead_letter("g", id="dead_2", state="retried")]
    await put(console, log, parked, *letters)

    status = (await api.get("/api/status")).json()

    assert (status["healthy"], status["problems"]) == (True, [])


async def test_what_is_off_is_said_and_is_no_problem(console: State, api: httpx.AsyncClient, log: Log) -> None:
    """A person wanted it so; what it missed and holds stands beside it, with the command that switches it on."""
    off = records.flow_link(id="off", enabled=False, changed_at=records.at(0))
    orphan = records.flow_link(id="orphan", enabled=False, connections={"stripe": "gone"})
    behind = records.flow_link(id="behind")
    await put(console, log, records.connection(), records.connection(id="gone", state="removed"), off, orphan, behind)
    missed = [
        records.run(f"m{n}", n, state="missed", flow_link=link) for n, link in enumerate(("off", "orphan", "behind"))
    ]
    await put(console, log, records.waiting("w", "FlowLinkOff", flow_link="off"), *missed)

    status = (await api.get("/api/status")).json()
    page = (await api.get("/status")).text

    assert (status["healthy"], status["problems"], status["counts"]["held_off"]) == (True, [], 1)
    assert status["off"] == [
        "connection gone is removed: `tandem connections add stripe gone`; off with it: orphan; then `tandem "
        "flow-links enable ID` for each, or `tandem flow-links remove ID` to be done with it",
        "1 entity had news while flow link behind was off: `tandem flow-links catch-up behind`",
        "flow link off is off (switched off: `tandem flow-links enable off`); 1 entity had news meanwhile; 1 "
        "entity waits for it",
    ]
    assert "All that is on is well." in page


async def test_a_former_link_of_the_same_two_shows_no_difference(
    console: State, api: httpx.AsyncClient, log: Log
) -> None:
    """They were unlinked and linked again: what differed then says nothing."""
    pair = records.mapping("n")
    former = records.pair_state(pair, "togai", link="run_before", differences={"name": records.difference()})
    await put(console, log, pair, former)

    assert (await api.get("/api/differences")).json()["items"] == []
