"""Version 2 of Togai's price plans and schedules: drafts, versions, rate cards, and what an account has by them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sandbox.settings import Settings
from togai_client.models.bulk_rate_card_operations_request import BulkRateCardOperationsRequest
from togai_client.models.create_price_plan_v2_request import CreatePricePlanV2Request
from togai_client.models.edit_account_schedule_request import EditAccountScheduleRequest

from tests.contract.sandbox.inside import UNLIMITED, Inside, inside
from tests.contract.sandbox.test_togai_plans import day
from tests.contract.sandbox.togai_org import FOR_EVER, Org
from tests.contract.sandbox.togai_plans_v2 import CARDS, EDITS_V2, NEW_PLAN_V2, OPERATIONS

PLANS, ACCOUNT = "/v2/price_plans", "/v2/accounts/A1"
Json = dict[str, Any]


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Inside]:
    """One application for all tests."""
    with inside(tmp_path_factory.mktemp("plans_v2")) as made:
        yield made


@pytest.fixture
def org(app: Inside) -> Iterator[Org]:
    """An organization; the switches are back afterwards."""
    yield Org(app)
    app.world.keep_settings(Settings(**UNLIMITED))


def put(plan: str, start: str, until: str = FOR_EVER) -> Json:
    """An edit that puts a plan on an account."""
    config = {"pricePlanId": plan}
    return {"mode": "ASSOCIATE", "effectiveFrom": start, "effectiveUntil": until, "associationConfig": config}


def edit(org: Org, *edits: Json, query: str = "") -> Any:
    return org.good("POST", f"{ACCOUNT}/edit_schedules{query}", {"edits": list(edits)})


def drafted(org: Org, mode: str = "DRAFT") -> list[tuple[str, str, str]]:
    """What stands on the account, or in its draft: plan, first day, last day."""
    rows = org.good("GET", f"{ACCOUNT}/schedules?mode={mode}")["data"]
    return [(row["pricePlanId"], row["startDate"][:10], row["endDate"][:10]) for row in rows]


def test_life_of_a_plan(org: Org) -> None:
    """A draft gets rate cards and becomes active; a change begins the next version, which can be discarded."""
    plan = org.good("POST", PLANS, NEW_PLAN_V2)
    place = f"{PLANS}/{plan['id']}"
    assert (plan["status"], plan["version"]) == ("DRAFT", 1)
    assert org.call("GET", f"{place}?version=ACTIVE").status_code == 404
    cards = org.good("POST", f"{place}/rate_cards", OPERATIONS)["rateCards"]
    assert {card["referenceId"] for card in cards} == {plan["referenceId"]}
    assert org.good("POST", f"{place}/finalize", {}) == {"success": True}
    assert org.call("POST", f"{place}/finalize", {}).status_code == 400
    delete = {"operations": [{"actionType": "DELETE", "rateCardName": "usage"}]}
    org.good("POST", f"{place}/rate_cards", delete)
    active, latest = (org.good("GET", f"{place}?version={name}") for name in ("ACTIVE", "LATEST"))
    assert [(one["version"], one["status"]) for one in (active, latest)] == [(1, "ACTIVE"), (2, "DRAFT")]
    shown = org.good("GET", f"{place}/rate_cards")["data"]
    assert {card["name"] for card in shown} == CARDS.keys() - {"usage"}
    assert {card["referenceId"] for card in shown} == {latest["referenceId"]}
    assert [one["version"] for one in org.good("GET", f"{place}/versions")["data"]] == [2, 1]
    org.good("DELETE", f"{place}/discard")
    assert org.good("GET", place) == active
    assert [one["id"] for one in org.good("GET", PLANS)["data"]] == [plan["id"]]


def test_a_draft_alone_is_gone_when_it_is_discarded(org: Org) -> None:
    """Nothing is left of the plan."""
    plan = org.good("POST", PLANS, NEW_PLAN_V2)["id"]
    org.good("DELETE", f"{PLANS}/{plan}/discard")
    assert org.call("GET", f"{PLANS}/{plan}").status_code == 404
    assert org.good("GET", PLANS)["data"] == []


def test_each_version_of_the_api_shows_its_own_plans(org: Org) -> None:
    """Neither reads, lists or associates the other's, but a schedule of version 2 takes both."""
    first, second = org.plan()["id"], org.plan(api="v2")["id"]
    assert [one["id"] for one in org.good("GET", "/price_plans")["data"]] == [first]
    assert [one["id"] for one in org.good("GET", PLANS)["data"]] == [second]
    assert org.call("GET", f"/price_plans/{second}").status_code == 404
    assert org.call("GET", f"{PLANS}/{first}").status_code == 404
    assert org.put_on(second, day()).status_code == 404
    edit(org, put(first, day(), day(5)), put(second, day(5)))
    assert drafted(org) == [(first, day(), day(5)), (second, day(5), FOR_EVER)]


def test_a_card_without_a_rate_is_an_error_of_the_draft(org: Org) -> None:
    """It can be written and not finalized; the errors name it."""
    plan = org.good("POST", PLANS, NEW_PLAN_V2 | {"supportedCurrencies": ["USD", "EUR"]})["id"]
    org.good("POST", f"{PLANS}/{plan}/rate_cards", {"operations": OPERATIONS["operations"][:1]})
    [error] = org.good("GET", f"{PLANS}/{plan}/errors")["data"]
    assert (error["entityId"], "EUR" in error["errorMessage"]) == ("fee", True)
    assert org.call("POST", f"{PLANS}/{plan}/finalize", {}).status_code == 400
    assert org.good("GET", f"{PLANS}/{plan}")["status"] == "DRAFT"


