"""Webhook endpoints, and deliveries with real signatures and retries."""

from __future__ import annotations

import pytest
import stripe

from tests.contract.sandbox import tools
from tests.contract.sandbox.conftest import StripeSide


def endpoint(side: StripeSide, url: str, *events: str) -> stripe.WebhookEndpoint:
    """An endpoint for these events, or for all."""
    chosen: list[str] = list(events) or ["*"]
    return side.sdk.v1.webhook_endpoints.create({"url": url, "enabled_events": chosen})  # type: ignore[typeddict-item]


def test_endpoint_operations(side: StripeSide) -> None:
    """Endpoints are created, read, changed, listed and deleted; only the creation shows the secret."""
    endpoints = side.sdk.v1.webhook_endpoints
    made = endpoints.create(
        {"url": "http://127.0.0.1:9/x", "enabled_events": ["customer.created"], "api_version": "2026-10-28.endive",
         "metadata": {"a": "1"}, "description": "mine"}
    )  # fmt: skip
    assert made.secret is not None
    assert made.secret.startswith("whsec_")
    read = endpoints.retrieve(made.id)
    assert "secret" not in read
    assert (read.api_version, read.status, read.description) == ("2026-10-28.endive", "enabled", "mine")
    changed = endpoints.update(made.id, {"disabled": True, "metadata": {"a": ""}, "url": "http://127.0.0.1:9/y"})
    assert (changed.status, changed.metadata.to_dict(), changed.url) == ("disabled", {}, "http://127.0.0.1:9/y")
    assert [e.id for e in endpoints.list().data] == [made.id]
    assert endpoints.delete(made.id).deleted is True
    assert endpoints.list().data == []
    with pytest.raises(stripe.InvalidRequestError):
        endpoints.retrieve(made.id)


def test_endpoint_limits(side: StripeSide) -> None:
    """Sixteen endpoints fit; unknown events, api versions and bad URLs are refused, and api_version is fixed."""
    for query in ("enabled_events[]=customer.born", "enabled_events[]=*&api_version=2026-01-01", "url=x"):
        body = f"url=http://127.0.0.1:9/x&{query}" if "url=" not in query else f"{query}&enabled_events[]=*"
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        assert side.http.post("/v1/webhook_endpoints", content=body, headers=form).status_code == 400
    made = [endpoint(side, "http://127.0.0.1:9/x").id for _ in range(16)]
    with pytest.raises(stripe.InvalidRequestError, match="maximum of 16"):
        endpoint(side, "http://127.0.0.1:9/x")
    answer = side.http.post(f"/v1/webhook_endpoints/{made[0]}", data={"api_version": "2026-10-28.endive"})
    assert answer.json()["error"]["code"] == "parameter_unknown"


def test_delivery_is_signed(side: StripeSide, receiver: tools.Receiver) -> None:
    """A delivery's signature passes the SDK's check, and its body is the event."""
    made = endpoint(side, f"{receiver.url}/x", "customer.created")
    customer = side.sdk.v1.customers.create({"name": "Zoë"})
    side.sdk.v1.customers.update(customer.id, {"name": "not wanted"})
    got = tools.until(lambda: receiver.got)[0]
    assert made.secret is not None
    event = stripe.Webhook.construct_event(got.body, got.headers["stripe-signature"], made.secret)
    assert event.id == side.sdk.v1.events.list({"type": "customer.created"}).data[0].id
    assert (event.data.object["name"], event.pending_webhooks) == ("Zoë", 1)
    tools.until(lambda: side.sdk.v1.events.retrieve(event.id).pending_webhooks == 0)
    assert len(receiver.got) == 1


def test_retries_until_success(side: StripeSide, control: tools.Control, receiver: tools.Receiver) -> None:
    """Non-2xx answers are retried, each attempt with a new signature, until one is 2xx."""
    made = endpoint(side, f"{receiver.url}/x")
    receiver.answers = [500, 302, 404]
    side.sdk.v1.customers.create({"name": "x"})
    delivery = tools.until(lambda: control.deliveries(side.account, state="delivered"))[0]
    assert [attempt["status"] for attempt in delivery["attempts"]] == [500, 302, 404, 200]
    assert len({received.body for received in receiver.got}) == 1
    for received in receiver.got:
        stripe.WebhookSignature.verify_header(received.body.decode(), received.headers["stripe-signature"], made.secret)


