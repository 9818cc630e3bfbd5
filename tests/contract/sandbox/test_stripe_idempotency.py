"""Idempotency keys follow Stripe's rules (source: Stripe docs, idempotent requests)."""

from __future__ import annotations

import threading

import pytest
import stripe

from tests.contract.sandbox import tools
from tests.contract.sandbox.conftest import StripeSide


def test_same_key_replays(side: StripeSide) -> None:
    """The same key and parameters give the first answer again, marked, and one customer."""
    first = side.http.post("/v1/customers", data={"name": "one"}, headers={"Idempotency-Key": "k"})
    again = side.http.post("/v1/customers", data={"name": "one"}, headers={"Idempotency-Key": "k"})
    assert "Idempotent-Replayed" not in first.headers
    assert again.headers["Idempotent-Replayed"] == "true"
    assert again.headers["Original-Request"] == first.headers["Request-Id"] != again.headers["Request-Id"]
    assert again.content == first.content
    assert len(side.sdk.v1.customers.list().data) == 1


def test_other_parameters_or_path(side: StripeSide) -> None:
    """The same key with other parameters or at another path is an idempotency_error."""
    made = side.sdk.v1.customers.create({"name": "one"}, {"idempotency_key": "k"})
    with pytest.raises(stripe.IdempotencyError) as caught:
        side.sdk.v1.customers.create({"name": "two"}, {"idempotency_key": "k"})
    assert caught.value.http_status == 400
    with pytest.raises(stripe.IdempotencyError, match="same endpoint"):
        side.sdk.v1.customers.update(made.id, {"name": "one"}, {"idempotency_key": "k"})


def test_validation_errors_are_not_kept(side: StripeSide) -> None:
    """A key whose first request failed validation is still free."""
    with pytest.raises(stripe.InvalidRequestError):
        side.sdk.v1.customers.create({"email": "bad"}, {"idempotency_key": "k"})
    assert side.sdk.v1.customers.create({"email": "a@b.co"}, {"idempotency_key": "k"}).email == "a@b.co"


def test_errors_of_the_execution_are_kept(side: StripeSide) -> None:
    """A 404 that came of executing is replayed like any other answer."""
    headers = {"Idempotency-Key": "k"}
    answers = [side.http.post("/v1/customers/cus_none", data={"name": "x"}, headers=headers) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [404, 404]
    assert answers[1].headers["Idempotent-Replayed"] == "true"


def test_500_after_commit_is_replayed(side: StripeSide, control: tools.Control) -> None:
    """After a 500 that followed the commit, the key replays the 500, and exactly one customer exists."""
    with control.fault(app="stripe", kind="error_after", match={"account": side.account}, times=1):
        for replayed in (None, "true"):
            answer = side.http.post("/v1/customers", data={"name": "x"}, headers={"Idempotency-Key": "k"})
            assert (answer.status_code, answer.headers.get("Idempotent-Replayed")) == (500, replayed)
    assert len(side.sdk.v1.customers.list().data) == 1


@pytest.mark.parametrize(("stored", "status"), [(True, 500), (False, 200)])
def test_500_before_commit(side: StripeSide, control: tools.Control, stored: bool, status: int) -> None:
    """A 500 before the commit makes nothing; it is replayed, unless the rule says it never reached execution."""
    rule = {"kind": "error_before", "times": 1, "stored": stored, "match": {"account": side.account}}
    with control.fault(app="stripe", **rule):
        first = side.http.post("/v1/customers", data={"name": "x"}, headers={"Idempotency-Key": "k"})
        assert first.status_code == 500
        assert side.sdk.v1.customers.list().data == []
        again = side.http.post("/v1/customers", data={"name": "x"}, headers={"Idempotency-Key": "k"})
    assert again.status_code == status


def test_429_is_not_kept(side: StripeSide, control: tools.Control) -> None:
    """A key whose first request was over the limit is still free."""
    with control.fault(app="stripe", kind="rate_limited", match={"account": side.account}, times=1):
        with pytest.raises(stripe.RateLimitError):
            side.sdk.v1.customers.create({"name": "x"}, {"idempotency_key": "k"})
        assert side.sdk.v1.customers.create({"name": "x"}, {"idempotency_key": "k"}).name == "x"


def test_conflict_while_in_flight(side: StripeSide, control: tools.Control) -> None:
    """While the first request runs the key is in use (409); afterwards it replays."""
    answers: list[int] = []

    def post() -> None:
        with tools.stripe_http(side.url, side.key) as http:
            answers.append(http.post("/v1/customers", data={"name": "x"}, headers=headers).status_code)

    headers = {"Idempotency-Key": "k"}
    rule = {"kind": "hang_before", "seconds": 1, "times": 1, "match": {"account": side.account, "method": "POST"}}
    with control.fault(app="stripe", **rule) as fired:
        thread = threading.Thread(target=post)
        thread.start()
        tools.until(fired)
        with pytest.raises(stripe.APIError) as caught:
            side.sdk.v1.customers.create({"name": "x"}, {"idempotency_key": "k"})
        assert caught.value.http_status == 409
        assert caught.value.error is not None
        assert caught.value.error.code == "idempotency_key_in_use"
        thread.join()
    assert answers == [200]
    assert side.http.post("/v1/customers", data={"name": "x"}, headers=headers).headers["Idempotent-Replayed"] == "true"


def test_keys_expire(side: StripeSide, control: tools.Control) -> None:
    """After 24 hours on the sandbox's clock a key is fresh again."""
    first = side.sdk.v1.customers.create({"name": "x"}, {"idempotency_key": "k"})
    control.call("POST", "/clock", {"advance": 24 * 3600 + 1})
    assert side.sdk.v1.customers.create({"name": "x"}, {"idempotency_key": "k"}).id != first.id


def test_keys_belong_to_an_account(side: StripeSide, control: tools.Control) -> None:
    """Two accounts may use the same key."""
    other = tools.stripe_client(side.url, control.account("stripe")["key"])
    one = side.sdk.v1.customers.create({"name": "x"}, {"idempotency_key": "k"})
    two = other.v1.customers.create({"name": "x"}, {"idempotency_key": "k"})
    assert one.id != two.id


def test_key_length_and_get(side: StripeSide) -> None:
    """Keys over 255 characters are refused, and GET ignores them."""
    with pytest.raises(stripe.InvalidRequestError):
        side.sdk.v1.customers.create({}, {"idempotency_key": "k" * 256})
    headers = {"Idempotency-Key": "g"}
    side.http.get("/v1/customers", headers=headers)
    side.http.post("/v1/customers", data={}, headers=headers)
    assert len(side.http.get("/v1/customers", headers=headers).json()["data"]) == 1


def test_failed_authentication_is_not_kept(side: StripeSide) -> None:
    """A key used with a wrong API key is still free."""
    headers = {"Idempotency-Key": "k", "Authorization": "Bearer sk_test_wrong"}
    assert side.http.post("/v1/customers", data={"name": "x"}, headers=headers).status_code == 401
    answer = side.http.post("/v1/customers", data={"name": "y"}, headers={"Idempotency-Key": "k"})
    assert answer.status_code == 200
