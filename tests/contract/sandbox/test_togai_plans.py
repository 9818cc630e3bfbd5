"""Togai's price plans: from a draft to an account that has one, and what is refused on the way."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sandbox.settings import Settings
from togai_client.models.create_price_plan_request import CreatePricePlanRequest

from tests.contract.sandbox.inside import UNLIMITED, Inside, inside
from tests.contract.sandbox.togai_org import FOR_EVER, Org
from tests.contract.sandbox.togai_plans import DETAILS, NEW_FEATURE, NEW_METER, NEW_PLAN


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Inside]:
    """One application for all tests."""
    with inside(tmp_path_factory.mktemp("plans")) as made:
        yield made


@pytest.fixture
def org(app: Inside) -> Iterator[Org]:
    """An organization; the switches are back afterwards."""
    yield Org(app)
    app.world.keep_settings(Settings(**UNLIMITED))


def day(days: int = 0) -> str:
    """A day from now, in UTC."""
    return (datetime.now(UTC) + timedelta(days=days)).date().isoformat()


def test_life_of_a_plan(org: Org) -> None:
    """A draft is made, changed, activated in some of its currencies, listed without rate cards, and archived."""
    made = org.good("POST", "/price_plans", NEW_PLAN)
    place = f"/price_plans/{made['id']}"
    assert made["id"].startswith("pp.")
    assert (made["status"], made["pricingSchedule"][0]["pricePlanDetails"]["activeCurrencies"]) == ("DRAFT", [])
    assert org.good("PATCH", place, {"description": "Changed"})["description"] == "Changed"
    active = org.good("POST", f"{place}/activate", {"currencies": ["USD"]})
    assert (active["status"], active["pricingSchedule"][0]["pricePlanDetails"]["activeCurrencies"]) == (
        "ACTIVE",
        ["USD"],
    )
    assert org.call("PATCH", place, {"description": "Again"}).status_code == 400
    assert org.call("POST", f"{place}/activate", {"currencies": ["EUR"]}).status_code == 400
    item = org.good("GET", "/price_plans?status=ACTIVE&type=BILLING")["data"][0]
    assert (item["id"], item["version"], item["usageMeters"]) == (made["id"], 1, ["um.1"])
    assert set(item["pricePlanDetails"]) == {
        "supportedCurrencies", "activeCurrencies", "pricingCycleConfig", "deferredRevenue"
    }  # fmt: skip
    assert org.good("DELETE", place) == {"success": True}
    assert org.good("GET", place)["status"] == "ARCHIVED"
    assert org.call("POST", f"{place}/activate", {"currencies": ["USD"]}).status_code == 400


def test_the_vendors_client_sends_such_a_plan(org: Org) -> None:
    """The body of the tests is one that togai-client knows, field by field."""
    sent = CreatePricePlanRequest.from_dict(NEW_PLAN)
    assert sent is not None
    assert sent.to_dict() == NEW_PLAN
    assert org.good("POST", "/price_plans?dry_run=true", sent.to_dict())["status"] == "DRAFT"
    assert org.good("GET", "/price_plans")["data"] == []


def test_amounts_stay_exact(org: Org) -> None:
    """A rate is answered digit by digit as it was sent, though no float could hold it."""
    rate = '{"supportedCurrencies":["USD"],"minimumCommitment":{"displayName":"x","rateValues":[%s]}}'
    details = rate % '{"currency":"USD","rate":1234567890.123456789012345}'
    exact = f'{{"name":"Exact","pricePlanDetails":{details}}}'
    answer = org.app.call(
        "POST", "/togai/price_plans", org.token, content=exact, headers={"content-type": "application/json"}
    )
    assert '"rate":1234567890.123456789012345' in answer.text
    found = org.app.call("GET", f"/togai/price_plans/{answer.json()['id']}", org.token)
    assert '"rate":1234567890.123456789012345' in found.text


@pytest.mark.parametrize(
    ("name", "cards"),
    [("fixedFeeRateCards", DETAILS["fixedFeeRateCards"] * 2), ("usageRateCards", DETAILS["usageRateCards"] * 2)],
)
def test_one_card_for_each_billable_thing(org: Org, name: str, cards: list[Any]) -> None:
    """Two cards for the same thing, and a currency without a rate, are refused."""
    assert (
        org.call("POST", "/price_plans", {"name": "x", "pricePlanDetails": {**DETAILS, name: cards}}).status_code == 400
    )
    both = {**DETAILS, "supportedCurrencies": ["USD", "EUR"]}
    assert "EUR" in org.call("POST", "/price_plans", {"name": "x", "pricePlanDetails": both}).json()["message"]


def test_a_plan_on_an_account(org: Org) -> None:
    """From today on; a later plan takes its place, and taking it off leaves a gap."""
    first, second = org.plan(), org.plan(name="Better")
    answer = org.put_on(first["id"], day()).json()
    assert (answer["accountId"], answer["accountName"]) == ("A1", "First account")
    assert [s["pricePlanId"] for s in answer["pricingSchedules"]] == [first["id"]]
    org.put_on(second["id"], day(10), day(20))
    assert org.schedules() == [
        (first["id"], day(), day(10)), (second["id"], day(10), day(20)), (first["id"], day(20), FOR_EVER)
    ]  # fmt: skip
    assert org.schedules(f"?start_date={day(10)}&end_date={day(20)}") == [(second["id"], day(10), day(20))]
    off = {"mode": "DISASSOCIATE", "effectiveFrom": day(5), "effectiveUntil": FOR_EVER}
    org.good("POST", "/accounts/A1/edit_schedules?dry_run=true", {"edits": [off]})
    assert len(org.schedules()) == 3
    org.good("POST", "/accounts/A1/edit_schedules", {"edits": [off]})
    assert org.schedules() == [(first["id"], day(), day(5))]
    shown = org.good("GET", "/accounts/A1/pricing_schedules?compact=true&include_price_plan_info=true")["data"][0]
    assert ("pricePlanDetails" in shown, shown["pricePlanInfo"]) == (False, {"name": "Starter"})


def test_association_is_not_idempotent(org: Org) -> None:
    """The same call twice leaves one schedule for the same time, under another id: nothing tells that it was there."""
    plan = org.plan()["id"]
    first, second = (org.put_on(plan, day()).json()["pricingSchedules"] for _ in range(2))
    assert len(first) == len(second) == 1
    assert first[0]["id"] != second[0]["id"]


def test_refused_associations(org: Org) -> None:
    """Yesterday, a draft, an archived plan, another currency, an unknown plan, an empty span: nothing changes."""
    good, draft, gone = (org.plan(active=active)["id"] for active in (True, False, True))
    euro = org.plan(rates={"EUR": "45.00"})["id"]
    org.good("DELETE", f"/price_plans/{gone}")
    for plan, start, until in (
        (good, day(-1), FOR_EVER), (draft, day(), FOR_EVER), (gone, day(), FOR_EVER), (euro, day(), FOR_EVER),
        (good, day(5), day(5)),
    ):  # fmt: skip
        assert org.put_on(plan, start, until).status_code == 400
    assert org.put_on("pp.none", day()).status_code == 404
    assert org.schedules() == []


def test_only_from_tomorrow(org: Org) -> None:
    """Where that is switched on today is refused, as a checkout that completes now learns; deferred revenue is not."""
    org.app.control("PATCH", "/settings", {"togai_association_from": "tomorrow"})
    plan = org.plan()["id"]
    assert day(1) in org.put_on(plan, day()).json()["message"]
    assert org.put_on(plan, day(1)).is_success
    details = {"supportedCurrencies": ["USD"], "deferredRevenue": True}
    deferred = org.app.control("POST", "/togai/price_plans", {"account": org.account, "name": "D", "details": details})
    assert org.put_on(deferred["id"], day()).is_success


def test_the_day_begins_where_the_organization_is(org: Org) -> None:
    """Far east of UTC it is tomorrow already, far west still yesterday."""
    plan = org.plan()["id"]
    now = datetime.now(UTC)
    zone, local = (
        ("Etc/GMT-14", now + timedelta(hours=14)) if now.hour >= 10 else ("Etc/GMT+12", now - timedelta(hours=12))
    )
    org.app.control("PATCH", "/settings", {"togai_time_zone": zone})
    assert org.put_on(plan, (local - timedelta(days=1)).date().isoformat()).status_code == 400
    assert org.put_on(plan, local.date().isoformat()).is_success


def test_a_new_version(org: Org) -> None:
    """A person changes what a plan costs: the next version, in the same currencies; what is on accounts stays."""
    plan = org.plan()
    org.put_on(plan["id"], day())
    body = {"account": org.account, "rates": {"USD": "59.00"}}
    changed = org.app.control("PATCH", f"/togai/price_plans/{plan['id']}", body)
    assert [version["version"] for version in changed["pricingSchedule"]] == [1, 2]
    newest = org.good("GET", f"/price_plans/{plan['id']}?version=2")["pricingSchedule"][0]["pricePlanDetails"]
    assert (newest["fixedFeeRateCards"][0]["rateValues"][0]["rate"], newest["activeCurrencies"]) == (59.0, ["USD"])
    assert org.good("GET", "/accounts/A1/pricing_schedules")["data"][0]["version"] == 1
    assert org.call("GET", f"/price_plans/{plan['id']}?version=3").status_code == 404


def test_the_webhook_of_a_plan(org: Org) -> None:
    """ "Price plan creation" carries the plan; there is none for its change, nor for an account that gets it."""
    hook = {"account": org.account, "event": "Price plan creation", "url": "http://127.0.0.1:9/x"}
    org.app.control("POST", "/subscriptions", hook)
    plan = org.plan()
    org.put_on(plan["id"], day())
    found = org.app.control("GET", "/deliveries", account=org.account)["deliveries"]
    assert [(d["type"], d["object"]) for d in found] == [("Price plan creation", plan["id"])]


def test_who_put_it_there(org: Org) -> None:
    """The history holds every version of plans and schedules, with the key that made it."""
    plan = org.plan()["id"]
    org.put_on(plan, day())
    found = org.app.control("GET", "/history", account=org.account)["versions"]
    assert [(v["kind"], v["caller"]) for v in found if v["kind"] in ("price_plan", "pricing_schedule")] == [
        ("price_plan", "control"), ("pricing_schedule", org.token)
    ]  # fmt: skip


BILLED = [
    ("usageRateCards", "usageMeterId"), ("fixedFeeRateCards", "id"), ("licenseRateCards", "id"),
    ("billingEntitlementRateCards", "featureId"), ("entitlementOverageRateCards", "featureId"),
    ("creditGrantRateCards", "id"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "field"), BILLED)
def test_a_plan_that_names_what_is_not_there_is_refused(org: Org, name: str, field: str) -> None:
    """An unknown add-on, usage meter or feature; the message names it, and nothing is made."""
    cards = [{**DETAILS[name][0], field: "nobody"}]
    answer = org.call("POST", "/price_plans", {"name": "x", "pricePlanDetails": {**DETAILS, name: cards}})
    assert (answer.status_code, "nobody not found" in answer.json()["message"]) == (400, True)
    assert org.good("GET", "/price_plans")["data"] == []


def test_a_plan_of_what_was_made_for_it(org: Org) -> None:
    """Each kind is made, found by its id and in its list, and named by a plan; a meter's name is its own."""
    addon = org.good("POST", "/addons", {"name": "Seat", "type": "LICENSE"})
    meter = org.good("POST", "/usage_meters", NEW_METER)
    feature = org.good("POST", "/features", NEW_FEATURE)
    details = {
        **DETAILS, "usageRateCards": [{**DETAILS["usageRateCards"][0], "usageMeterId": meter["id"]}],
        "licenseRateCards": [{**DETAILS["licenseRateCards"][0], "id": addon["id"]}],
        "billingEntitlementRateCards": [{**DETAILS["billingEntitlementRateCards"][0], "featureId": feature["id"]}],
    }  # fmt: skip
    plan = org.good("POST", "/price_plans", {"name": "x", "pricePlanDetails": details})
    assert plan["status"] == "DRAFT"
    assert org.good("GET", f"/addons/{addon['id']}") == addon
    assert [one["id"] for one in org.good("GET", "/usage_meters?aggregations=SUM")["data"]] == [meter["id"]]
    assert org.call("POST", "/usage_meters", NEW_METER).status_code == 400


def test_what_a_person_names_in_togais_pages_is_there(org: Org) -> None:
    """The fee of a plan that was made there can be named by the next plan."""
    org.plan()
    assert org.good("GET", "/addons/addon.sandbox.fee")["type"] == "FIXED_FEE"