def test_an_edit_makes_a_draft_and_finalizing_makes_it_active(org: Org) -> None:
    """Until then the account has what it had; then both versions show the same, under ids of their own."""
    plan = org.plan(api="v2")["id"]
    [made] = edit(org, put(plan, day()))["pricingSchedules"]
    assert (drafted(org), drafted(org, "ACTIVE")) == ([(plan, day(), FOR_EVER)], [])
    [active] = org.good("POST", f"{ACCOUNT}/finalize_schedules", {"mergeSchedules": False})["data"]
    assert (drafted(org), drafted(org, "ACTIVE"), org.schedules()) == (
        [],
        [(plan, day(), FOR_EVER)],
        drafted(org, "ACTIVE"),
    )
    assert active["id"] != made["id"]
    assert org.good("GET", f"/v2/schedules/{active['id']}/rate_cards?mode=ACTIVE")["data"][0]["accountId"] == "A1"
    assert org.call("POST", f"{ACCOUNT}/finalize_schedules", {}).status_code == 400


@pytest.mark.parametrize("merged", [False, True])
def test_a_draft_replaces_what_was_changed_meanwhile_unless_it_is_merged(org: Org, merged: bool) -> None:
    """It is what the account had when it was begun, with the edits."""
    first, second = org.plan()["id"], org.plan(api="v2")["id"]
    edit(org, put(second, day(), day(5)))
    org.put_on(first, "2999-01-01", "2999-02-01")
    org.good("POST", f"{ACCOUNT}/finalize_schedules", {"mergeSchedules": merged})
    kept = [(first, "2999-01-01", "2999-02-01")] if merged else []
    assert drafted(org, "ACTIVE") == [(second, day(), day(5)), *kept]


def test_a_draft_is_discarded_alone_or_by_an_edit(org: Org) -> None:
    """What stands on the account stays; one edit more adds to the draft, unless it discards it first."""
    first, second = org.plan()["id"], org.plan(api="v2")["id"]
    org.put_on(first, day())
    edit(org, put(second, day(2), day(3)))
    edit(org, put(second, day(5), day(6)))
    assert [row[0] for row in drafted(org)] == [first, second, first, second, first]
    edit(org, put(second, day(8), day(9)), query="?discard=true")
    assert drafted(org) == [(first, day(), day(8)), (second, day(8), day(9)), (first, day(9), FOR_EVER)]
    org.app.control("PATCH", "/settings", {"togai_draft_list": "changed"})
    assert drafted(org) == [(first, day(), day(8)), (second, day(8), day(9)), (first, day(9), FOR_EVER)]
    org.good("DELETE", f"{ACCOUNT}/discard_schedules")
    assert (drafted(org), drafted(org, "ACTIVE")) == ([], [(first, day(), FOR_EVER)])
    assert org.call("DELETE", f"{ACCOUNT}/discard_schedules").status_code == 400


def test_refused_edits(org: Org) -> None:
    """Yesterday, today where plans begin tomorrow, a draft, an archived plan, a mode that is none: no draft begins."""
    good, draft, gone = (org.plan(api="v2", active=active)["id"] for active in (True, False, True))
    org.app.control("POST", "/togai/archive", {"account": org.account, "price_plan": gone})
    org.app.control("PATCH", "/settings", {"togai_association_from": "tomorrow"})
    for plan, start in ((good, day(-1)), (good, day()), (draft, day(1)), (gone, day(1))):
        answer = org.call("POST", f"{ACCOUNT}/edit_schedules", {"edits": [put(plan, start)]})
        assert answer.status_code == 400, answer.text
    assert org.good("GET", f"{PLANS}/{gone}")["status"] == "ARCHIVED"
    assert drafted(org) == []
    for query in ("", "?mode=BOTH", "?mode=DRAFT&sort=x"):
        assert org.call("GET", f"{ACCOUNT}/schedules{query}").status_code in (400, 422)


def test_pages_of_rate_cards(org: Org) -> None:
    """The token leads on; only a page that others follow has one."""
    plan = org.good("POST", PLANS, NEW_PLAN_V2)["id"]
    org.good("POST", f"{PLANS}/{plan}/rate_cards", OPERATIONS)
    page = org.good("GET", f"{PLANS}/{plan}/rate_cards?pageSize=5")
    rest = org.good("GET", f"{PLANS}/{plan}/rate_cards?nextToken={page['nextToken']}")
    assert [card["name"] for card in (*page["data"], *rest["data"])] == list(CARDS)
    assert rest["nextToken"] is None


def test_the_webhook_of_a_plan(org: Org) -> None:
    """ "Price plan creation" comes for a draft; neither its activation nor a new version sends one."""
    hook = {"account": org.account, "event": "Price plan creation", "url": "http://127.0.0.1:9/x"}
    org.app.control("POST", "/subscriptions", hook)
    plan = org.plan(api="v2")["id"]
    org.app.control("PATCH", f"/togai/price_plans/{plan}", {"account": org.account, "rates": {"USD": "59"}})
    found = org.app.control("GET", "/deliveries", account=org.account)["deliveries"]
    assert [(d["type"], d["object"]) for d in found] == [("Price plan creation", plan)]
    assert org.good("GET", f"{PLANS}/{plan}")["version"] == 2


@pytest.mark.parametrize(
    ("model", "body"),
    [
        (CreatePricePlanV2Request, NEW_PLAN_V2),
        (BulkRateCardOperationsRequest, OPERATIONS),
        (EditAccountScheduleRequest, EDITS_V2),
    ],
)
def test_the_vendors_client_sends_such_bodies(model: Any, body: Json) -> None:
    """The bodies of the tests are ones that togai-client knows, field by field."""
    through = model.from_dict(body).to_dict()
    for one in through.get("edits", []):
        one |= {name: str(one[name]) for name in ("effectiveFrom", "effectiveUntil")}
    assert through == body
