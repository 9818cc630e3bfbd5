"""Our Togai client against the sandbox, and our bodies against the vendor's own models."""

from __future__ import annotations

import json
from typing import Any

import pytest
from shared.apps.togai.models import NewAccount, NewCustomer, NewSetting, TogaiAddress
from shared.errors import Blocked, KeyRefused, Malformed, NotFound, RateLimited, Rejected, SyncError, Unavailable
from shared.identity import key_fingerprint
from togai_client.models.create_customer_request import CreateCustomerRequest
from togai_client.models.setting import Setting as VendorsSetting
from togai_client.models.update_setting_request import UpdateSettingRequest

from tests.contract.clients.conftest import TogaiSide, other_togai

NAME = "StripeCustomerId"
ACCOUNT = "ACCOUNT"
ODD = ["a b", "a/b", "a?b=c", "a#b", "a%2Fb", "a&b", "Zoë", "日本", "a\\b", "a;b", "a+b", "a.b", "a@b"]


def new(name: str = "acme", settings: tuple[NewSetting, ...] = (), **address: str) -> NewCustomer:
    """A customer with its account, as flow 2 makes it."""
    where = TogaiAddress(**({"line1": "Damrak 1", "city": "Zürich", "country": "CH"} | address))
    account = NewAccount(
        id=name,
        name="Acme Zürich",
        invoice_currency="CHF",
        primary_email="a@acme.test",
        address=where,
        settings=list(settings),
    )
    return NewCustomer(id=name, name="Acme Zürich", primary_email="a@acme.test", address=where, account=account)


def linked(value: str = "cus_1") -> NewSetting:
    return NewSetting(id=NAME, value=value, name=NAME)


def through(model: Any, body: dict[str, Any]) -> Any:
    """A body after it has been the vendor's own model."""
    return model.from_dict(body).to_dict()


async def failed(call: Any) -> SyncError:
    """The error of a call; anything that is none of ours fails the test."""
    with pytest.raises(SyncError) as caught:
        await call
    return caught.value


@pytest.mark.parametrize(
    "customer",
    [new(), new(settings=(linked(),)), new(phoneNumber="+41 1", postalCode="8001", state="ZH", line2="c/o")],
)
def test_our_body_is_what_the_vendors_model_says(customer: NewCustomer) -> None:
    """Nothing is lost or renamed on the way through the vendor's own client."""
    body = customer.body()

    assert through(CreateCustomerRequest, body) == body


async def test_our_settings_are_what_the_vendors_models_say(togai_side: TogaiSide) -> None:
    """The bodies of POST and PATCH, as they went over the wire."""
    sent: list[dict[str, Any]] = []

    async def remember(request: Any) -> None:
        if request.content:
            sent.append(json.loads(request.content))

    await togai_side.client.create_customer(new())
    togai_side.http.event_hooks["request"].append(remember)
    await togai_side.client.create_setting(NAME, "cus_1", ACCOUNT, "acme")
    await togai_side.client.update_setting(NAME, "cus_2", ACCOUNT, "acme")

    made, changed = sent
    assert through(VendorsSetting, made) == made
    assert (made["entityType"], made["entityId"]) == (ACCOUNT, "acme")
    assert through(UpdateSettingRequest, changed) == changed


async def test_who_is_behind_the_token(togai_side: TogaiSide) -> None:
    """The organization's id, from its own settings."""
    assert await togai_side.client.organization() == togai_side.account


async def test_a_customer_and_its_account(togai_side: TogaiSide) -> None:
    """Made together, read one by one."""
    made = await togai_side.client.create_customer(new(settings=(linked(),)))
    customer, account = await togai_side.client.customer("acme"), await togai_side.client.account("acme")
    setting = await togai_side.client.setting(NAME, ACCOUNT, "acme")

    assert made.account is not None
    assert (made.id, made.account.id, customer.name) == ("acme", "acme", "Acme Zürich")
    assert (account.customer_id, account.invoice_currency, account.status) == ("acme", "CHF", "ACTIVE")
    assert account.address is not None
    assert account.address.city == "Zürich"
    assert setting is not None
    assert (setting.value, setting.entity_type, setting.entity_id) == ("cus_1", ACCOUNT, "acme")


@pytest.mark.parametrize("write", [201, 204])
async def test_a_setting_is_made_and_changed(togai_side: TogaiSide, write: int) -> None:
    """With the present setting in the answer, or with nothing in it."""
    await togai_side.client.create_customer(new())
    with togai_side.control.settings(togai_setting_write=write):
        absent = await togai_side.client.setting(NAME, ACCOUNT, "acme")
        await togai_side.client.create_setting(NAME, "cus_1", ACCOUNT, "acme")
        first = await togai_side.client.setting(NAME, ACCOUNT, "acme")
        await togai_side.client.update_setting(NAME, "cus_2", ACCOUNT, "acme")
        second = await togai_side.client.setting(NAME, ACCOUNT, "acme")

    assert absent is None
    assert first is not None
    assert second is not None
    assert (first.value, second.value) == ("cus_1", "cus_2")


@pytest.mark.parametrize("odd", ODD)
async def test_an_odd_id_is_the_same_at_both_ends(togai_side: TogaiSide, odd: str) -> None:
    """A person may choose any id: account, customer and setting are found under it."""
    await togai_side.client.create_customer(new(odd))
    await togai_side.client.create_setting(NAME, "cus_1", ACCOUNT, odd)
    await togai_side.client.update_setting(NAME, "cus_2", ACCOUNT, odd)
    setting = await togai_side.client.setting(NAME, ACCOUNT, odd)

    assert (await togai_side.client.account(odd)).id == odd
    assert (await togai_side.client.customer(odd)).id == odd
    assert setting is not None
    assert (setting.value, setting.entity_id) == ("cus_2", odd)


