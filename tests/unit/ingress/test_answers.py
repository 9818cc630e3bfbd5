"""What ingress answers with on each of its two ports, whoever asks."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import httpx
import pytest
from ingress.app import admin_app, public_app
from shared.runtime.registry import Registry

from tests.unit.ingress.harness import STRIPE, Harness

PAGES = ("/readyz", "/pollers", "/limits", "/metrics")


def admin(*, on_loopback: bool = True) -> Any:
    """Ingress's own pages, without pollers and an allocator behind them."""
    replica = SimpleNamespace(ready=True)
    deps, reported = SimpleNamespace(replica=replica, registry=Registry()), SimpleNamespace(status=dict)
    return admin_app(cast(Any, deps), cast(Any, reported), cast(Any, reported), on_loopback=on_loopback)


def client(app: Any, host: str = "127.0.0.1") -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=f"http://{host}:8404")


async def test_the_world_reaches_webhooks_alone() -> None:
    """And whether the process lives: how far pollers are, and which app accounts there are, is not for everybody."""
    async with client(public_app(Harness().deps), "hooks.example") as http:
        found = {path: (await http.get(path)).status_code for path in ("/healthz", *PAGES, "/openapi.json", "/docs")}
        hook = await http.post(f"/webhooks/stripe/{STRIPE}", content=b"{}")

    assert found == {"/healthz": 200} | dict.fromkeys((*PAGES, "/openapi.json", "/docs"), 404)
    assert hook.json()["error"]["code"] == "signature_missing"


async def test_its_own_pages_take_no_webhook() -> None:
    """They have a port of their own, which answers to this machine's names only while it is on loopback."""
    async with client(admin()) as http, client(admin(), "rebound.example") as rebound:
        assert {(await http.get(path)).status_code for path in ("/healthz", *PAGES)} == {200}
        assert (await http.post(f"/webhooks/stripe/{STRIPE}", content=b"{}")).status_code == 404
        assert {(await rebound.get(path)).status_code for path in PAGES} == {400}
    async with client(admin(on_loopback=False), "ingress.internal") as http:
        assert (await http.get("/metrics")).status_code == 200


@pytest.mark.parametrize("path", ["/webhooks/stripe/x", "/webhooks/", "/healthz", "/", "/nothing", "/readyz"])
async def test_no_answer_is_sniffed(path: str) -> None:
    """Neither of the webhook path nor of a page, good or not."""
    for app in (public_app(Harness().deps), admin()):
        async with client(app) as http:
            for answer in (await http.get(path), await http.post(path, content=b"<script>")):
                assert answer.headers.get_list("X-Content-Type-Options") == ["nosniff"]
