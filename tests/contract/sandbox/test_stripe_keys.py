"""Keys, accounts, modes, rights and limits."""

from __future__ import annotations

import httpx
import pytest
import stripe

from tests.contract.sandbox import tools
from tests.contract.sandbox.conftest import StripeSide


def test_first_account(process: tools.Process) -> None:
    """The key `sk_test_sandbox` opens the first account, as Bearer and as Basic."""
    sdk = tools.stripe_client(process.url, "sk_test_sandbox")
    assert sdk.v1.accounts.retrieve_current().id == "acct_sandbox"
    answer = httpx.get(f"{process.url}/stripe/v1/account", auth=("sk_test_sandbox", ""), trust_env=False)
    assert answer.json()["id"] == "acct_sandbox"


def test_wrong_and_missing_keys(side: StripeSide) -> None:
    """An unknown key and no key answer 401 in Stripe's words, and a Togai token is no key."""
    with pytest.raises(stripe.AuthenticationError, match="Invalid API Key provided: sk_test_"):
        tools.stripe_client(side.url, "sk_test_nobody_knows_me").v1.customers.list()
    with pytest.raises(stripe.AuthenticationError):
        tools.stripe_client(side.url, "togai_sandbox").v1.customers.list()
    answer = httpx.get(f"{side.url}/stripe/v1/customers", trust_env=False)
    assert (answer.status_code, answer.json()["error"]["type"]) == (401, "invalid_request_error")
    assert answer.headers["Request-Id"].startswith("req_")


def test_accounts_and_modes_are_apart(side: StripeSide, control: tools.Control) -> None:
    """Two accounts, and two modes of one account, do not see each other; live objects say so."""
    id = side.account.partition("/")[0]
    live_key = control.account("stripe", id=id, live=True)["key"]
    assert live_key.startswith("sk_live_")
    live = tools.stripe_client(side.url, live_key)
    made = live.v1.customers.create({"name": "real"})
    assert made.livemode is True
    assert live.v1.events.list().data[0].livemode is True
    assert side.sdk.v1.customers.list().data == []
    with pytest.raises(stripe.InvalidRequestError):
        side.sdk.v1.customers.retrieve(made.id)
    assert live.v1.accounts.retrieve_current().id == side.sdk.v1.accounts.retrieve_current().id == id
    with pytest.raises(stripe.InvalidRequestError, match="https"):
        live.v1.webhook_endpoints.create({"url": "http://example.com", "enabled_events": ["*"]})


def test_two_keys_one_account(side: StripeSide, control: tools.Control) -> None:
    """Several keys open the same account."""
    second = control.call("POST", "/keys", {"account": side.account})["key"]
    made = side.sdk.v1.customers.create({"name": "x"})
    assert tools.stripe_client(side.url, second).v1.customers.retrieve(made.id).id == made.id


def test_restricted_keys(side: StripeSide, control: tools.Control) -> None:
    """A restricted key may do what its rights say, and gets 403 otherwise."""
    rights = {"customers": "write", "events": "read", "webhook_endpoints": "none"}
    key = control.call("POST", "/keys", {"account": side.account, "rights": rights})["key"]
    assert key.startswith("rk_test_")
    sdk = tools.stripe_client(side.url, key)
    made = sdk.v1.customers.create({"name": "x"})
    assert sdk.v1.customers.retrieve(made.id).name == "x"
    assert len(sdk.v1.events.list().data) == 1
    with pytest.raises(stripe.PermissionError) as caught:
        sdk.v1.webhook_endpoints.list()
    assert caught.value.http_status == 403
    assert "required permissions" in str(caught.value)
    with pytest.raises(stripe.PermissionError):
        sdk.v1.accounts.retrieve_current()
    reader = control.call("POST", "/keys", {"account": side.account, "rights": {"customers": "read"}})["key"]
    with pytest.raises(stripe.PermissionError):
        tools.stripe_client(side.url, reader).v1.customers.update(made.id, {"name": "y"})


def test_other_accounts_are_forbidden(side: StripeSide) -> None:
    """Another account's id answers 403, in the path and in the Stripe-Account header."""
    with pytest.raises(stripe.PermissionError):
        side.sdk.v1.accounts.retrieve("acct_other")
    with pytest.raises(stripe.PermissionError):
        side.sdk.v1.customers.list({}, {"stripe_account": "acct_other"})


def test_version_header(side: StripeSide) -> None:
    """The asked-for version is echoed, and one that never was is refused."""
    answer = side.http.get("/v1/customers", headers={"Stripe-Version": "2026-05-27.dahlia"})
    assert answer.headers["Stripe-Version"] == "2026-05-27.dahlia"
    assert side.http.get("/v1/customers", headers={"Stripe-Version": "1999-01-01"}).status_code == 400


def test_operation_limit(side: StripeSide, control: tools.Control) -> None:
    """Over the limit of one operation: 429 rate_limit, the reason in a header, no Retry-After."""
    with control.settings(stripe_operation_rate=3, stripe_test_rate=100):
        answers = [side.http.get("/v1/customers") for _ in range(5)]
        assert [answer.status_code for answer in answers] == [200, 200, 200, 429, 429]
        assert side.http.get("/v1/events").status_code == 200
    refused = answers[-1]
    assert refused.headers["Stripe-Rate-Limited-Reason"] == "endpoint-rate"
    assert "Retry-After" not in refused.headers
    assert refused.json()["error"]["code"] == "rate_limit"


def test_account_limit(side: StripeSide, control: tools.Control) -> None:
    """Over the limit of the account another account goes on; the SDK raises RateLimitError, and time heals it."""
    other = tools.stripe_client(side.url, control.account("stripe")["key"])
    with control.settings(stripe_operation_rate=25, stripe_test_rate=4):
        for path in ("customers", "events", "webhook_endpoints", "account"):
            assert side.http.get(f"/v1/{path}").status_code == 200
        refused = side.http.get("/v1/customers")
        assert refused.headers["Stripe-Rate-Limited-Reason"] == "global-rate"
        with pytest.raises(stripe.RateLimitError):
            side.sdk.v1.customers.list()
        assert other.v1.customers.list().data == []
        tools.until(lambda: side.http.get("/v1/customers").status_code == 200)
