"""The console's application as it is put together, asked for what no route of its own looks at."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import httpx
import pytest
from console.api.state import State
from console.app import create_app
from shared.settings import Settings


async def ask(method: str, path: str, **what: Any) -> httpx.Response:
    """One request to a console without tables."""
    app = create_app(cast(State, SimpleNamespace(settings=Settings(_env_file=None))))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1:8401") as client:
        return await client.request(method, path, **what)


@pytest.mark.parametrize("path", ["/portal/token/", "/portal//", "/api/runs/"])
async def test_no_answer_leads_to_a_host_that_a_request_names(path: str) -> None:
    """Nor to http, with a customer's token in the path, where the proxy before the console speaks https."""
    host = {"Host": "pay.example.com"} if path.startswith("/portal") else {}
    answer = await ask("GET", path, headers=host)

    assert answer.status_code == 404
    assert "location" not in answer.headers


async def test_an_id_that_can_be_none_is_no_bug() -> None:
    """Longer than any: it is refused as such, before anything is looked up."""
    answer = await ask("POST", f"/api/runs/{'a' * 301}/revert", json={"reason": "x"})

    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "invalid")
