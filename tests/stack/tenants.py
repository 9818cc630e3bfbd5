"""One pair of app accounts for one test: nothing of it meets another test's."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import Any

import msgspec
from console.connect import connect
from console.http import own_machine
from shared.apps import APPS
from shared.apps.connecting import Wanted
from shared.connections import Connection, FlowLink, Secrets, Vault, encode, encryption_keys
from shared.domains import BUILT_IN, aliases_of
from shared.events.topics import Topics
from shared.kafka.log import Log

from tests.stack.processes import PATIENCE, Stack, until
from tests.stack.sides import with_ids

TO_STRIPE = "togai-account-to-stripe-customer"
TO_TOGAI = "stripe-customer-to-togai-customer"
POLLS = tuple(spec.kind for app in ("stripe", "togai") for spec in APPS[app].polls)
POLLED = (
    "stripe:events.list", "togai:accounts.list", "togai:customers.list", "togai:invoices.list",
    "togai:price_plans.list", "togai:v2.price_plans.list", "togai:settings.list", "togai:accounts.pricing_schedules",
)  # fmt: skip
"""What pollers call, and nobody else."""
SET_UP_WITHIN = 60.0
"""Seconds for a record that a test's own set-up writes: how soon Kafka confirms is no subject there."""
EVENTS = ["customer.created", "customer.updated", "customer.deleted"]


