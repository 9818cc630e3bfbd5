"""Togai, as the rest asks for it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextlib import AbstractAsyncContextManager
from typing import Any

from shared.apps.listing import ListedPage, Window
from shared.apps.model import Access, App
from shared.apps.polling import PollContext, Poller, PollSpec
from shared.apps.receiving import RawWebhook
from shared.apps.togai import polls
from shared.apps.togai.connecting import TogaiConnector
from shared.apps.togai.webhooks import receive
from shared.connections import Connection, Secrets
from shared.events.envelope import Envelope
from shared.ratelimit.quotas import Quota
from shared.settings import Settings

FILL_INDEX = 2
"""So many of its readers fill the index; the others come after them."""


class Togai(App):
    """Usage billing."""

    name, title = "togai", "Togai"
    connector = TogaiConnector()
    # The address that it calls ends in our token. Its own have no form, and are sent as `Bearer` alone.
    secret_forms = (re.compile(r"(/webhooks/togai/[^/\s]+/[^/\s]+/)[^\s\"'?]+"),)
    polls = (
        polls.CUSTOMERS,
        polls.ACCOUNTS,
        polls.SETTINGS,
        polls.INVOICES,
        polls.PRICE_PLANS,
        polls.PRICE_PLANS_V2,
        polls.SCHEDULES,
    )

    # That Togai sends a second time is nowhere written: its only attempt waits longer for Kafka before it gets 503.
    append_patience = 4.0

    async def receive(self, raw: RawWebhook, connection: Connection, secrets: Secrets) -> Envelope:
        return await receive(raw, connection, secrets)

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

    def most(self, settings: Settings, noun: str) -> int:
        return settings.togai_account_quota if noun == "account" else 0

    def poll_interval(self, spec: PollSpec, settings: Settings, mode: str) -> float:
        return settings.togai_poll_interval

    async def list_page(self, client: Any, noun: str, window: Window, after: str) -> ListedPage:
        from shared.apps.togai.readers import listing

        return await listing.page(client, noun, window, after)

    def pollers_of(self, context: PollContext) -> Iterable[Poller]:
        from shared.apps.togai.readers.changes import INVOICE_CHANGES, PLAN_CHANGES, PLAN_V2_CHANGES, ChangeReader
        from shared.apps.togai.readers.lists import ListReader
        from shared.apps.togai.readers.schedules import ScheduleReader
        from shared.apps.togai.readers.settings import SettingReader

        interval = context.settings.togai_poll_interval
        plans = [ChangeReader(context, interval, changes) for changes in (PLAN_CHANGES, PLAN_V2_CHANGES)]
        readers: list[ListReader | SettingReader | ChangeReader | ScheduleReader] = [
            ListReader(context, interval),
            SettingReader(context, interval),
            ChangeReader(context, interval, INVOICE_CHANGES),
            *plans,
            ScheduleReader(context, interval, lambda: set[str]().union(*(each.take_changed() for each in plans))),
        ]

        async def poll_once(connection: Connection, client: Any) -> float:
            # One after the other: Togai locks an address after a few calls with a wrong key.
            waits = []
            for place, reader in enumerate(readers):
                if place >= FILL_INDEX and context.store.polls.is_awaited(
                    context.app_account, self.repeated, context.clock()
                ):
                    return 0.0  # somebody waits for the first ones
                waits.append(await reader.poll_once(connection, client))
            return min(waits)

        yield Poller(tuple(self.polls), poll_once)
