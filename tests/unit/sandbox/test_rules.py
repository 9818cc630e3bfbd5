"""Metadata, previous_attributes, signatures, limits and faults, one by one."""

from __future__ import annotations

import random

import pytest
import stripe
from hypothesis import given
from hypothesis import strategies as st
from sandbox.clock import Clock, rfc3339
from sandbox.faults import Fault, Faults, Match, Rule
from sandbox.rate import Windows
from sandbox.signatures import signature_header
from sandbox.stripe_api.errors import StripeError, masked
from sandbox.stripe_api.rules import check_email, differences, merged_metadata

MAPS = st.dictionaries(st.text(min_size=1, max_size=3), st.text(max_size=3), max_size=5)


@given(old=MAPS, given_map=MAPS)
def test_metadata_merges_once(old: dict[str, str], given_map: dict[str, str]) -> None:
    """Merging the same map twice equals merging it once, and no empty value stays."""
    once = merged_metadata(old, given_map)
    assert merged_metadata(once, given_map) == once
    assert "" not in once.values()


def test_differences() -> None:
    """Only what changed is shown, in hashes by key, with null for what is new."""
    old = {"name": "A", "address": None, "metadata": {"a": "1", "b": "2"}, "list": [1]}
    new = {"name": "A", "address": {"city": "X"}, "metadata": {"b": "3", "c": "4"}, "list": [2], "more": 1}
    expected = {"address": None, "metadata": {"a": "1", "b": "2", "c": None}, "list": [1], "more": None}
    assert differences(old, new) == expected


@pytest.mark.parametrize("email", ["a", "a@", "@b.co", "a b@c.de", "a@b", "a@@b.co"])
def test_bad_emails(email: str) -> None:
    """Text that is no address is refused with its own code."""
    with pytest.raises(StripeError) as caught:
        check_email(email)
    assert caught.value.code == "email_invalid"


@given(body=st.binary(max_size=200).filter(lambda raw: raw.decode("utf-8", "ignore").encode() == raw))
def test_signatures(body: bytes) -> None:
    """The SDK accepts each of the header's signatures with its own secret, and no other."""
    header = signature_header(body, ["whsec_a", "whsec_b"])
    for secret in ("whsec_a", "whsec_b"):
        assert stripe.WebhookSignature.verify_header(body.decode(), header, secret)
    with pytest.raises(stripe.SignatureVerificationError):
        stripe.WebhookSignature.verify_header(body.decode(), header, "whsec_c")


def test_windows_slide() -> None:
    """A window is full at its limit, and empties as time goes by; None never fills."""
    windows = Windows(1.0)
    for moment in (0.0, 0.5):
        assert not windows.full("a", 2, moment)
        windows.add("a", moment)
    assert windows.full("a", 2, 0.9)
    assert not windows.full("b", 2, 0.9)
    assert not windows.full("a", 2, 1.0)
    assert not windows.full("a", None, 0.9)


def test_clock() -> None:
    """The clock only goes forward, and no two changes share a microsecond."""
    clock = Clock()
    clock.forward(100)
    with pytest.raises(ValueError, match="forward"):
        clock.forward(-1)
    stamps = [clock.micros() for _ in range(1000)]
    assert sorted(set(stamps)) == stamps
    assert rfc3339(0.25) == "1970-01-01T00:00:00.250Z"


def test_fault_counts() -> None:
    """A fault skips, strikes as often as it may, and counts both."""
    rule = Rule(app="stripe", kind="error_before", match=Match(path="/v1/*"), skip=1, times=2)
    fault = Fault("f", rule, random.Random(0))
    hits = [fault.strikes({"path": "/v1/customers"}) for _ in range(5)]
    assert hits == [False, True, True, False, False]
    assert (fault.seen, fault.fired) == (3, 2)
    assert not fault.strikes({"path": "/v2/x"})


def test_faults_by_app_and_kind() -> None:
    """Rules for calls and for webhooks, and of the two apps, do not mix."""
    faults = Faults()
    faults.add(Rule(app="togai", kind="error_before"))
    kept = faults.add(Rule(app="stripe", kind="drop"))
    assert faults.call("stripe", {}) is None
    assert faults.webhook("stripe", {}, "drop") is kept.rule
    assert faults.remove(kept.id) == 1
    assert faults.remove(None) == 1


@pytest.mark.parametrize("key", ["sk_test_sandbox", "short", "sk_live_" + "a" * 40])
def test_keys_are_masked(key: str) -> None:
    """No error repeats a whole key."""
    assert key not in masked(key)
