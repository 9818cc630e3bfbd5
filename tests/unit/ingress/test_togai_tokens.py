"""Tokens of Togai's address while they are being changed, tried at the harness and where they are set."""

from __future__ import annotations

from typing import Any

import pytest
from console import setup
from shared.apps.connecting import Wanted
from shared.apps.togai.connecting import TogaiConnector
from shared.connections import Secrets
from shared.errors import Misconfigured
from shared.settings import Settings

from tests.unit.ingress.harness import TOGAI, Harness

NEW, FORMER, OLDEST = "new-token-of-22-or-more", "former-token-of-22-or-more", "oldest-token-of-22-or-more"


def taken(secrets: Secrets, *tokens: str) -> list[int]:
    """What each token is answered with."""
    harness = Harness()
    harness.connect(TOGAI, secrets)
    return [harness.post(f"/webhooks/togai/{TOGAI}/account.created/{token}", b"{}", []).status for token in tokens]


def test_former_tokens_are_taken_until_they_are_taken_out() -> None:
    """The newest always; what nobody set never, an empty one included."""
    rolling = Secrets(api_key="t", webhook_token=NEW, former_webhook_tokens=[FORMER, OLDEST, "", " "])

    assert taken(rolling, NEW, FORMER, OLDEST) == [200, 200, 200]
    assert taken(rolling, "", " ", NEW[:-1], "%20", "\ud800") == [403] * 5
    assert taken(Secrets(api_key="t", webhook_token=NEW), NEW, FORMER) == [200, 403]
    assert taken(Secrets(api_key="t", former_webhook_tokens=[FORMER]), "", FORMER) == [403, 200]


def wanted(**fields: Any) -> Any:
    _, togai = setup._wanted(Settings(_env_file=None, **fields))
    return togai


def test_the_setting_takes_several_the_newest_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first one stands in the address that is printed."""
    monkeypatch.setenv("TOGAI_WEBHOOK_TOKEN", f"{NEW}, {FORMER}")
    found = wanted()

    assert (found.webhook_token, found.former_webhook_tokens) == (NEW, (FORMER,))
    monkeypatch.setenv("TOGAI_WEBHOOK_TOKEN", NEW)
    assert wanted().former_webhook_tokens == ()


@pytest.mark.parametrize("tokens", [(NEW, "short"), ("short",), (NEW, "a/b" * 10)])
def test_each_of_them_must_be_long(tokens: tuple[str, ...]) -> None:
    """A former one opens the address as well as the newest."""
    asked = Wanted("c", "togai", "t", "", webhook_token=tokens[0], former_webhook_tokens=tokens[1:])
    with pytest.raises(Misconfigured, match="22 or more"):
        TogaiConnector().secrets_of(asked, Secrets(api_key=""))
