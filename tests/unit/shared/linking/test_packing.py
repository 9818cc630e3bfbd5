"""Mappings in little memory: packed and unpacked they are equal, and a shared key leads to the right one."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from shared.identity import link_id, run_id
from shared.linking.mapping_index import LinkIndex
from shared.linking.mappings import Claim, Mapping
from shared.linking.packing import RULES, STATES, WASTE, Packer, Places, Rows

texts = st.text(max_size=30)
refs = st.one_of(
    st.builds("{}/{}/{}".format, st.sampled_from(["stripe:test:s", "togai:live:t"]), st.just("customer"), texts),
    st.sampled_from(["stripe:test:s/customer/cus_12345678", "togai:live:t/account/acc_cus_12345678", "cus_12345678"]),
    texts,
)
times = st.one_of(texts, st.datetimes().map(lambda at: at.isoformat(timespec="milliseconds") + "Z"))
claims = st.builds(
    Claim, action=texts, key=texts, body=st.dictionaries(texts, st.one_of(texts, st.integers(-9, 9), st.none())),
    attempt=st.integers(1, 9), opened_at=times, run=texts, match=texts, first_offset=st.integers(-1, 9),
)  # fmt: skip
mappings = st.builds(
    Mapping,
    id=st.one_of(texts, refs.map(lambda ref: link_id(ref, "", ""))),
    relation=texts,
    state=st.sampled_from(STATES),
    rule=st.sampled_from(RULES),
    source=refs,
    target=refs,
    at=times,
    run=st.one_of(texts, texts.map(lambda text: run_id(text, "", "", ""))),
    also=st.lists(refs, max_size=3),
    origin_app=st.sampled_from(["", "stripe", "togai"]),
    claim=st.one_of(st.none(), claims),
    match=st.one_of(texts, texts.map("togai:test:t|stripe:test:s|{}".format)),
    reason=texts,
    schemaversion=st.sampled_from(["1.0", "1.7"]),
)


@given(st.lists(mappings, max_size=5))
def test_what_is_packed_comes_back_equal(found: list[Any]) -> None:
    """In every field, whatever texts it holds."""
    packer = Packer()
    packed = [packer.pack(mapping) for mapping in found]

    assert [packer.unpack(one) for one in packed] == found


@given(st.lists(st.tuples(st.booleans(), st.sampled_from([7, 8]), st.integers(0, 3)), max_size=30))
def test_places_are_a_set_of_rows_under_each_key(history: list[tuple[bool, int, int]]) -> None:
    """Whatever was added and removed, in whatever order."""
    places, model = Places(), {7: list[int](), 8: list[int]()}
    for added, key, row in history:
        if added:
            places.add(key, row)
            model[key] += [] if row in model[key] else [row]
        else:
            places.remove(key, row)
            model[key] = [other for other in model[key] if other != row]

    assert {key: sorted(places.get(key)) for key in model} == {key: sorted(rows) for key, rows in model.items()}


@given(st.lists(st.tuples(st.integers(0, 5), st.binary(max_size=9)), max_size=60))
def test_rows_hold_what_was_put_last(history: list[tuple[int, bytes]]) -> None:
    """Tidied or not."""
    rows, model = Rows(), list[bytes]()
    for row, packed in history:
        if row < len(model):
            rows[row] = model[row] = packed
        else:
            assert rows.append(packed) == len(model)
            model.append(packed)
        rows._tidy()

    assert [rows[n] for n in range(len(rows))] == model


def test_replaced_rows_do_not_pile_up() -> None:
    """A claim becomes a mapping, and each mapping changes: the memory is that of the last ones."""
    rows = Rows()
    rows.append(b"kept")
    rows.append(b"")
    for _ in range(3):
        rows[1] = bytes(WASTE)

    assert sum(map(len, rows._pieces)) < 3 * WASTE
    assert [rows[0], rows[1]] == [b"kept", bytes(WASTE)]


def test_two_texts_with_one_key_are_distinguished(monkeypatch: Any) -> None:
    """Keys are 64 bits of a digest: a shared one must not lend a customer another one's account."""
    monkeypatch.setattr("shared.linking.mapping_index.key_of", lambda ref: 1)
    index = LinkIndex()
    links = index.of("customer")
    for number in range(3):
        source, target = f"stripe:test:s/customer/{number}", f"togai:test:t/account/{number}"
        pair = Mapping(
            relation="customer",
            id=link_id(source, "customer", "togai:test:t"),
            state="linked",
            source=source,
            target=target,
            at="",
            run="",
            also=["p"],
        )
        index.apply(number, pair)

    found = links.pair("togai:test:t/account/1")
    assert found
    assert found.source == "stripe:test:s/customer/1"
    assert links.pair("togai:test:t/account/9") is None
    opened = [links.claim_of(f"stripe:test:s/customer/{n}", "togai:test:t") for n in range(3)]
    assert [index.order(mapping) for mapping in opened if mapping] == [0, 1, 2]
