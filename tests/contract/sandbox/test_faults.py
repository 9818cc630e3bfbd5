"""Each kind of fault strikes as the README says, and is counted."""

from __future__ import annotations

import threading
import time
from typing import Any

import httpx
import pytest
import stripe

from tests.contract.sandbox import tools
from tests.contract.sandbox.conftest import StripeSide, TogaiSide


def names(side: StripeSide, control: tools.Control) -> list[str]:
    """The names of the account's customers."""
    return [customer["name"] for customer in control.call("GET", "/state", account=side.account)["customers"]]


@pytest.mark.parametrize(
    ("rule", "reason", "retry", "after"),
    [({}, "global-rate", None, None),
     ({"reason": "endpoint-concurrency", "should_retry": True}, "endpoint-concurrency", "true", None),
     ({"reason": "", "should_retry": False, "retry_after": 3}, None, "false", "3")],
)  # fmt: skip
def test_rate_limited(
    side: StripeSide, control: tools.Control, rule: Any, reason: str | None, retry: str | None, after: str | None
) -> None:
    """A 429 has the chosen reason and headers, and makes nothing."""
    with control.fault(app="stripe", kind="rate_limited", match={"account": side.account}, times=1, **rule) as fired:
        answer = side.http.post("/v1/customers", data={"name": "x"})
        assert fired() == 1
    assert answer.status_code == 429
    found = [answer.headers.get(h) for h in ("Stripe-Rate-Limited-Reason", "Stripe-Should-Retry", "Retry-After")]
    assert found == [reason, retry, after]
    assert names(side, control) == []


