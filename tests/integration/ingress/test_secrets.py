"""After a run with marked secrets, through good days and bad: none of them stands anywhere."""

from __future__ import annotations

import asyncio
import base64
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import psutil
import pytest
from console.http import own_machine
from console.pages import lists
from cryptography.fernet import Fernet
from shared.connections import Connection, Secrets, Vault, connection_decoder, encode, encryption_keys
from shared.events.topics import Topics
from shared.kafka.log import Log

from tests.engines import access
from tests.integration.ingress.harness import signed
from tests.stack import forked
from tests.stack.processes import Stack, until
from tests.stack.tenants import TO_STRIPE, Tenant
from tests.stack.topics import outsider, records

CONSOLE_TOKEN = f"console_marked_{secrets.token_hex(12)}"
KAFKA_PASSWORD = access.PASSWORD
"""Of the session's embedded Kafka. In a container, which wants none, it is set all the same."""
WRONG_KEY = f"sk_test_wrong_marked_{secrets.token_hex(12)}"
LOCKED = {"Authorization": f"Bearer {CONSOLE_TOKEN}"}


class LockedStack(Stack):
    """A Tandem whose console asks for its token."""

    async def api(self, path: str, **params: Any) -> dict[str, Any]:
        """GET from the console's API, with the token."""
        async with own_machine(base_url=self.url("console"), timeout=10, headers=LOCKED) as http:
            answer = await http.get(f"/api{path}", params=params)
            answer.raise_for_status()
            return dict(answer.json())


@dataclass
class Scene:
    """A tenant of a Tandem of its own, and everything that it was answered."""

    stack: LockedStack
    tenant: Tenant
    reported: list[str] = field(default_factory=list)

    async def ask(self, process: str, method: str, path: str, **arguments: Any) -> httpx.Response:
        """A request whose answer is remembered, headers too."""
        async with own_machine(timeout=20, follow_redirects=False) as http:
            answer = await http.request(method, self.stack.url(process, path), **arguments)
        self.reported += [answer.text, *(f"{name}: {value}" for name, value in answer.headers.items())]
        return answer

    async def tandem(self, *arguments: str, **environment: str) -> str:
        """What the command prints, on both ways out."""
        env = self.stack.environment() | environment
        done = await asyncio.to_thread(forked.run, "console.cli", *arguments, env=env)
        printed = done.stdout + done.stderr
        self.reported.append(printed)
        return printed


@pytest.fixture
async def scene(kafka_bootstrap: str, tmp_path: Path) -> AsyncIterator[Scene]:
    """Every process, with marked secrets from the start."""
    keys = ",".join(Fernet.generate_key().decode() for _ in range(2))
    stack = await LockedStack.start(
        tmp_path / "home", kafka_bootstrap, workers=1, TANDEM_CONSOLE_TOKEN=CONSOLE_TOKEN, TANDEM_ENCRYPTION_KEYS=keys,
        KAFKA_SASL_PASSWORD=KAFKA_PASSWORD, TANDEM_LOG_LEVEL="DEBUG", TANDEM_IN_PLACE_LIMIT="3",
    )  # fmt: skip
    assert isinstance(stack, LockedStack)
    yield Scene(stack, await Tenant.make(stack))
    await stack.stop()


async def connections(scene: Scene) -> list[Connection]:
    """Every connection as its record stands in the topic."""
    settings = scene.stack.settings()
    return [connection_decoder.decode(r.value) for r in await records(settings, Topics(settings).connections)]


def opened(scene: Scene, connection: Connection) -> Secrets:
    """A connection's secrets."""
    return Vault(encryption_keys(scene.stack.settings())).open(connection)


async def marked(scene: Scene) -> list[str]:
    """Every secret of the run."""
    found = {CONSOLE_TOKEN, KAFKA_PASSWORD, WRONG_KEY, *encryption_keys(scene.stack.settings())}
    for connection in await connections(scene):
        kept = opened(scene, connection)
        found |= {kept.api_key, *kept.webhook_secrets, kept.webhook_token} - {""}
    assert {scene.tenant.stripe_key, scene.tenant.togai_token, scene.tenant.togai_hook_token} <= found
    assert any(secret.startswith("whsec_") for secret in found)
    return sorted(found)


def forms(secret: str) -> set[bytes]:
    """A secret as it is, and as it stands in an address, in a Basic header and in hex."""
    raw = secret.encode()
    basic = {base64.b64encode(text).rstrip(b"=")[:-2] for text in (raw, raw + b":", b":" + raw)}
    return {raw, quote(secret, safe="").encode(), raw.hex().encode(), *basic}


