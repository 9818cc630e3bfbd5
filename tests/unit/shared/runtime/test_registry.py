"""What cannot be read stops whoever decides by it; what is only newer is read."""

from __future__ import annotations

from collections.abc import Sized
from typing import Any

import msgspec
import pytest
from shared.connections import FlowLink, encode
from shared.domains.flow import Flow
from shared.errors import Misconfigured, StopWorker, UnreadableRecord
from shared.events.topics import Topics
from shared.flows.asked import Wanted
from shared.flows.imports import ImportRequest
from shared.flows.replays import ReplayRequest
from shared.kafka.replica import Replica
from shared.key_states import KeyState
from shared.linking.index import Entity
from shared.linking.mappings import Mapping
from shared.linking.pairs import PairState
from shared.polls import Poll
from shared.runtime.registry import Registry, flow_key
from shared.settings import Settings

SETTINGS = Settings(_env_file=None)
TOPICS = Topics(SETTINGS)
STRIPE, TOGAI = "stripe:test:acct_1", "togai:test:org_1"
CUSTOMER, ACCOUNT = f"{STRIPE}/customer/cus_1", f"{TOGAI}/account/a1"

FLOW: dict[str, Any] = {
    "id": "mine",
    "title": "Mine",
    "direction": "inbound",
    "trigger": "stripe.customer.created",
    "steps": [{"id": "account", "action": "togai.account.read", "input": {"account_id": "a1"}}],
}
CONNECTION = {"id": "c", "app": "stripe", "app_account": STRIPE, "mode": "test", "api_base": "", "sealed": ""}
RECORDS: dict[str, Any] = {
    TOPICS.mappings: Mapping(
        relation="customer", id="map_1", state="linked", source=CUSTOMER, target=ACCOUNT, at="", run="run_1"
    ),
    TOPICS.pair_states: PairState(mapping="map_1", side="togai", pair=[ACCOUNT, CUSTOMER]),
    TOPICS.connections: CONNECTION,
    TOPICS.key_states: KeyState(connection="c", fingerprint="f", state="good"),
    TOPICS.flow_links: FlowLink(id="l", flow="f", connections={"stripe": "c"}),
    TOPICS.flows: FLOW,
    TOPICS.dead_letters: {"id": "dead_1", "state": "open"},
    TOPICS.index: Entity(ref=CUSTOMER, email="a@example.test"),
    TOPICS.polls: Poll(app_account=STRIPE, kind="stripe-events"),
    TOPICS.imports: ImportRequest(
        id="imp_1", requested_at="", kind="customers", flow_link="l", connection="c", created_until=1
    ),
    TOPICS.replays: ReplayRequest(id="rpl_1", requested_at="", noun="customer", flow_links=["l"], since=0, until=1),
}
"""A good record of every topic that a worker decides by."""


def newer(topic: str, **changes: Any) -> bytes:
    """The good record as a later Tandem writes it, with a field that nobody knows here."""
    plain = msgspec.to_builtins(RECORDS[topic]) | {"schemaversion": "1.9", "colour": {"red": 1}}
    return msgspec.json.encode(plain | changes)


def test_every_topic_is_checked_here() -> None:
    """A topic that is folded later cannot be forgotten."""
    assert RECORDS.keys() == Registry().folds(TOPICS).keys()


@pytest.mark.parametrize("topic", RECORDS)
@pytest.mark.parametrize("value", [b"", b"{", b"[]", b'{"id": 1}', b"\xff", b"[" * 50_000 + b"]" * 50_000])
def test_an_unreadable_record_stops_whoever_decides_by_it(topic: str, value: bytes) -> None:
    """Passed over, a claim is made twice and a flow's events are skipped: it says which record, and what to do."""
    fold = Registry().folds(TOPICS)[topic]

    with pytest.raises(UnreadableRecord, match=f"{topic}, offset 7: record k .* update this service") as stopped:
        fold(7, "k", value)

    assert isinstance(stopped.value, StopWorker)


@pytest.mark.parametrize(
    ("topic", "changes"),
    [
        (TOPICS.mappings, {"state": "merged"}),
        (TOPICS.mappings, {"rule": "tax-number"}),
        (TOPICS.pair_states, {"side": "zoho_books"}),
        (TOPICS.connections, {"app": "zoho_books"}),
        (TOPICS.flows, {"trigger": "zoho_books.invoice.created"}),
        (TOPICS.index, {"state": "merged"}),
    ],
)
def test_what_only_a_later_version_understands_stops_an_older_one(topic: str, changes: dict[str, Any]) -> None:
    """A worker that an update has not reached yet sees a state that it does not know: it must not act without it."""
    with pytest.raises(UnreadableRecord):
        Registry().folds(TOPICS)[topic](7, "k", newer(topic, **changes))


