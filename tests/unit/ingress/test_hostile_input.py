"""Whatever a sender sends: an honest answer for the sender's own fault, and never a forgery in the log."""

from __future__ import annotations

import hmac
import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import stripe
from hypothesis import given
from hypothesis import strategies as st
from shared.apps.stripe.signatures import TOLERANCE, BadSignature, verify

from tests.unit.ingress.harness import BARE, NEW, OLD, STRIPE, TOGAI, TOKEN, Answer, Harness

INGRESS = Harness()
SENDERS_FAULT = {400, 403, 404, 405, 413}
EVENT = {
    "id": "evt_1", "object": "event", "type": "customer.created", "created": 1_795_428_000, "livemode": False,
    "data": {"object": {"id": "cus_1", "object": "customer", "name": "Zoë"}},
}  # fmt: skip

SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from([2**63, -(2**64), 10**400])
)
JSON = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4))
# An event with some of its fields replaced by anything at all, or taken out.
EVENTS = st.dictionaries(st.sampled_from([*EVENT, "account", "x"]), JSON | st.just(...), max_size=4).map(
    lambda changes: {name: value for name, value in {**EVENT, **changes}.items() if value is not ...}
)
BODIES = (
    st.binary(max_size=2000)
    | JSON.map(lambda value: json.dumps(value).encode())
    | EVENTS.map(lambda event: json.dumps(event, ensure_ascii=False).encode("utf-8", "replace"))
    | st.tuples(EVENTS, st.binary(max_size=20), st.integers(0, 300)).map(lambda t: _spoilt(*t))
)
SEGMENTS = st.text(max_size=20) | st.sampled_from(
    [
        "",
        "stripe",
        "togai",
        STRIPE,
        BARE,
        TOGAI,
        TOKEN,
        "account.created",
        "..",
        "%2e",
        "zoho",
        "\ud800",
        "\x00",
        "é" * 9,
    ]
)
PATHS = st.lists(SEGMENTS, max_size=6).map(lambda parts: "/webhooks/" + "/".join(parts)) | st.sampled_from(
    [f"/webhooks/stripe/{STRIPE}", f"/webhooks/stripe/{BARE}", f"/webhooks/togai/{TOGAI}/account.created/{TOKEN}"]
)
STAMPS = st.integers(-(10**15), 10**15).map(str) | st.text(max_size=5) | st.sampled_from(["now", "²", "", "1e9", "0x1"])
SIGNATURES = st.text(max_size=70) | st.sampled_from(["good", "OTHER", "", "00" * 32])
HEADERS = st.tuples(STAMPS, st.lists(SIGNATURES, max_size=4), st.sampled_from([",", ", ", ";", ",,"])) | st.binary()
NAMES = st.sampled_from([b"stripe-signature", b"Stripe-Signature", b"STRIPE-SIGNATURE", b"content-length", b"x"])


def _spoilt(event: dict[str, Any], junk: bytes, place: int) -> bytes:
    body = json.dumps(event).encode()
    place %= len(body) + 1
    return body[:place] + junk + body[place + len(junk) :]


def signature(body: bytes, stamp: str, secret: str) -> str:
    """What Stripe would write for this body and time."""
    return hmac.digest(secret.encode(), stamp.encode("utf-8", "replace") + b"." + body, "sha256").hex()


def header(made: Any, body: bytes) -> bytes:
    """A header's bytes: as they were drawn, or put together of a time and signatures, good ones among them."""
    if isinstance(made, bytes):
        return made
    stamp, signatures, comma = made
    stamp = str(int(time.time())) if stamp == "now" else stamp
    values = [signature(body, stamp, NEW) if value == "good" else value for value in signatures]
    return str(comma).join([f"t={stamp}", *(f"v1={value}" for value in values)]).encode("utf-8", "replace")


