"""Togai, as the rest asks for it."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import Any

from shared.apps.model import Access, App
from shared.limits.quotas import Quota
from shared.settings import Settings


class Togai(App):
    """Usage billing."""

    name, title = "togai", "Togai"
    fills_index = ("togai-customers", "togai-accounts")

    def session(self, call_timeout: float) -> AbstractAsyncContextManager[Any]:
        from shared.apps.togai.client import http_client

        return http_client(call_timeout)

    def client(self, access: Access, session: Any) -> Any:
        from shared.apps.togai.client import TogaiApp

        return TogaiApp(access, session)

    async def identify(self, client: Any) -> str:
        return str(await client.organization())

    def quota(self, settings: Settings, mode: str) -> Quota:
        return Quota(settings.togai_quota, concurrency=settings.togai_concurrency)