def test_gives_up_and_can_be_redelivered(side: StripeSide, control: tools.Control, receiver: tools.Receiver) -> None:
    """After the last delay a delivery has failed, and a person may send it again."""
    endpoint(side, f"{receiver.url}/x")
    receiver.answers = [500] * 5
    side.sdk.v1.customers.create({"name": "x"})
    failed = tools.until(lambda: control.deliveries(side.account, state="failed"))[0]
    assert len(failed["attempts"]) == 5
    control.call("POST", f"/deliveries/{failed['id']}/redeliver")
    assert tools.until(lambda: control.deliveries(side.account, state="delivered"))[0]["id"] == failed["id"]


def test_disabled_endpoint_gets_no_more(side: StripeSide, control: tools.Control, receiver: tools.Receiver) -> None:
    """Disabling an endpoint ends the retries that are pending for it."""
    made = endpoint(side, f"{receiver.url}/x")
    receiver.answers = [500] * 10
    side.sdk.v1.customers.create({"name": "x"})
    tools.until(lambda: receiver.got)
    side.sdk.v1.webhook_endpoints.update(made.id, {"disabled": True})
    tools.until(lambda: control.deliveries(side.account, state="disabled"))
    side.sdk.v1.customers.create({"name": "y"})
    assert len(control.deliveries(side.account)) == 1


def test_slow_endpoint_stops_nobody(side: StripeSide, control: tools.Control, receiver: tools.Receiver) -> None:
    """While one endpoint hangs with all its slots taken, another gets everything."""
    endpoint(side, f"{receiver.url}/slow")
    endpoint(side, f"{receiver.url}/fast")
    receiver.gate.clear()
    for number in range(20):
        side.sdk.v1.customers.create({"name": f"n{number}"})
    tools.until(lambda: len(receiver.on("/fast")) == 20)
    assert len(receiver.on("/slow")) <= 16
    receiver.gate.set()
    tools.until(lambda: len(receiver.on("/slow")) >= 20)


def test_timeout_is_a_failure(side: StripeSide, control: tools.Control, receiver: tools.Receiver) -> None:
    """An endpoint that does not answer in time has failed, and is tried again."""
    endpoint(side, f"{receiver.url}/slow")
    receiver.gate.clear()
    with control.settings(webhook_timeout=0.2):
        side.sdk.v1.customers.create({"name": "x"})
        tools.until(lambda: len(receiver.got) >= 2)
        delivery = control.deliveries(side.account)[0]
    assert (delivery["attempts"][0]["status"], delivery["attempts"][0]["error"]) == (None, "timeout")
    receiver.gate.set()


def test_rolled_secret(side: StripeSide, control: tools.Control, receiver: tools.Receiver) -> None:
    """After a roll both secrets sign; without an overlap only the new one does."""
    made = endpoint(side, f"{receiver.url}/x")
    roll = {"account": side.account, "endpoint": made.id}
    second = control.call("POST", "/stripe/roll_secret", roll)["secret"]
    side.sdk.v1.customers.create({"name": "x"})
    header = tools.until(lambda: receiver.got)[0].headers["stripe-signature"]
    assert header.count("v1=") == 2
    third = control.call("POST", "/stripe/roll_secret", {**roll, "overlap": 0})["secret"]
    side.sdk.v1.customers.create({"name": "y"})
    tools.until(lambda: len(receiver.got) == 2)
    first_event, last_event = receiver.got
    for secret in (made.secret, second):
        stripe.WebhookSignature.verify_header(first_event.body.decode(), header, secret)
        with pytest.raises(stripe.SignatureVerificationError):
            stripe.WebhookSignature.verify_header(
                last_event.body.decode(), last_event.headers["stripe-signature"], secret
            )
    stripe.WebhookSignature.verify_header(last_event.body.decode(), last_event.headers["stripe-signature"], third)
