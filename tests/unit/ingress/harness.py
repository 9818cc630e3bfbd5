"""The webhook path in memory: its ASGI application over a log that keeps what is appended."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, cast

from cryptography.fernet import Fernet
from ingress.webhooks import WebhookDeps, Webhooks
from shared.connections import Connection, Secrets, Vault
from shared.events.topics import Topics
from shared.kafka.replica import Replica
from shared.runtime.registry import Registry
from shared.settings import Settings

from tests.fakes.log import FakeLog

OLD, NEW, TOKEN = "whsec_old", "whsec_new", "hook-token-of-22-or-more"
STRIPE, BARE, TOGAI = "con_stripe", "con_bare", "con_togai"


@dataclass
class Answer:
    """What the sender gets."""

    status: int
    body: dict[str, Any]

    @property
    def code(self) -> str:
        """The error's short code."""
        return str(self.body["error"]["code"])


class Harness:
    """Takes webhooks as the server hands them over: a scope, and messages to receive."""

    def __init__(self) -> None:
        settings = Settings(_env_file=None)
        vault, registry = Vault([Fernet.generate_key().decode()]), Registry()
        for id, account, secrets in (
            (STRIPE, "stripe:test:acct_1", Secrets(api_key="sk_test_1", webhook_secrets=[OLD, NEW])),
            (BARE, "stripe:test:acct_2", Secrets(api_key="sk_test_2")),
            (TOGAI, "togai:test:org_1", Secrets(api_key="t", webhook_token=TOKEN)),
        ):
            app: Any = account.partition(":")[0]
            bare = Connection(id=id, app=app, app_account=account, mode="test", api_base="", sealed="")
            registry.connections[id] = vault.seal(bare, secrets)
        self.registry, self.vault = registry, vault
        self.log = FakeLog()
        ready = cast(Replica, SimpleNamespace(ready=True))
        self.deps = WebhookDeps(self.log, ready, registry, vault, Topics(settings), 1.0)
        self.webhooks = Webhooks(self.deps)

    def connect(self, id: str, secrets: Secrets) -> None:
        """Give a connection other secrets."""
        self.registry.connections[id] = self.vault.seal(self.registry.connections[id], secrets)

    def post(self, path: str, body: bytes, headers: list[tuple[bytes, bytes]], **more: Any) -> Answer:
        """One request; `cuts` are the places where the body is cut, `ends` False leaves before its end."""
        cuts = sorted({0, len(body), *(cut % (len(body) + 1) for cut in more.get("cuts", ()))})
        parts = [body[start:end] for start, end in zip(cuts, cuts[1:], strict=False)] or [b""]
        messages: list[dict[str, Any]] = [{"type": "http.request", "body": part, "more_body": True} for part in parts]
        if more.get("ends", True):
            messages[-1]["more_body"] = False
        scope = {"type": "http", "method": more.get("method", "POST"), "path": path, "headers": headers}
        return asyncio.run(self._answered(scope, messages))

    async def _answered(self, scope: dict[str, Any], messages: list[dict[str, Any]]) -> Answer:
        waiting, sent = list(messages), []

        async def receive() -> dict[str, Any]:
            return waiting.pop(0) if waiting else {"type": "http.disconnect"}

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        await self.webhooks(scope, receive, send)
        start, body = sent
        return Answer(start["status"], json.loads(body["body"]))
