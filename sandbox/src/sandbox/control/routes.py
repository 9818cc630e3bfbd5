"""The control API's routes; the table in the README says what each is for."""

from __future__ import annotations

from collections.abc import Callable

from starlette.requests import Request
from starlette.routing import Route

from sandbox.answers import Answer
from sandbox.control import bodies
from sandbox.control.payments import catch_up
from sandbox.control.requests import ControlError, Run, answering, json_of, read, tenant_of
from sandbox.control.views import accounts_view, calls_view, history_view, state_view
from sandbox.faults import Rule
from sandbox.identifiers import random_text, stripe_id
from sandbox.seeds import start_over
from sandbox.settings import Settings
from sandbox.signatures import add_secret
from sandbox.store import Json
from sandbox.tenants import Tenant
from sandbox.togai_api import accounts, customers, price_plans
from sandbox.togai_api.calls import Call
from sandbox.togai_api.settings import add_system_setting
from sandbox.togai_api.webhooks import subscribe, subscriptions
from sandbox.world import World

Action = Callable[[Call], Answer | None]


class Control:
    """Answers everything below `/control`."""

    def __init__(self, world: World) -> None:
        self._world = world

    def routes(self) -> list[Route]:
        """The routes, each answering errors as `{"error": ...}`."""
        table: list[tuple[str, str, Run]] = [
            ("GET", "/accounts", self.list_accounts), ("POST", "/accounts", self.add_account),
            ("POST", "/keys", self.add_key),
            ("GET", "/subscriptions", self.list_subscriptions), ("POST", "/subscriptions", self.add_subscription),
            ("DELETE", "/subscriptions/{id}", self.remove_subscription),
            ("POST", "/togai/archive", self.archive), ("POST", "/togai/unarchive", self.unarchive),
            ("POST", "/togai/unlock", self.unlock),
            ("POST", "/stripe/roll_secret", self.roll_secret),
            ("GET", "/clock", self.show_clock), ("POST", "/clock", self.advance_clock),
            ("POST", "/reset", self.reset),
            ("GET", "/settings", self.show_settings), ("PATCH", "/settings", self.change_settings),
            ("GET", "/calls", self.show_calls), ("DELETE", "/calls", self.forget_calls),
            ("GET", "/deliveries", self.list_deliveries), ("POST", "/deliveries/{id}/redeliver", self.redeliver),
            ("GET", "/faults", self.list_faults), ("POST", "/faults", self.add_fault),
            ("DELETE", "/faults", self.clear_faults), ("DELETE", "/faults/{id}", self.clear_faults),
            ("GET", "/state", self.show_state), ("GET", "/history", self.show_history),
        ]  # fmt: skip
        return [Route(path, answering(run), methods=[method]) for method, path, run in table]

    async def list_accounts(self, request: Request) -> Json:
        """Every account and organization with its keys."""
        return {"accounts": accounts_view(self._world)}

    async def add_account(self, request: Request) -> Json:
        """Makes a Stripe account in one mode, or a Togai organization."""
        body = await read(request, bodies.NewAccount)
        tenants = self._world.tenants
        with self._world.store.transaction():
            if body.app == "stripe":
                access = tenants.add_stripe(body.id or stripe_id("acct"), live=body.live, key=body.key, name=body.name)
            else:
                id = body.id or f"org{random_text(10)}"
                access = tenants.add_togai(id, token=body.key, base_currency=body.base_currency)
                add_system_setting(self._world, access.tenant)
        tenant = access.tenant
        return {"app": tenant.app, "id": tenant.id, "account": tenant.scope, "live": tenant.live, "key": access.key}

    async def add_key(self, request: Request) -> Json:
        """Makes another key, restricted when rights are given."""
        body = await read(request, bodies.NewKey)
        access = self._world.tenants.add_key(self._tenant(body.account), body.key, body.full_rights())
        return {"account": access.tenant.scope, "key": access.key, "rights": access.rights}

    async def list_subscriptions(self, request: Request) -> Json:
        """A Togai organization's webhooks."""
        tenant = self._tenant(request.query_params.get("account", ""))
        return {"subscriptions": subscriptions(self._world.store, tenant.scope)}

    async def add_subscription(self, request: Request) -> Json:
        """Adds a Togai webhook."""
        body = await read(request, bodies.NewSubscription)
        tenant = self._tenant(body.account, "togai")
        return subscribe(self._world.store, tenant.scope, body.event, body.url, self._world.clock.micros())

    async def remove_subscription(self, request: Request) -> Json:
        """Removes a Togai webhook."""
        sql = "DELETE FROM documents WHERE kind='subscription' AND id=?"
        return {"removed": self._world.store.run(sql, request.path_params["id"])}

    async def archive(self, request: Request) -> Json:
        """Archives a Togai customer with its accounts, one account or a plan, as a person does in Togai's pages."""
        actions = (customers.archive, accounts.archive, price_plans.archive_by_hand)
        return {"archived": await self._by_hand(request, *actions)}

    async def unarchive(self, request: Request) -> Json:
        """Takes a Togai customer, or one account, out of the archive: Togai's pages can, its API cannot."""
        return {"unarchived": await self._by_hand(request, customers.unarchive, accounts.unarchive, _stays)}

    async def _by_hand(self, request: Request, customer: Action, account: Action, plan: Action) -> str:
        body = await read(request, bodies.Archive)
        named = ((customer, body.customer), (account, body.togai_account), (plan, body.price_plan))
        run, id = next((run, id) for run, id in named if id)
        call = Call(self._world, self._tenant(body.account, "togai"), id or "", {}, b"")
        with self._world.store.transaction():
            run(call)
        return call.id

    async def unlock(self, request: Request) -> Json:
        """Ends Togai's lock of every address."""
        self._world.unauthenticated.clear()
        return {"unlocked": True}

    async def roll_secret(self, request: Request) -> Json:
        """Rolls a webhook endpoint's secret; both sign until the overlap ends."""
        body = await read(request, bodies.Roll)
        tenant = self._tenant(body.account, "stripe")
        if not self._world.store.get(tenant.scope, "webhook_endpoint", body.endpoint):
            raise ControlError(404, f"no endpoint {body.endpoint}")
        return {"secret": add_secret(self._world.store, tenant.scope, body.endpoint, body.overlap)}

    async def show_clock(self, request: Request) -> Json:
        """The sandbox's time."""
        return {"now": self._world.clock.now(), "advance": self._world.clock.advance}

    async def advance_clock(self, request: Request) -> Json:
        """Moves the clock forward."""
        self._world.advance_clock((await read(request, bodies.Advance)).advance)
        catch_up(self._world, self._world.address(request))
        return await self.show_clock(request)

    async def reset(self, request: Request) -> Json:
        """Forgets everything."""
        start_over(self._world)
        return {"reset": True}

    async def show_settings(self, request: Request) -> Json:
        """The switches."""
        return self._world.settings.model_dump()

    async def change_settings(self, request: Request) -> Json:
        """Changes the switches that are named; null turns a limit off."""
        given = await json_of(request)
        self._world.keep_settings(Settings.model_validate({**self._world.settings.model_dump(), **given}))
        return self._world.settings.model_dump()

    async def show_calls(self, request: Request) -> Json:
        """The call log, the newest last, with counts by operation."""
        _check_numbers(request)
        return calls_view(self._world, self._scope(request), request.query_params)

    async def forget_calls(self, request: Request) -> Json:
        """Empties the call log."""
        scope, app = self._scope(request), request.query_params.get("app")
        sql = "DELETE FROM calls WHERE (? IS NULL OR scope=?) AND (? IS NULL OR app=?)"
        return {"removed": self._world.store.run(sql, scope, scope, app, app)}

    async def list_deliveries(self, request: Request) -> Json:
        """Webhook deliveries with their attempts, the newest first."""
        scope, where, values = self._scope(request), ["1"], []
        wanted = {
            "scope": scope,
            **{name: request.query_params.get(name) for name in ("state", "type", "event", "object")},
        }
        for name, value in wanted.items():
            if value:
                where.append(f"{name}=?")
                values.append(value)
        return {"deliveries": self._world.deliveries.listed(" AND ".join(where), *values)}

    async def redeliver(self, request: Request) -> Json:
        """Sends a delivery once more."""
        if not self._world.deliveries.redeliver(request.path_params["id"]):
            raise ControlError(404, "no such delivery")
        return {"redelivered": request.path_params["id"]}

    async def list_faults(self, request: Request) -> Json:
        """The fault rules and how often each fired."""
        return {"faults": [fault.shown() for fault in self._world.faults.rules]}

    async def add_fault(self, request: Request) -> Json:
        """Adds a fault rule."""
        rule = await read(request, Rule)
        if rule.match.account:
            rule.match.account = self._tenant(rule.match.account).scope
        return self._world.faults.add(rule).shown()

    async def clear_faults(self, request: Request) -> Json:
        """Removes one fault rule, or all."""
        return {"removed": self._world.faults.remove(request.path_params.get("id"))}

    async def show_state(self, request: Request) -> Json:
        """Every object of an account, or those of some lists."""
        query = request.query_params
        return state_view(self._world, self._tenant(query.get("account", "")), query.get("lists", ""))

    async def show_history(self, request: Request) -> Json:
        """Every version of an account's objects, page by page."""
        _check_numbers(request)
        query = request.query_params
        tenant = self._tenant(query.get("account", ""))
        return history_view(self._world, tenant, int(query.get("since", "0")), int(query.get("limit", "10000")))

    def _tenant(self, name: str, app: str | None = None) -> Tenant:
        return tenant_of(self._world, name, app)

    def _scope(self, request: Request) -> str | None:
        name = request.query_params.get("account")
        return self._tenant(name).scope if name else None


def _stays(call: Call) -> None:
    raise ControlError(400, "a price plan stays in the archive")


def _check_numbers(request: Request) -> None:
    for name in ("since", "limit"):
        if not request.query_params.get(name, "0").isdecimal():
            raise ControlError(400, f"{name} is not a number")
