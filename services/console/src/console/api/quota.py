"""What the quotas of connections are used for, as the ingress reports that leases them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

import httpx
from pydantic import ValidationError
from sqlmodel import Session

from console.api.imported import QuotaUse
from console.api.parts import DEADLINE
from console.api.pollers import ingress_address
from console.api.state import State
from console.http import own_machine
from console.projection import queries


async def quota_use(state: State, connections: Sequence[str] | None = None) -> list[QuotaUse]:
    """Of the connections' app accounts, of all if none are named; empty if no ingress can be asked from here."""
    async with own_machine(timeout=DEADLINE) as client:
        try:
            answer = await client.get(f"{ingress_address(state.settings)}/limits")
            by_account: dict[str, Any] = answer.json()["accounts"] if answer.status_code == HTTPStatus.OK else {}
            accounts = await asyncio.to_thread(_accounts, state, connections)
            return [
                QuotaUse(app_account=account, **by_account[account]) for account in accounts if account in by_account
            ]
        except (httpx.HTTPError, ValueError, KeyError, TypeError, ValidationError):
            return []


def _accounts(state: State, connections: Sequence[str] | None) -> list[str]:
    with Session(state.database.engine) as session:
        known = {connection.id: connection.app_account for connection in queries.connections(session)}
    names = known if connections is None else connections
    return list(dict.fromkeys(known[name] for name in names if name in known))