async def good_days(scene: Scene) -> str:
    """Customers travel both ways; one waits for its e-mail address."""
    tenant = scene.tenant
    customer = await tenant.new_customer()
    await tenant.mapping(customer)
    await tenant.mapping(await tenant.new_account("acme"))
    await tenant.run(await tenant.new_customer("No mail", None), "parked")
    return customer


async def bad_days(scene: Scene) -> None:
    """Both vendors fail in every way that tells something; a key is wrong; a webhook names nothing."""
    tenant = scene.tenant
    kinds = ("error_before", "html", "truncated_json", "cut_before", "rate_limited")
    for kind in kinds:
        await tenant.fault("togai", kind, {"operation": "customers.create"}, times=1)
    await tenant.mapping(await tenant.new_customer("Unlucky", "unlucky@example.test"))
    # What was not needed would strike the test's own calls.
    await scene.stack.control("DELETE", "/faults")
    for kind in kinds:
        await tenant.fault("stripe", kind, {"operation": "customers.create"}, times=1)
    await tenant.mapping(await tenant.new_account("unlucky"))
    await scene.stack.control("DELETE", "/faults")
    unlucky = await with_wrong_key(scene)
    await unlucky.run(await unlucky.new_account("refused"), "parked", "dead")
    await scene.ask("ingress", "POST", _path(tenant.togai_hook(f"con_t{tenant.name}")), content=b'{"nothing": 1}')

    async def dead_lettered() -> bool:
        return bool(await tenant.dead_letters(""))

    await until(dead_lettered, "a dead letter")


async def with_wrong_key(scene: Scene) -> Tenant:
    """Another tenant, whose Stripe key is good no more."""
    stack, settings, name = scene.stack, scene.stack.settings(), secrets.token_hex(4)
    stripe = await stack.control("POST", "/accounts", json={"app": "stripe"})
    togai = await stack.control("POST", "/accounts", json={"app": "togai"})
    unlucky = Tenant(stack, name, stripe["key"], stripe["id"], togai["key"], togai["id"])
    bare = Connection(
        id=f"con_s{name}", app="stripe", app_account=f"stripe:test:{stripe['id']}", mode="test",
        api_base=stack.url("sandbox", "/stripe"), sealed="",
    )  # fmt: skip
    wrong = Vault(encryption_keys(settings)).seal(bare, Secrets(api_key=WRONG_KEY))
    async with Log(settings) as kafka:
        await kafka.append(Topics(settings).connections, wrong.id, encode(wrong))
    await unlucky.connect_togai(f"con_t{name}", unlucky.togai_token)
    await unlucky.link(TO_STRIPE)
    return unlucky


def _path(url: str) -> str:
    return "/" + url.split("/", 3)[3]


async def attacks(scene: Scene) -> None:
    """Requests that carry secrets to where they do not belong: in addresses, headers and names of others."""
    tenant, hook = scene.tenant, scene.tenant.togai_hook_token
    harness, here = f"/webhooks/stripe/con_s{tenant.name}", f"/webhooks/togai/con_t{tenant.name}"
    own = next(c for c in await connections(scene) if c.id == f"con_s{tenant.name}")
    secret = opened(scene, own).webhook_secrets[0]
    for method, path, headers in (
        ("POST", f"{harness}/{hook}", {}),
        ("POST", f"{harness}?secret={secret}", {"Stripe-Signature": secret}),
        ("POST", harness, {"Stripe-Signature": f"t=1,v1={secret}"}),
        ("POST", harness, {"Stripe-Signature": signed(b"{}", secret)}),
        ("GET", f"{here}/account.created/{hook}", {}),
        ("POST", f"{here}/Account creation/{hook}", {}),
        ("POST", f"{here}/account.created/{hook}x", {}),
        ("POST", f"{here}/account.created/{hook}/", {"Authorization": f"Bearer {tenant.togai_token}"}),
        ("GET", f"/{hook}", {"Authorization": f"Basic {base64.b64encode(tenant.stripe_key.encode()).decode()}"}),
    ):
        answer = await scene.ask("ingress", method, path, content=b"{}", headers=headers)
        assert 400 <= answer.status_code < 500
    for given in ({}, {"Authorization": f"Bearer {CONSOLE_TOKEN}x"}, {"Authorization": f"Basic {CONSOLE_TOKEN}"}):
        assert (await scene.ask("console", "GET", "/api/runs", headers=given)).status_code == 401
    for path in ("/api/dead-letters/none/retry", "/api/mappings/link", "/api/flow-links/none/enable"):
        answer = await scene.ask("console", "POST", path, headers=LOCKED, json={"reason": 5, "key": ["x"]})
        assert 400 <= answer.status_code < 500


