"""Creates under a claim: how long a vendor knows their keys."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest
from shared.apps import APPS
from shared.linking.claims import Claims
from shared.linking.mappings import Claim, Mapping
from shared.runtime.creating import Creation, UnkeyedCreation, create

OPENED = "2026-11-23T10:00:00.000Z"


class Made(Creation[str]):
    """Sent with the claim's key."""

    async def send(self, body: dict[str, Any], key: str) -> str:
        return f"made under {key}"

    async def find(self, since: int) -> str | None:
        return "found"


async def made() -> str:
    return "found"


async def post(body: dict[str, Any]) -> str:
    return "posted"


def claimed(age: timedelta) -> tuple[Claims, Mapping]:
    claim = Claim(action="x.create", key="key_1", body={}, attempt=1, opened_at=OPENED, run="run_1")
    held = Mapping(id="1", relation="r", state="claimed", source="a", target="", at=OPENED, run="run_1", claim=claim)
    return cast(Claims, SimpleNamespace(is_older=lambda _held, than: age > than)), held


@pytest.mark.parametrize(("hours", "end"), [(19.9, "made under key_1"), (20.1, "found")])
async def test_a_key_is_trusted_as_long_as_its_app_says(hours: float, end: str) -> None:
    """Later it is looked up first: Stripe may have forgotten the key."""
    claims, held = claimed(timedelta(hours=hours))

    assert (await create(claims, held, "stripe:test:acct_1", Made()))[0] == end


async def test_no_key_is_trusted_where_the_app_says_nothing_of_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """How long Stripe keeps one is no promise of another vendor's: its creates are looked up before they are sent."""
    claims, held = claimed(timedelta(seconds=1))
    monkeypatch.setitem(APPS, "other", APPS["togai"])

    with pytest.raises(TypeError, match="other keeps no idempotency keys"):
        await create(claims, held, "other:test:1", Made())
    found, _ = await create(claims, held, "other:test:1", UnkeyedCreation(post, made, opened_at=OPENED))
    assert found == "found"
