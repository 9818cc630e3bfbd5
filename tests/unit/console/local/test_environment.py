"""The environment of a part says every setting."""

from __future__ import annotations

from pathlib import Path

import pytest
from console.local.environment import environment, variable
from pydantic import SecretStr
from shared.settings import Settings


def test_a_part_reads_the_same_settings_back(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What a part reads from its environment equals what the supervisor was given, secrets and lists included."""
    given = Settings(
        home=tmp_path,
        ingress_port=1,
        kafka_bootstrap_servers="10.0.0.1:9092",
        stripe_api_key=SecretStr("sk_test_1"),
        stripe_webhook_secrets=[SecretStr("whsec_1"), SecretStr("whsec_2")],
        currency_by_country={"DE": "EUR", "GB": "GBP"},
        allow_fewer_replicas=True,
        stripe_rate=0.5,
    )
    for name, value in environment(given).items():
        monkeypatch.setenv(name, value)

    assert Settings() == given


def test_the_home_is_absolute(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A part started elsewhere finds the same home."""
    monkeypatch.chdir(tmp_path)

    assert environment(Settings(home=Path("here")))["TANDEM_HOME"] == str(tmp_path / "here")


def test_what_is_not_set_is_not_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """A key that the settings do not have is taken out of the inherited environment."""
    monkeypatch.setenv("STRIPE_API_KEY", "sk_test_of_somebody")

    assert "STRIPE_API_KEY" not in environment(Settings(stripe_api_key=SecretStr("")))


@pytest.mark.parametrize(
    ("field", "name"),
    [("kafka_port", "TANDEM_KAFKA_PORT"), ("stripe_api_key", "STRIPE_API_KEY"), ("home", "TANDEM_HOME")],
)
def test_variable(field: str, name: str) -> None:
    """A setting's variable has the vendor's prefix or Tandem's."""
    assert variable(field) == name