def genuine(path: str, body: bytes, headers: list[tuple[bytes, bytes]]) -> bool:
    """Whether Stripe's own SDK takes the request for Stripe's, and the time is near on both sides."""
    first = next((value for name, value in headers if name.lower() == b"stripe-signature"), b"")
    if path != f"/webhooks/stripe/{STRIPE}":
        return False
    text = first.decode("latin-1").replace(", ", ",")
    for secret in (OLD, NEW):
        try:
            stripe.WebhookSignature.verify_header(body.decode(), text, secret, TOLERANCE)
        except Exception:
            continue
        stamps = [int(part[2:]) for part in text.split(",") if part.startswith("t=")]
        return abs(time.time() - stamps[-1]) <= TOLERANCE
    return False


def assert_honest(answer: Answer, before: int) -> None:
    """200 with one record more, or the sender's fault with none; never a failure of ours."""
    after = len(INGRESS.log.written)
    if answer.status == 200:
        assert (after - before, list(answer.body)) == (1, ["received"])
    else:
        assert answer.status in SENDERS_FAULT, answer
        assert (after - before, set(answer.body["error"])) == (0, {"code", "message"})


@given(path=PATHS, body=BODIES, made=st.lists(st.tuples(NAMES, HEADERS), max_size=3), cuts=st.lists(st.integers(0, 99)))
def test_any_request_gets_an_honest_answer(path: str, body: bytes, made: list[Any], cuts: list[int]) -> None:
    """Any path, header and body in any pieces; and what is taken at Stripe's address the SDK would take too."""
    headers = [(name, header(value, body)) for name, value in made]
    before = len(INGRESS.log.written)
    answer = INGRESS.post(path, body, headers, cuts=cuts)
    assert_honest(answer, before)
    if answer.status == 200 and "/stripe/" in path:
        assert genuine(path, body, headers)
    if answer.status == 200 and "/togai/" in path:
        assert path.endswith(f"/{TOKEN}")


@given(body=BODIES, secret=st.sampled_from([OLD, NEW]), cuts=st.lists(st.integers(0, 9999), max_size=5))
def test_any_signed_body_is_taken_as_it_is_or_refused(body: bytes, secret: str, cuts: list[int]) -> None:
    """Behind a good signature nothing makes a 5xx, and what is taken stands in the record byte for byte."""
    stamp = str(int(time.time()))
    before = len(INGRESS.log.written)
    signed = f"t={stamp},v1={signature(body, stamp, secret)}".encode()
    answer = INGRESS.post(f"/webhooks/stripe/{STRIPE}", body, [(b"stripe-signature", signed)], cuts=cuts)
    assert_honest(answer, before)
    assert "signature" not in answer.body.get("error", {}).get("code", "")
    if answer.status == 200:
        assert body in INGRESS.log.written[-1].value


@given(body=BODIES, name=st.sampled_from(["account.created", "invoice.generated", "x"]), ends=st.booleans())
def test_any_body_at_togais_address_is_kept(body: bytes, name: str, ends: bool) -> None:
    """No shape is documented, so none is refused; a sender that leaves before the end leaves nothing."""
    before = len(INGRESS.log.written)
    answer = INGRESS.post(f"/webhooks/togai/{TOGAI}/{name}/{TOKEN}", body, [], ends=ends)
    assert_honest(answer, before)
    assert (answer.status == 200) == ends


@given(
    place=st.integers(0, 10_000),
    bit=st.integers(0, 7),
    part=st.sampled_from(["body", "header"]),
    secret=st.sampled_from([OLD, NEW]),
)
def test_one_bit_makes_a_forgery(place: int, bit: int, part: str, secret: str) -> None:
    """Any single bit of a good request turned: in the body, the time or the signature. None is taken."""
    stamp = str(int(time.time()))
    whole = {"body": json.dumps(EVENT).encode()}
    whole["header"] = f"t={stamp},v1={signature(whole['body'], stamp, secret)}".encode()
    turned = bytearray(whole[part])
    turned[place % len(turned)] ^= 1 << bit
    # A name of another letter is another part of the header; the value of `t` and `v1` must not change unseen.
    whole[part] = bytes(turned)
    answer = INGRESS.post(f"/webhooks/stripe/{STRIPE}", whole["body"], [(b"stripe-signature", whole["header"])])
    assert answer.status == 400
    assert answer.code.startswith("signature_")


