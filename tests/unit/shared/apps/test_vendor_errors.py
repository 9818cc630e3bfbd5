"""Each vendor's errors become ours, all of them."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest
import stripe
from shared.apps.model import Access
from shared.apps.stripe.errors import translate
from shared.apps.togai.answers import operation_of
from shared.apps.togai.client import TogaiApp, http_client
from shared.errors import (
    Blocked,
    KeyRefused,
    KeyReused,
    Malformed,
    NotFound,
    QuotaUsed,
    RateLimited,
    Rejected,
    SyncError,
    Unavailable,
)
from shared.ratelimit import CallGate
from shared.settings import Settings
from stripe import _error as stripe_errors

EXPECTED: dict[str, type[SyncError]] = {
    "APIConnectionError": Unavailable,
    "APIError": Unavailable,
    "RateLimitError": RateLimited,
    "IdempotencyError": KeyReused,
    "AuthenticationError": KeyRefused,
    "PermissionError": Blocked,
}


def every_class() -> list[type[stripe.StripeError]]:
    found = [c for c in vars(stripe_errors).values() if isinstance(c, type) and issubclass(c, stripe.StripeError)]
    return [c for c in found if c is not stripe.StripeError]


def made(kind: type[stripe.StripeError], **details: Any) -> stripe.StripeError:
    error = kind.__new__(kind)
    stripe.StripeError.__init__(error, "reported", **details)
    return error


@pytest.mark.parametrize("kind", every_class(), ids=lambda kind: kind.__name__)
def test_every_exception_class_of_the_sdk_is_translated(kind: type[stripe.StripeError]) -> None:
    """A class that a new SDK brings is Rejected until somebody decides; the known ones are what the table says."""
    found = translate(made(kind), "con_1")

    assert type(found) is EXPECTED.get(kind.__name__, Rejected)
    assert "reported" in found.message


def test_there_are_classes_to_walk() -> None:
    """A walk over nothing is green."""
    assert len(every_class()) > 20


def test_a_replayed_error_is_marked() -> None:
    """It is poison: the same key will answer it again (peers: over-invoicing by a replayed 429)."""
    headers = {"idempotent-replayed": "true"}

    error = translate(made(stripe.APIError, http_status=500, headers=headers), "c")

    assert isinstance(error, Unavailable)
    assert error.replayed


def test_the_reason_of_a_rate_limit_is_kept() -> None:
    """The limiter needs to know which limit it was."""
    headers = {"Stripe-Rate-Limited-Reason": "endpoint-rate", "Retry-After": "3"}

    error = translate(made(stripe.RateLimitError, http_status=429, headers=headers), "c")

    assert isinstance(error, RateLimited)
    assert (error.reason, error.retry_after) == ("endpoint-rate", 3.0)


def test_a_missing_object_is_not_found() -> None:
    """By status or by code."""
    assert type(translate(made(stripe.InvalidRequestError, http_status=404), "c")) is NotFound
    assert type(translate(made(stripe.InvalidRequestError, http_status=400, code="resource_missing"), "c")) is NotFound


async def call(answer: httpx2.Response | Exception) -> Any:
    def handler(_request: httpx2.Request) -> httpx2.Response:
        if isinstance(answer, Exception):
            raise answer
        return answer

    async with httpx2.AsyncClient(transport=httpx2.MockTransport(handler)) as http:
        gate = CallGate(Settings(togai_rate=1e6))
        app = TogaiApp(Access("con_t", "togai:test:o", "token", "http://togai.invalid", gate), http)
        return await app.account("a")


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (httpx2.Response(400, json={"message": "no"}), Rejected),
        (httpx2.Response(401, json={"message": "no"}), KeyRefused),
        (httpx2.Response(403, json={"message": "no"}), Blocked),
        (httpx2.Response(403, json={"message": "The quota of 100 customers is used up"}), QuotaUsed),
        (httpx2.Response(404, json={"message": "no"}), NotFound),
        (httpx2.Response(409, json={"message": "no"}), Rejected),
        (httpx2.Response(422, json={"message": "no"}), Rejected),
        (httpx2.Response(429, json={"message": "no"}), RateLimited),
        (httpx2.Response(500, text="<html>"), Unavailable),
        (httpx2.Response(503, json={"message": "no"}), Unavailable),
        (httpx2.Response(302, headers={"location": "http://elsewhere"}), Unavailable),
        (httpx2.Response(200, text="<html>"), Unavailable),
        (httpx2.Response(200, text='{"id": "a", "cust'), Unavailable),
        (httpx2.Response(200, text="[" * 100_000), Unavailable),
        (httpx2.Response(400, text="[" * 100_000), Rejected),
        (httpx2.Response(200, json={"id": "a"}), Malformed),
        (httpx2.ConnectError("refused"), Unavailable),
        (httpx2.ReadTimeout("late"), Unavailable),
        (httpx2.RemoteProtocolError("cut"), Unavailable),
    ],
)
async def test_togais_answers_become_our_errors(answer: httpx2.Response | Exception, expected: type[SyncError]) -> None:
    """By status code only: Togai tells no more."""
    with pytest.raises(SyncError) as caught:
        await call(answer)

    assert type(caught.value) is expected


async def test_the_http_clients_follow_no_redirect() -> None:
    """A redirect could carry the token to another host."""
    async with http_client(1.0) as http:
        assert http.follow_redirects is False


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/accounts/a/price_plans", "accounts.post"),
        ("/v2/accounts/a/edit_schedules", "v2.accounts.post"),
        ("/v2/price_plans", "v2.price_plans.post"),
    ],
)
def test_an_operation_of_the_second_api_is_one_of_its_own(path: str, expected: str) -> None:
    """A right that lacks there closes nothing of the first."""
    assert operation_of("POST", path) == expected
