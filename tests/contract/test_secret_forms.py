"""What every app says of its secrets' forms, the made-up one too: no text that holds one is written as it is."""

from __future__ import annotations

import pytest
from shared.scrub import scrub

from tests.contract.kits import Kit
from tests.contract.test_apps import every_app
from tests.contract.test_apps import kit as kit
from tests.made_up.conftest import registered as registered


def secrets_of(kit: Kit) -> set[str]:
    """The key, and what opens its webhooks."""
    return {kit.secrets.api_key, *kit.secrets.webhook_secrets, kit.secrets.webhook_token} - {""}


@every_app
def test_no_log_line_holds_its_secrets(kit: Kit) -> None:
    """Neither its key nor what opens its webhooks, as others write them; what stands around stays."""
    secrets = secrets_of(kit)
    found = {secret: [text for text in kit.as_written() if secret in text] for secret in secrets}
    shown = scrub(f"before {' between '.join(kit.as_written())} after")

    assert all(found.values()), "a secret that the kit shows nowhere"
    assert [secret for secret in secrets if secret in shown] == []
    assert (shown.startswith("before "), shown.endswith(" after"), "between" in shown) == (True, True, True)


@every_app
def test_no_line_holds_them_before_any_app_is_registered(kit: Kit, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever writes before, or without, the apps: what could be a secret is taken for one. Words and names stay."""
    monkeypatch.setattr("shared.scrub.APP_FORMS", {})
    secrets = secrets_of(kit)
    shown = scrub(f"TANDEM_ENCRYPTION_KEYS: misunderstandings of {', '.join(secrets)}, {' '.join(kit.as_written())}")

    assert [secret for secret in secrets if secret in shown] == []
    assert shown.startswith("TANDEM_ENCRYPTION_KEYS: misunderstandings of ***, ")
