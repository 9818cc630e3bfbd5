"""What ingress answers with, whoever asks."""

from __future__ import annotations

from typing import Any, cast

import httpx
import pytest
from ingress.app import Ingress
from ingress.webhooks import Webhooks
from starlette.applications import Starlette

from tests.unit.ingress.door import Door


@pytest.mark.parametrize("path", ["/webhooks/stripe/x", "/webhooks/", "/healthz", "/", "/nothing"])
async def test_no_answer_is_sniffed(path: str) -> None:
    """Neither of the webhook path nor of a page, good or not."""
    webhooks: Webhooks = Door().webhooks
    app = Ingress(webhooks, Starlette())
    async with httpx.AsyncClient(transport=httpx.ASGITransport(cast(Any, app)), base_url="http://x") as client:
        for answer in (await client.get(path), await client.post(path, content=b"<script>")):
            assert answer.headers.get_list("X-Content-Type-Options") == ["nosniff"]