async def look_everywhere(scene: Scene) -> None:
    """Every GET of the console's API, lists and each of their items; the pages, the metrics, the command."""
    described = (await scene.ask("console", "GET", "/openapi.json", headers=LOCKED)).json()
    for path, methods in described["paths"].items():
        if "get" not in methods or "stream" in path or not path.startswith("/api/"):
            continue
        if "{" not in path:
            answer = await scene.ask("console", "GET", path, headers=LOCKED, params={})
            assert answer.status_code == 200, path
            for item in answer.json().get("items", []):
                if "id" in item:
                    await scene.ask("console", "GET", f"{path}/{quote(item['id'], safe='')}", headers=LOCKED)
    pages = [f"/{name}" for name in lists.titles()]
    for path in (*pages, "/metrics", "/healthz", "/readyz", "/nowhere"):
        await scene.ask("console", "GET", path, headers=LOCKED)
    for process in ("ingress", *scene.stack.workers):
        for path in ("/healthz", "/readyz", "/metrics", "/nowhere", "/openapi.json"):
            await scene.ask(process, "GET", path)
    for words in (("status",), ("connections", "list"), ("connections", "list", "--json"), ("runs", "list", "--json"),
                  ("dead-letters", "list", "--json"), ("flow-links", "list")):  # fmt: skip
        await scene.tandem(*words)


async def adds_a_wrong_key(scene: Scene) -> None:
    """The command refuses a key that opens nothing, and says so without it."""
    base = scene.stack.url("sandbox", "/stripe")
    command = ("connections", "add", "stripe", "con_added", "--api-base", base)
    printed = await scene.tandem(*command, TANDEM_CONNECTION_KEY=WRONG_KEY)
    assert printed


async def topics_of(scene: Scene) -> dict[str, bytes]:
    """Every topic of this Tandem with all that stands in it: keys, values and headers of all partitions."""
    settings = scene.stack.settings()
    async with outsider(settings, Topics(settings).connections) as consumer:
        names = [name for name in await consumer.topics() if name.startswith(settings.topic_prefix)]
    found = {}
    for name in sorted(names):
        parts = [
            b"\n".join([record.key or b"", record.value or b"", *(k.encode() + b":" + v for k, v in record.headers)])
            for record in await records(settings, name)
        ]
        found[name] = b"\n".join(parts)
    return found


def files_of(scene: Scene) -> dict[str, bytes]:
    """Every file under the home: logs and the SQL database. What the sandbox keeps is the vendors' own."""
    home = scene.stack.home
    files = [path for path in home.rglob("*") if path.is_file() and not path.is_relative_to(home / "sandbox")]
    return {str(path.relative_to(home)): path.read_bytes() for path in files}


def command_lines(scene: Scene) -> dict[str, bytes]:
    """How each process was called, which every user of the machine may read."""
    found = {}
    for name, child in scene.stack.children.items():
        if child.alive:
            found[f"command line of {name}"] = "\0".join(psutil.Process(child.pid).cmdline()).encode()
    return found


async def test_no_secret_is_anywhere(scene: Scene) -> None:
    """Not in any topic, file, log line, error, answer, page, metric or command line of any process."""
    customer = await good_days(scene)
    await bad_days(scene)
    await attacks(scene)
    await adds_a_wrong_key(scene)
    await scene.stack.children["worker-1"].kill()
    scene.stack.launch_worker(1)
    await scene.stack.workers_ready()
    await look_everywhere(scene)
    hidden, sealed = await marked(scene), [connection.sealed for connection in await connections(scene)]
    topics, files, lines = await topics_of(scene), files_of(scene), command_lines(scene)
    await scene.stack.stop()
    reported = "\n".join(scene.reported).encode()
    places = topics | files | files_of(scene) | lines | {"answers": reported}

    # The search itself finds what is there, in each kind of place.
    settings = scene.stack.settings()
    for place in (Topics(settings).events("customer"), Topics(settings).runs, "console.sqlite3", "answers"):
        assert customer.encode() in places[place], place
    assert {"ingress.log", "console.log", "worker-1.log", "sandbox.log"} <= set(places)
    assert b"webhook.refused" in places["ingress.log"]
    assert len(topics) >= len(Topics(settings).all(("customer",)))

    leaks = [(place, s[:12]) for s in hidden for form in forms(s) for place, text in places.items() if form in text]
    assert leaks == []
    shown = [place for place, text in places.items() for s in sealed if s.encode() in text]
    assert set(shown) == {Topics(settings).connections}