@pytest.mark.parametrize("topic", RECORDS)
def test_a_later_minor_version_with_further_fields_is_read(topic: str) -> None:
    """It was made so that an older one may pass over what is new."""
    known, unknown = Registry(), Registry()
    key = "mine" if topic == TOPICS.flows else "k"
    known.folds(TOPICS)[topic](0, key, newer(topic))

    for registry in (known, unknown):
        registry.flows.pop("links-by-hand")
    assert _size(known) == _size(unknown) + 1


def _size(registry: Registry) -> int:
    states: tuple[Sized, ...] = (registry.mappings, registry.pair_states, registry.connections, registry.links)
    more: tuple[Sized, ...] = (
        registry.flows,
        registry.index,
        registry.polls.all(),
        registry.letters,
        registry.key_states,
        registry.imports,
        registry.replays,
    )
    return sum(len(state) for state in (*states, *more))


def test_the_steps_of_a_later_versions_flow_are_read_too() -> None:
    """What was added to a step or a condition is passed over as well."""
    registry = Registry()
    steps = [FLOW["steps"][0] | {"timeout": 5}]
    registry.folds(TOPICS)[TOPICS.flows](0, "mine", newer(TOPICS.flows, steps=steps))

    assert registry.flows["mine"].steps[0].id == "account"


@pytest.mark.parametrize(
    "mend", [encode(FlowLink(id="k", flow="f", connections={"stripe": "c"})), None], ids=["written", "removed"]
)
def test_a_record_that_was_mended_stops_nobody_any_more(mend: bytes | None) -> None:
    """The log keeps the unreadable one for a while: whoever starts reads on to the one that replaces it."""
    replica = Replica(SETTINGS, Registry().folds(TOPICS))
    replica.fold(TOPICS.flow_links, 0, "k", b"{")
    replica.fold(TOPICS.flow_links, 1, "k", mend)
    replica.all_read()

    assert replica.ready
    with pytest.raises(UnreadableRecord):
        replica.fold(TOPICS.flow_links, 2, "k", b"{")


def test_a_record_that_nobody_mended_keeps_a_worker_from_starting() -> None:
    """A good record under another key, or of another topic, is no mend."""
    replica = Replica(SETTINGS, Registry().folds(TOPICS))
    replica.fold(TOPICS.mappings, 0, "k", b"{")
    replica.fold(TOPICS.mappings, 1, "map_1", newer(TOPICS.mappings))
    replica.fold(TOPICS.flow_links, 0, "k", newer(TOPICS.flow_links))

    with pytest.raises(UnreadableRecord, match="offset 0: record k"):
        replica.all_read()
    assert not replica.ready


def test_a_run_goes_on_with_the_version_of_the_flow_that_it_began_with() -> None:
    """New runs begin with the newest one, in whatever order the versions were read."""
    registry = Registry()
    fold = registry.folds(TOPICS)[TOPICS.flows]
    for version in (2, 1):
        flow = Flow.model_validate(FLOW | {"id": "mine", "version": version})
        fold(version, flow_key("mine", version), flow.model_dump_json().encode())
    newest = registry.flows["mine"]
    fold(3, flow_key("mine", 2), None)

    assert newest.version == 2
    assert "mine" not in registry.flows
    assert [found and found.version for found in (registry.flow("mine", 1), registry.flow("mine", 2))] == [1, None]
    assert registry.flow("links-by-hand", 1) is registry.flows["links-by-hand"]


def test_a_removed_connection_is_not_called_unknown() -> None:
    """The message says how to have it again."""
    registry = Registry()
    fold = registry.folds(TOPICS)[TOPICS.connections]
    fold(0, "c", msgspec.json.encode(CONNECTION | {"state": "removed"}))

    with pytest.raises(Misconfigured, match="connection c is removed: `tandem connections add stripe c` connects it"):
        registry.connection("c")
    with pytest.raises(Misconfigured, match="connection d is unknown"):
        registry.connection("d")


@pytest.mark.parametrize(
    ("wanted", "reported"), [("pause", []), ("run", ["imp_1"]), ("cancel", ["imp_1", "imp_1/cancelled"])]
)
def test_what_an_import_wrote_goes_on_as_a_person_wants(wanted: Wanted, reported: list[str]) -> None:
    """What waits for it goes on when it is resumed, and all that is of it ends when it is cancelled."""
    registry, received = Registry(), list[str]()
    registry.on_open.append(received.append)
    fold, request = registry.folds(TOPICS)[TOPICS.imports], RECORDS[TOPICS.imports]
    for offset, each in enumerate(("run", "pause")):
        fold(offset, request.key, msgspec.json.encode(msgspec.structs.replace(request, wanted=each)))
    received.clear()
    fold(2, request.key, msgspec.json.encode(msgspec.structs.replace(request, wanted=wanted)))

    assert (registry.wanted("imp_1"), received) == (wanted, reported)
    assert [name for name in ("imp_1", "imp_1/cancelled") if registry.is_open(name)] == reported