def test_lock_timeout(side: StripeSide, control: tools.Control) -> None:
    """A lock timeout is 429 lock_timeout without a reason, or 409 when the rule says so."""
    with control.fault(app="stripe", kind="lock_timeout", match={"account": side.account}, times=1):
        answer = side.http.post("/v1/customers", data={"name": "x"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (429, "lock_timeout")
    assert "Stripe-Rate-Limited-Reason" not in answer.headers
    with control.fault(app="stripe", kind="lock_timeout", status=409, match={"account": side.account}, times=1):
        assert side.http.post("/v1/customers", data={"name": "x"}).status_code == 409


@pytest.mark.parametrize(("kind", "left"), [("cut_before", []), ("cut_after", ["x"])])
def test_cut(side: StripeSide, control: tools.Control, kind: str, left: list[str]) -> None:
    """The connection closes without an answer, before or after the commit."""
    with (
        control.fault(app="stripe", kind=kind, match={"account": side.account}, times=1),
        pytest.raises(httpx.RemoteProtocolError),
    ):
        side.http.post("/v1/customers", data={"name": "x"})
    assert names(side, control) == left
    calls = control.call("GET", "/calls", account=side.account)["calls"]
    assert (calls[-1]["status"], calls[-1]["fault"]) == (None, kind)


def test_cut_is_a_connection_error_to_the_sdk(side: StripeSide, control: tools.Control) -> None:
    """The SDK sees a network error, and its own retry with the same key makes one customer."""
    sdk = tools.stripe_client(side.url, side.key, max_network_retries=1)
    with control.fault(app="stripe", kind="cut_after", match={"account": side.account}, times=1):
        sdk.v1.customers.create({"name": "x"})
    assert names(side, control) == ["x"]
    with (
        control.fault(app="stripe", kind="cut_after", match={"account": side.account}, times=1),
        pytest.raises(stripe.APIConnectionError),
    ):
        side.sdk.v1.customers.create({"name": "y"})


@pytest.mark.parametrize(("kind", "left"), [("hang_before", []), ("hang_after", ["x"])])
def test_hang(side: StripeSide, control: tools.Control, kind: str, left: list[str]) -> None:
    """A call hangs before or after its commit."""
    done = threading.Event()

    def post() -> None:
        with tools.stripe_http(side.url, side.key) as http:
            http.post("/v1/customers", data={"name": "x"})
        done.set()

    with control.fault(app="stripe", kind=kind, seconds=0.7, match={"account": side.account}, times=1) as fired:
        threading.Thread(target=post).start()
        tools.until(fired)
        assert names(side, control) == left
        assert not done.is_set()
        assert done.wait(tools.PATIENCE)
    assert names(side, control) == ["x"]


def test_spoiled_bodies(side: StripeSide, control: tools.Control) -> None:
    """HTML, half a JSON and a slow answer come after the commit."""
    match = {"account": side.account, "operation": "customers.create"}
    with control.fault(app="stripe", kind="html", match=match, times=1):
        answer = side.http.post("/v1/customers", data={"name": "a"})
        assert (answer.status_code, answer.headers["content-type"][:9]) == (502, "text/html")
    with control.fault(app="stripe", kind="truncated_json", match=match, times=1), pytest.raises(stripe.APIError):
        side.sdk.v1.customers.create({"name": "b"})
    with control.fault(app="stripe", kind="slow", seconds=0.3, match=match, times=1):
        started = time.monotonic()
        assert side.http.post("/v1/customers", data={"name": "c"}).json()["name"] == "c"
        assert time.monotonic() - started >= 0.3
    assert names(side, control) == ["a", "b", "c"]


def test_matching_and_counting(side: StripeSide, control: tools.Control) -> None:
    """A rule strikes only what it matches, after what it skips, as often as it may."""
    made = side.sdk.v1.customers.create({"name": "x"})
    match = {"account": side.account, "method": "GET", "path": "/v1/customers/*", "object": made.id}
    with control.fault(app="stripe", kind="error_before", match=match, skip=1, times=1) as fired:
        statuses = [side.http.get(f"/v1/customers/{made.id}").status_code for _ in range(3)]
        assert side.http.get("/v1/customers").status_code == 200
        assert fired() == 1
    assert statuses == [200, 500, 200]


def test_probability_is_seeded(side: StripeSide, control: tools.Control) -> None:
    """Equal seeds strike the same calls."""
    runs = []
    for _ in range(2):
        rule = {"kind": "error_before", "probability": 0.5, "seed": 7, "match": {"account": side.account}}
        with control.fault(app="stripe", **rule):
            runs.append([side.http.get("/v1/customers").status_code for _ in range(12)])
    assert runs[0] == runs[1]
    assert set(runs[0]) == {200, 500}


def test_togai_faults(org: TogaiSide, control: tools.Control) -> None:
    """Togai's calls fail the same ways, in Togai's error body."""
    body = {"id": "C1", "name": "ACME", "primaryEmail": "a@b.co", "address": {}}
    for kind, status in (("rate_limited", 429), ("error_before", 500), ("lock_timeout", 409), ("html", 502)):
        with control.fault(app="togai", kind=kind, match={"account": org.account}, times=1):
            assert org.http.get("/customers").status_code == status
    with control.fault(app="togai", kind="rate_limited", retry_after=2, match={"account": org.account}, times=1):
        assert org.http.get("/customers").headers["Retry-After"] == "2"
    with control.fault(app="togai", kind="error_after", match={"account": org.account}, times=1):
        assert org.http.post("/customers", json=body).json() == {"message": "Internal server error"}
    assert org.http.get("/customers/C1").status_code == 200
    with (
        control.fault(app="togai", kind="cut_before", match={"account": org.account}, times=1),
        pytest.raises(httpx.RemoteProtocolError),
    ):
        org.http.get("/customers")


def test_webhook_faults(side: StripeSide, control: tools.Control, receiver: tools.Receiver) -> None:
    """Deliveries are dropped, doubled, delayed and reordered, and a twin is a second event of one change."""
    side.sdk.v1.webhook_endpoints.create({"url": f"{receiver.url}/x", "enabled_events": ["*"]})
    match = {"account": side.account, "event_type": "customer.created"}

    def made(name: str) -> str:
        return side.sdk.v1.customers.create({"name": name}).id

    def arrived() -> list[str]:
        return [received.json["data"]["object"]["name"] for received in receiver.got]

    with control.fault(app="stripe", kind="drop", match=match, times=1):
        made("dropped")
    with control.fault(app="stripe", kind="duplicate", match=match, times=1):
        made("double")
    tools.until(lambda: arrived() == ["double", "double"])
    assert len({received.json["id"] for received in receiver.got}) == 1
    with control.fault(app="stripe", kind="delay", seconds=0.3, match=match, times=1):
        started = time.monotonic()
        made("late")
        tools.until(lambda: "late" in arrived())
    assert receiver.got[-1].at - started >= 0.3
    with control.fault(app="stripe", kind="reorder", match=match, times=1):
        made("first")
        made("second")
        tools.until(lambda: "first" in arrived())
    assert arrived()[-2:] == ["second", "first"]
    with control.fault(app="stripe", kind="twin", match=match, times=1):
        made("twin")
    tools.until(lambda: arrived().count("twin") == 2)
    assert len({received.json["id"] for received in receiver.got[-2:]}) == 2
    assert [delivery["state"] for delivery in control.deliveries(side.account)].count("dropped") == 1
