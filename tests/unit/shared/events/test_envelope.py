"""The envelope is CloudEvents 1.0, keeps the vendor's body byte for byte, and is never misread."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent
from shared.errors import Malformed, StopWorker
from shared.events.envelope import SCHEMA_VERSION, Envelope, decode, encode
from shared.flows.runs import peek

SAMPLE = Path(__file__).parents[3] / "samples/envelopes/stripe.customer.created.json"


def envelope(data: bytes = b'{"a":  1.10}', **changes: str) -> Envelope:
    fields = {
        "id": "evt_1",
        "source": "urn:tandem:stripe:test:acct_1",
        "type": "stripe.customer.created",
        "subject": "cus_1",
        "time": "2026-11-23T10:00:00.000Z",
        "appaccount": "stripe:test:acct_1",
        "connection": "con_stripe",
        "aggregate": "stripe:test:acct_1/customer/cus_1",
    }
    return Envelope(data=msgspec.Raw(data), **(fields | changes))  # type: ignore[arg-type]


def test_the_body_travels_byte_for_byte() -> None:
    """Spaces and number spellings of the vendor's body survive the envelope."""
    value = encode(envelope())

    assert b'{"a":  1.10}' in value
    assert bytes(decode(value).data) == b'{"a":  1.10}'


def test_the_cloudevents_library_reads_it() -> None:
    """CNCF's own library takes an envelope for a CloudEvent with our extension attributes."""
    read = JSONFormat().read(CloudEvent, encode(envelope(cause="run_1")))

    assert read.get_id() == "evt_1"
    assert read.get_type() == "stripe.customer.created"
    assert read.get_extension("aggregate") == "stripe:test:acct_1/customer/cus_1"
    assert read.get_extension("cause") == "run_1"
    assert read.get_data() == {"a": 1.1}


def test_an_empty_cause_is_left_out() -> None:
    """CloudEvents knows no empty attribute values."""
    assert not {"cause", "refused"} & json.loads(encode(envelope())).keys()


@pytest.mark.parametrize("given", [{"cause": "run_1"}, {"refused": "wrong_mode"}, {"cause": "c", "refused": "r"}])
def test_what_is_not_empty_is_written(given: dict[str, Any]) -> None:
    """Each by itself and both together, and read again."""
    written = encode(envelope(**given))

    assert {name: json.loads(written).get(name) for name in given} == given
    assert decode(written) == envelope(**given)


def test_the_committed_sample_is_what_we_write() -> None:
    """The sample in the repository is this schema version: a changed envelope must change it, and the version."""
    sample = SAMPLE.read_bytes().strip()

    read = decode(sample)

    assert encode(read) == sample
    assert read.schemaversion == SCHEMA_VERSION


def test_another_major_version_stops_the_worker() -> None:
    """A newer Tandem wrote it: a dead letter of it would lose what this one cannot read."""
    with pytest.raises(StopWorker, match="schema version 2.0"):
        decode(encode(envelope(schemaversion="2.0")))


@pytest.mark.parametrize("value", [None, b"", b"{", b"[]", b"{}", b'{"id": 1}', b"\xff"])
def test_what_is_no_envelope_is_malformed(value: bytes | None) -> None:
    """Anything else on an event topic is a dead letter, not a crash."""
    with pytest.raises(Malformed):
        decode(value)


def test_what_is_nested_too_deeply_is_malformed() -> None:
    """The decoder's own limit counts from where it is called: ingress may have read what a worker cannot."""
    value = encode(envelope(b"[" * 50_000 + b"]" * 50_000))

    with pytest.raises(Malformed):
        decode(value)
    with pytest.raises(Malformed):
        envelope(b"[" * 50_000 + b"]" * 50_000).body()
    with pytest.raises(msgspec.DecodeError):
        peek(value)