@dataclass
class Tenant:
    """A Stripe account and a Togai organization, connected, with both flows on."""

    stack: Stack
    name: str
    stripe_key: str
    stripe_account: str
    togai_token: str
    togai_org: str
    togai_hook_token: str = ""
    webhooks: bool = True
    made: list[Connection] = field(default_factory=list)

    @classmethod
    async def make(cls, stack: Stack, *, webhooks: bool = True, indexed: bool = True, name: str = "") -> Tenant:
        """New accounts at the sandbox, connections and flow links, known to every process and indexed.

        Without `webhooks` neither vendor knows where to send.
        """
        name = name or secrets.token_hex(4)
        stripe = await stack.control("POST", "/accounts", json={"app": "stripe", "key": f"sk_test_{name}"})
        togai = await stack.control("POST", "/accounts", json={"app": "togai", "key": cls.togai_key(name)})
        tenant = cls(stack, name, stripe["key"], stripe["id"], togai["key"], togai["id"], webhooks=webhooks)
        await tenant.connect_stripe(f"con_s{name}", tenant.stripe_key)
        await tenant.connect_togai(f"con_t{name}", tenant.togai_token)
        if not webhooks:
            await tenant.without_webhooks()
        await tenant.link(*BUILT_IN)
        if indexed:
            await tenant.indexed()
        return tenant

    @staticmethod
    def togai_key(name: str) -> str:
        """The token of the tenant of a name."""
        return f"togai_{name}"

    async def without_webhooks(self) -> None:
        """Take back both vendors' addresses of ingress."""
        for endpoint in (await self.stripe("GET", "/v1/webhook_endpoints"))["data"]:
            await self.stripe("DELETE", f"/v1/webhook_endpoints/{endpoint['id']}")
        found = await self.stack.control("GET", "/subscriptions", params={"account": self.togai_org})
        for subscription in found["subscriptions"]:
            await self.stack.control("DELETE", f"/subscriptions/{subscription['id']}")

    async def leave(self) -> None:
        """Remove the connections: nobody polls accounts that no test looks at any more."""
        await self._write(*(msgspec.structs.replace(connection, state="removed") for connection in self.made))

    async def _write(self, *records: Connection | FlowLink) -> None:
        settings = self.stack.settings()
        topics = Topics(settings)
        async with Log(settings) as kafka:
            for record in records:
                topic = topics.connections if isinstance(record, Connection) else topics.flow_links
                await kafka.append(topic, record.id, encode(record), deadline=SET_UP_WITHIN)

    async def indexed(self, within: float = PATIENCE) -> None:
        """Wait until the pollers have read both sides once: the e-mail rule waits for them."""

        async def read_once() -> bool:
            async with own_machine(timeout=5) as http:
                items = (await http.get(self.stack.url("ingress", "/pollers"))).json()["items"]
            mine = [i for i in items if self.stripe_account in i["app_account"] or self.togai_org in i["app_account"]]
            return len(mine) == len(POLLS) and all(item["complete"] for item in mine)

        await until(read_once, f"the index of {self.name}", within)

    async def connect_stripe(self, connection_id: str, key: str, **changes: str) -> Connection:
        """A connection with a webhook endpoint of its own."""
        url = self.stack.url("ingress", f"/webhooks/stripe/{connection_id}")
        body = {"url": url, "api_version": "2026-10-28.endive"} | {
            f"enabled_events[{i}]": e for i, e in enumerate(EVENTS)
        }
        secret = (await self.stripe("POST", "/v1/webhook_endpoints", data=body))["secret"]
        wanted = Wanted(
            id=connection_id,
            app="stripe",
            key=key,
            api_base=self.stack.url("sandbox", "/stripe"),
            webhook_secrets=(secret,),
        )
        return await self._keep(wanted, **changes)

    async def connect_togai(self, connection_id: str, token: str, **changes: str) -> Connection:
        """A connection with a webhook subscription of its own."""
        self.togai_hook_token = secrets.token_urlsafe(24)
        wanted = Wanted(
            id=connection_id,
            app="togai",
            key=token,
            api_base=self.stack.url("sandbox", "/togai"),
            webhook_token=self.togai_hook_token,
            mode="test",
        )
        kept = await self._keep(wanted, **changes)
        body = {"account": self.togai_org, "url": self.togai_hook(connection_id)}
        await self.stack.control("POST", "/subscriptions", json=body)
        return kept

    def togai_hook(self, connection_id: str) -> str:
        """The address that Togai calls."""
        path = f"/webhooks/togai/{connection_id}/account.created/{self.togai_hook_token}"
        return self.stack.url("ingress", path)

    async def _keep(self, wanted: Wanted, key: str = "") -> Connection:
        """Write the record. `key` is another key than the one that was good when the connection was made."""
        settings = self.stack.settings()
        vault = Vault(encryption_keys(settings))
        made = await connect(wanted, settings, vault)
        if key:
            opened = vault.open(made)
            broken = Secrets(api_key=key, webhook_secrets=opened.webhook_secrets, webhook_token=opened.webhook_token)
            made = vault.seal(made, broken)
        await self._write(made)
        self.made.append(made)
        return made

    async def link(
        self,
        *flows: str,
        prefix: str = "",
        suffix: str = "",
        stripe: str = "",
        togai: str = "",
        enabled: bool = True,
    ) -> str:
        """Switch flows on, or off, for this tenant's connections, wait until every worker knows. Of several links that
        an event starts, the one whose id comes first is run first.

        Returns the last link's id.
        """
        both = {"stripe": stripe or f"con_s{self.name}", "togai": togai or f"con_t{self.name}"}
        links = [
            FlowLink(
                id=f"{prefix}{self.link_id(flow)}{suffix}",
                flow=flow,
                connections={alias: both[app] for alias, app in aliases_of(BUILT_IN[flow]).items() if app in both},
                enabled=enabled,
            )
            for flow in flows
        ]
        await self._write(*links)
        await self.stack.knows_links(links[-1].id, enabled=enabled)
        return links[-1].id

    def link_id(self, flow: str) -> str:
        """The tenant's own link of a flow."""
        return f"link_{self.name}_{flow}"

    async def switch(self, flow: str, *, enabled: bool) -> None:
        """Switch one of the tenant's flow links on or off, and wait until every worker knows."""
        await self.ask("POST", f"/flow-links/{self.link_id(flow)}/{'enable' if enabled else 'disable'}")
        await self.stack.knows_links(self.link_id(flow), enabled=enabled)

    # --- what a person does at the vendors ---

    async def stripe(self, method: str, path: str, **arguments: Any) -> dict[str, Any]:
        """A call to Stripe with the tenant's own key, by hand."""
        headers = {"Authorization": f"Bearer {self.stripe_key}"}
        async with own_machine(base_url=self.stack.url("sandbox", "/stripe"), timeout=10) as http:
            answer = await http.request(method, path, headers=headers, **arguments)
            assert answer.is_success, answer.text
            return dict(answer.json())

    async def togai(self, method: str, path: str, **arguments: Any) -> dict[str, Any]:
        """A call to Togai with the tenant's own token, by hand."""
        headers = {"Authorization": f"Bearer {self.togai_token}"}
        async with own_machine(base_url=self.stack.url("sandbox", "/togai"), timeout=10) as http:
            answer = await http.request(method, path, headers=headers, **arguments)
            assert answer.is_success, answer.text
            return dict(answer.json()) if answer.content else {}

    async def new_account(self, account: str, customer: str = "", **fields: Any) -> str:
        """A Togai customer with one account, as a person makes it."""
        customer = customer or f"c-{account}"
        own = {"id": account, "name": f"Account {account}", "invoiceCurrency": "USD"} | fields
        body = {
            "id": customer,
            "name": f"Customer {customer}",
            "primaryEmail": f"{customer}@example.test",
            "address": {"country": "US"},
            "account": own,
        }
        await self.togai("POST", "/customers", json=body)
        return account

    async def new_customer(self, name: str = "Globex", email: str | None = "new", **fields: str) -> str:
        """A Stripe customer, as a person makes it, by default with an address that nobody else has."""
        email = f"{secrets.token_hex(4)}@globex.test" if email == "new" else email
        body = {"name": name} | ({"email": email} if email else {}) | fields
        return str((await self.stripe("POST", "/v1/customers", data=body))["id"])

    async def unarchive(self, account: str) -> None:
        """Take an account out of the archive, as a person does in Togai's pages."""
        await self.stack.control("POST", "/togai/unarchive", json={"account": self.togai_org, "togai_account": account})

    async def fault(self, app: str, kind: str, match: dict[str, str] | None = None, **rule: Any) -> str:
        """Make the sandbox misbehave, for this tenant only. Returns the rule's id."""
        account = self.stripe_account if app == "stripe" else self.togai_org
        body = {"app": app, "kind": kind, "match": {"account": account} | (match or {})} | rule
        return str((await self.stack.control("POST", "/faults", json=body))["id"])

    async def struck(self, fault: str) -> None:
        """Wait until a fault has struck, by its rule's id."""

        async def fired() -> bool:
            return any(f["id"] == fault and f["fired"] for f in (await self.stack.control("GET", "/faults"))["faults"])

        await until(fired, f"fault {fault}")

    # --- what is there ---

    async def stripe_customers(self) -> list[dict[str, Any]]:
        """Every customer at Stripe, deleted ones too."""
        return list((await self.stack.control("GET", "/state", params={"account": self.stripe_account}))["customers"])

    async def togai_state(self) -> dict[str, Any]:
        """Customers, accounts and settings at Togai."""
        return await self.stack.control("GET", "/state", params={"account": self.togai_org})

    async def setting_of(self, account: str) -> str | None:
        """The Stripe customer that an account's Settings name."""
        for setting in (await self.togai_state())["settings"]:
            if setting["entityId"] == account and setting["id"] == "StripeCustomerId":
                return str(setting["value"])
        return None

    async def calls(self) -> dict[str, int]:
        """API calls by operation at both sides since `forget_calls`, without the pollers' own."""
        counts: dict[str, int] = {}
        for app, account in (("stripe", self.stripe_account), ("togai", self.togai_org)):
            found = await self.stack.control("GET", "/calls", params={"account": account, "limit": "1"})
            counts |= {f"{app}:{operation}": count for operation, count in found["counts"].items()}
        return {name: count for name, count in counts.items() if name not in POLLED}

    async def forget_calls(self) -> None:
        for account in (self.stripe_account, self.togai_org):
            await self.stack.control("DELETE", "/calls", params={"account": account})

    async def _until(self, condition: Any, what: str, entity: str) -> Any:
        """Poll; what did not come is reported with the entity's runs and the state of the workers."""
        try:
            return await until(condition, what)
        except AssertionError as error:
            runs = [
                {k: r.get(k) for k in ("state", "event_type", "reason", "next_attempt_at")}
                for r in await self.runs(entity)
            ]
            raise AssertionError(f"{error}\n{runs}\n{await self.stack.describe()}") from error

    async def mapping(self, entity: str, state: str = "linked") -> dict[str, Any]:
        """Wait for an entity's mapping in a state."""

        async def found() -> dict[str, Any] | None:
            return next((item for item in await self.mappings(entity) if item["state"] == state), None)

        return dict(await self._until(found, f"mapping of {entity} {state}", entity))

    async def runs(self, entity: str) -> list[dict[str, Any]]:
        """Every run that names an entity; the newest of all for an empty one."""
        return await self._mine("/runs", entity)

    async def mappings(self, *entities: str) -> list[dict[str, Any]]:
        """The pairs of these entities, or the newest of this tenant."""
        return [with_ids(item) for entity in entities or ("",) for item in await self._mine("/mappings", entity)]

    async def conflicts(self, entity: str) -> list[dict[str, Any]]:
        """Every conflict that names an entity."""
        items = (await self.stack.api("/conflicts", limit=200, id=entity))["items"]
        return [item for item in items if self._is_mine(item["entity"]["ref"])]

    async def differences(self) -> list[dict[str, Any]]:
        """Every field of this tenant's pairs that differs and stays so."""
        items = (await self.stack.api("/differences", limit=200))["items"]
        mine = {mapping["id"] for mapping in await self.mappings()}
        return [with_ids(item) for item in items if item["mapping"] in mine]

    async def ask(self, method: str, path: str, **body: Any) -> dict[str, Any]:
        """Call the console's API to change something."""
        async with own_machine(base_url=self.stack.url("console"), timeout=10) as http:
            answer = await http.request(method, f"/api{path}", json=body)
            assert answer.is_success, answer.text
            return dict(answer.json())

    def _is_mine(self, text: str) -> bool:
        # Tests call their entities alike: what is of another tenant's app accounts is not ours.
        return self.stripe_account in text or self.togai_org in text

    async def dead_letters(self, entity: str) -> list[dict[str, Any]]:
        """Every dead letter that names an entity."""
        return await self._mine("/dead-letters", entity)

    async def _mine(self, path: str, entity: str) -> list[dict[str, Any]]:
        items = (await self.stack.api(path, limit=200, **({"id": entity} if entity else {})))["items"]
        return [item for item in items if self._is_mine(str(item.get("source") or item["aggregate"]))]

    async def run(self, entity: str, *states: str, event_type: str = "") -> dict[str, Any]:
        """Wait for a run of an entity in one of the states, with its steps."""

        async def found() -> dict[str, Any] | None:
            runs = await self.runs(entity)
            return next((r for r in runs if r["state"] in states and event_type in r["event_type"]), None)

        item = await self._until(found, f"run of {entity} in {' or '.join(states)}", entity)
        return await self.stack.api(f"/runs/{item['id']}")

    async def parked_because(self, entity: str, why: str) -> dict[str, Any]:
        """Wait for a parked run of an entity whose reason holds a text."""

        async def found() -> dict[str, Any] | None:
            return next((r for r in await self.runs(entity) if r["state"] == "parked" and why in r["reason"]), None)

        return dict(await self._until(found, f"run of {entity} parked: {why}", entity))

    async def flow_links(self) -> list[dict[str, Any]]:
        """This tenant's flow links."""
        items = (await self.stack.api("/flow-links"))["items"]
        return [item for item in items if item["id"].startswith(f"link_{self.name}_")]

    async def settled(self, entity: str) -> list[dict[str, Any]]:
        """Wait until every run of an entity is in a terminal state."""
        ended = {"succeeded", "in_sync", "skipped", "superseded", "missed", "dead", "discarded"}

        async def all_ended() -> list[dict[str, Any]] | None:
            runs = await self.runs(entity)
            return runs if runs and all(run["state"] in ended for run in runs) else None

        return list(await self._until(all_ended, f"every run of {entity} ended", entity))