@given(
    token=st.text(max_size=40) | st.sampled_from([TOKEN[:-1], TOKEN + "x", TOKEN.upper(), "", "\ud800", TOKEN[::-1]])
)
def test_no_other_token_opens_togais_address(token: str) -> None:
    """Neither a beginning nor a longer one, whatever characters it has."""
    answer = INGRESS.post(f"/webhooks/togai/{TOGAI}/account.created/{token.replace('/', '')}", b"{}", [])
    assert (answer.status, answer.code) == (403, "wrong_token")


@given(skew=st.integers(-2 * TOLERANCE, 2 * TOLERANCE) | st.integers(-(10**9), 10**9))
def test_the_clock_may_be_off_by_the_tolerance_both_ways(skew: int) -> None:
    """Within five minutes to either side the signature counts, a second further it does not."""
    now, body = 1_795_428_000, b"{}"
    stamp = str(now + skew)
    made = f"t={stamp},v1={signature(body, stamp, NEW)}".encode()
    if abs(skew) <= TOLERANCE:
        verify(body, made, [OLD, NEW], now)
    else:
        with pytest.raises(BadSignature) as caught:
            verify(body, made, [OLD, NEW], now)
        assert caught.value.reason == "stale"


@pytest.mark.parametrize("skew", [0.9, -0.9])
def test_the_edge_of_the_tolerance_is_sharp(skew: float) -> None:
    """Fractions of a second of our own clock count."""
    now, body = 1_795_428_000, b"{}"
    made = f"t={now},v1={signature(body, str(now), NEW)}".encode()
    with pytest.raises(BadSignature):
        verify(body, made, [NEW], now + TOLERANCE * (1 if skew > 0 else -1) + skew)


@contextmanager
def comparisons() -> Iterator[list[str]]:
    """Counts the constant-time comparisons that the interpreter runs meanwhile, whoever calls them."""
    found: list[str] = []

    def note(frame: Any, event: str, function: Any) -> None:
        if event == "c_call" and "compare_digest" in function.__name__:
            found.append(function.__name__)

    sys.setprofile(note)
    try:
        yield found
    finally:
        sys.setprofile(None)


SECRETS = ["whsec_a", "whsec_b", "whsec_c"]


@pytest.mark.parametrize("good", [*SECRETS, "whsec_none"])
@pytest.mark.parametrize("place", [0, 1, 2])
def test_every_signature_is_compared_in_constant_time_with_every_secret(good: str, place: int) -> None:
    """Wherever the fitting pair stands, or if there is none, the work is the same: nothing to measure from outside."""
    now, body = 1_795_428_000, b"{}"
    values = ["00" * 32] * 3
    values[place] = signature(body, str(now), good)
    made = ",".join([f"t={now}", *(f"v1={value}" for value in values)]).encode()
    taken = True
    with comparisons() as found:
        try:
            verify(body, made, SECRETS, now)
        except BadSignature:
            taken = False
    assert taken == (good in SECRETS)
    assert len(found) == len(SECRETS) * len(values)


@pytest.mark.parametrize("token", [TOKEN, TOKEN[:-1] + "x", "x" + TOKEN[1:], "x"])
def test_togais_token_is_compared_in_constant_time(token: str) -> None:
    """Once, whole, by the function that takes as long for a near miss as for a far one."""
    with comparisons() as found:
        answer = INGRESS.post(f"/webhooks/togai/{TOGAI}/account.created/{token}", b"{}", [])
    assert (answer.status == 200) == (token == TOKEN)
    assert len(found) == 1