@pytest.mark.parametrize("id", ["", ".", ".."])
async def test_what_is_no_id_is_no_call(togai_side: TogaiSide, id: str) -> None:
    """It would be the address of a list, or of something else."""
    assert isinstance(await failed(togai_side.client.account(id)), Malformed)
    assert isinstance(await failed(togai_side.client.customer(id)), Malformed)
    assert togai_side.calls() == []


@pytest.mark.parametrize(("duplicate", "expected"), [(400, Rejected), (409, Rejected), (200, None)])
async def test_a_taken_id(togai_side: TogaiSide, duplicate: int, expected: type[SyncError] | None) -> None:
    """Nobody knows how Togai answers: each way is distinguished by status."""
    await togai_side.client.create_customer(new())
    with togai_side.control.settings(togai_duplicate=duplicate):
        if expected is None:
            assert (await togai_side.client.create_customer(new())).id == "acme"
            return
        error = await failed(togai_side.client.create_customer(new()))

    assert type(error) is expected
    assert isinstance(error, Rejected)
    assert error.status == duplicate


@pytest.mark.parametrize("retry_after", [None, 4])
async def test_a_rate_limit_slows_down(togai_side: TogaiSide, retry_after: int | None) -> None:
    """For as long as the header says, else for a second."""
    with togai_side.fault("rate_limited", times=1, retry_after=retry_after):
        error = await failed(togai_side.client.account("acme"))

    assert isinstance(error, RateLimited)
    assert error.retry_after == retry_after
    assert togai_side.gate.slowed_down == [(f"togai:test:{togai_side.account}", float(retry_after or 1))]


@pytest.mark.parametrize(
    ("kind", "rule", "made"),
    [
        ("error_before", {}, False),
        ("error_after", {"status": 503}, True),
        ("hang_before", {"seconds": 2.5}, None),
        ("hang_after", {"seconds": 2.5}, True),
        ("cut_before", {}, False),
        ("cut_after", {}, True),
        ("html", {"status": 502}, True),
        ("html", {"status": 200}, True),
        ("truncated_json", {}, True),
        ("slow", {"seconds": 4}, True),
    ],
)
async def test_an_answer_that_does_not_come_whole_is_unavailable(
    togai_side: TogaiSide, kind: str, rule: dict[str, Any], made: bool | None
) -> None:
    """Within the call's deadline, even if it comes drop by drop; what was done shows under the id that we chose."""
    with togai_side.fault(kind, times=1, **rule):
        error = await failed(togai_side.client.create_customer(new()))

    assert isinstance(error, Unavailable)
    if made is not None:
        assert [account["id"] for account in togai_side.state()["accounts"]] == (["acme"] if made else [])


async def test_a_wrong_token_is_a_state_of_the_connection(togai_side: TogaiSide) -> None:
    """401 names the connection and never the token; after five of them everybody at this address is locked out."""
    client = other_togai(togai_side, "togai_nobody_knows")
    error = await failed(client.account("acme"))
    try:
        errors = [await failed(client.account("acme")) for _ in range(5)]
        locked = await failed(togai_side.client.account("acme"))
    finally:
        togai_side.control.call("POST", "/togai/unlock")

    assert isinstance(error, KeyRefused)
    assert (error.connection, error.fingerprint) == ("con_t", key_fingerprint("togai_nobody_knows"))
    assert "nobody_knows" not in error.message
    assert isinstance(errors[-1], RateLimited)
    assert isinstance(locked, RateLimited)


async def test_an_exceeded_quota_blocks_that_operation(togai_side: TogaiSide) -> None:
    """403, in Togai's words: no other customer can be made either, and everything else goes on."""
    with togai_side.control.settings(togai_customer_quota=0):
        error = await failed(togai_side.client.create_customer(new()))

    assert isinstance(error, Blocked)
    assert (error.connection, error.operation) == ("con_t", "customers.post")
    assert "quota" in error.message.lower()


async def test_what_is_not_there_is_not_found(togai_side: TogaiSide) -> None:
    """404 of an account and a customer; a setting that is not there is none."""
    errors = [await failed(call) for call in (togai_side.client.account("x"), togai_side.client.customer("x"))]
    change = await failed(togai_side.client.update_setting(NAME, "v", ACCOUNT, "x"))

    assert [type(error) for error in (*errors, change)] == [NotFound] * 3
    assert await togai_side.client.setting(NAME, ACCOUNT, "x") is None


@pytest.mark.parametrize("change", [{"unknown": 1}, {"name": "x"}, {"primaryEmail": None}, {"id": "x" * 51}])
async def test_a_refused_body_is_rejected(togai_side: TogaiSide, change: dict[str, Any]) -> None:
    """400: the same call would fail again."""
    error = await failed(togai_side.client.create_customer({**new().body(), **change}))

    assert type(error) is Rejected
    assert error.status == 400


async def test_nobody_there_is_unavailable(togai_side: TogaiSide) -> None:
    """A refused connection, as while the vendor is away."""
    assert isinstance(await failed(other_togai(togai_side, base="http://127.0.0.1:1").account("x")), Unavailable)
