"""A worker of plan-sync and one of customer-sync in the test's own process, against the sandbox."""

from __future__ import annotations

import json
import secrets
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from cryptography.fernet import Fernet
from plan_sync.actions import IMPLEMENTATIONS
from shared.apps.togai.webhooks import togai_event
from shared.domains import subject_of
from shared.domains.plans import DOMAIN
from shared.domains.plans.flows import PLAN_TO_PRICES
from shared.domains.plans.sessions import TRIGGER, SessionRequest
from shared.domains.plans.togai import Offer, offer_id
from shared.events.envelope import Envelope, Origin, timestamp
from shared.flows.runs import Run
from shared.identity import CONSOLE_SOURCE, Ref

from tests.contract.sandbox.conftest import control as control
from tests.contract.sandbox.conftest import process as process
from tests.contract.sandbox.tools import Control
from tests.stack.in_process import CUSTOMERS, InProcess, in_process

ACCOUNT = "acme"
KEY = Fernet.generate_key().decode()


class Plans:
    """What a test does with plans, and what it sees at both vendors."""

    def __init__(self, tandem: InProcess) -> None:
        self.tandem = tandem

    @property
    def organization(self) -> str:
        return str(self.tandem.accounts["togai"]["id"])

    def plan(self, name: str = "Starter", rate: str = "49", **more: Any) -> str:
        """An active plan with one fee that is paid in advance."""
        body = {"account": self.organization, "name": name, "rates": {"USD": rate}} | more
        return str(self.tandem.control.call("POST", "/togai/price_plans", body)["id"])

    def change(self, plan: str, rate: str = "49", **more: Any) -> None:
        """A person makes the plan's next version in Togai's pages."""
        body = {"account": self.organization, "rates": {"USD": rate}} | more
        self.tandem.control.call("PATCH", f"/togai/price_plans/{plan}", body)

    async def tell(self, plan: str, event: str = "updated") -> Run:
        """An event of the plan comes, and is worked off. Returns its run of the catalog's flow."""
        event_id = f"tgi_{secrets.token_hex(8)}"
        made = togai_event(
            f"price_plan.{event}",
            json.dumps({"payload": {"id": plan}}).encode(),
            self.tandem.registry.connections["togai"],
            event_id=event_id,
            now=datetime.now(UTC),
            subject_of=subject_of,
        )
        origin: Origin = "poll" if event == "updated" else "live"
        self.tandem.deliver(msgspec.structs.replace(made, origin=origin))
        await self.tandem.drain()
        [run] = [run for run in self.tandem.runs() if run.event == event_id and run.flow == PLAN_TO_PRICES.id]
        return run

    def offer(self, plan: str, account: str = ACCOUNT) -> Envelope:
        """A person offers it."""
        connection = self.tandem.registry.connections["togai"]
        entity = Ref(connection.app_account, "offer", offer_id(plan, account))
        event = Envelope(
            id=f"req_{secrets.token_hex(8)}",
            source=CONSOLE_SOURCE,
            type="togai.price_plan.offered",
            subject=entity.id,
            time=timestamp(datetime.now(UTC)),
            appaccount=connection.app_account,
            connection=connection.id,
            aggregate=str(entity),
            data=msgspec.Raw(Offer(plan_id=plan, account_id=account).model_dump_json().encode()),
        )
        self.tandem.deliver(event)
        return event

    async def ask_session(self, plan: str, account: str = ACCOUNT) -> Run:
        """The offer's page asks for a session. Returns the run that came of it."""
        connection = self.tandem.registry.connections["togai"]
        entity = Ref(connection.app_account, "offer", offer_id(plan, account))
        wanted = SessionRequest(plan_id=plan, account_id=account, return_url="https://portal.test/back")
        event = Envelope(
            id=f"req_{secrets.token_hex(8)}",
            source=CONSOLE_SOURCE,
            type=TRIGGER.name,
            subject=entity.id,
            time=timestamp(datetime.now(UTC)),
            appaccount=connection.app_account,
            connection=connection.id,
            aggregate=str(entity),
            data=msgspec.Raw(wanted.model_dump_json().encode()),
        )
        self.tandem.deliver(event)
        await self.tandem.drain()
        [run] = [run for run in self.tandem.runs() if run.event == event.id]
        return run

    def sessions(self, **wanted: str) -> list[dict[str, Any]]:
        """Checkout sessions, newest first."""
        params = {"limit": 100} | wanted
        return list(self.tandem.call("stripe", "GET", "/v1/checkout/sessions", params=params)["data"])

    def pay(self, link: str, outcome: str = "paid", **more: Any) -> str:
        """What a customer does at the link's page."""
        body = {"account": self.tandem.accounts["stripe"]["id"], "payment_link": link, "outcome": outcome} | more
        return str(self.tandem.control.call("POST", "/stripe/checkout", body)["session"])

    def visit(self, url: str) -> str:
        """Open a link's page; the session that it begins."""
        answer = self.tandem.control.http.get(url, follow_redirects=False)
        return str(answer.headers["location"]).rpartition("/")[2]

    def resolve(self, session: str, outcome: str) -> None:
        """What becomes of a session that is paid later."""
        body = {"account": self.tandem.accounts["stripe"]["id"], "session": session, "outcome": outcome}
        self.tandem.control.call("POST", "/stripe/checkout", body)

    def links(self) -> list[dict[str, Any]]:
        return list(self.tandem.call("stripe", "GET", "/v1/payment_links", params={"limit": 100})["data"])

    def prices(self) -> list[dict[str, Any]]:
        return list(self.tandem.call("stripe", "GET", "/v1/prices", params={"limit": 100})["data"])

    def products(self) -> list[dict[str, Any]]:
        return list(self.tandem.call("stripe", "GET", "/v1/products", params={"limit": 100})["data"])

    def schedules(self, account: str = ACCOUNT) -> list[dict[str, Any]]:
        found = self.tandem.call("togai", "GET", f"/accounts/{account}/pricing_schedules")
        return list(found.get("pricingSchedules", found.get("data", [])))

    def payments(self) -> list[dict[str, Any]]:
        return list(self.tandem.call("togai", "GET", "/payments")["data"])


@pytest.fixture
async def tandem(control: Control) -> AsyncIterator[InProcess]:
    """Both workers, with one account in Togai."""
    services = (*CUSTOMERS, (DOMAIN, IMPLEMENTATIONS))
    async with in_process(control, services=services, default_currency="USD", portal_keys=KEY) as made:
        made.account(ACCOUNT)
        await made.drain()
        yield made


@pytest.fixture
def plans(tandem: InProcess) -> Plans:
    return Plans(tandem)
