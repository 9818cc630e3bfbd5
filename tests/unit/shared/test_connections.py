"""Secrets are sealed, keys can be rotated, and settings say what is wrong."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
from console.setup import check_keys
from cryptography.fernet import Fernet
from pydantic import SecretStr, ValidationError
from shared.apps.connecting import Wanted
from shared.connections import Connection, Secrets, Vault, encode, encryption_keys
from shared.errors import Misconfigured
from shared.kafka.login import Login
from shared.settings import Settings

OLD, NEW = Fernet.generate_key().decode(), Fernet.generate_key().decode()
BARE = Connection(
    id="con_1", app="stripe", app_account="stripe:test:acct_1", mode="test", api_base="https://api.test", sealed=""
)
SECRETS = Secrets(api_key="sk_test_very_secret", webhook_secrets=["whsec_1"])


def test_a_sealed_secret_shows_nothing_and_opens_again() -> None:
    """What lies in the topic tells nothing."""
    kept = Vault([OLD]).seal(BARE, SECRETS)

    assert "very_secret" not in encode(kept).decode()
    assert Vault([OLD]).open(kept) == SECRETS


@pytest.mark.parametrize(
    ("secrets", "verifies"),
    [
        ({"webhook_secrets": ["whsec_1"]}, True),
        ({"webhook_token": "t"}, True),
        ({}, False),
        ({"webhook_secrets": [" "]}, False),
    ],
)
def test_a_sealed_connection_tells_whether_webhooks_can_be_verified(secrets: dict[str, Any], verifies: bool) -> None:
    """Without its secrets being opened: whoever shows it has no key."""
    assert Vault([OLD]).seal(BARE, Secrets(api_key="k", **secrets)).verifies is verifies


def test_keys_are_rotated_by_putting_the_new_one_first() -> None:
    """The old one still opens; what is sealed again needs the new one only."""
    kept = Vault([OLD]).seal(BARE, SECRETS)

    again = Vault([NEW, OLD]).reseal(kept)

    assert Vault([NEW]).open(again) == SECRETS
    with pytest.raises(Misconfigured, match="sealed with another key"):
        Vault([NEW]).open(kept)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("id", "con_2"),
        ("app", "togai"),
        ("app_account", "stripe:test:acct_2"),
        ("mode", "live"),
        ("api_base", "http://127.0.0.1:9/listener"),
    ],
)
def test_secrets_open_only_for_what_they_were_sealed_for(name: str, value: str) -> None:
    """A record that somebody rewrote gives no key away, and says what was changed and what to do."""
    changed: dict[str, Any] = {name: value}
    with pytest.raises(Misconfigured, match=rf"its {name} is not what .*tandem connections add") as caught:
        Vault([OLD]).open(msgspec.structs.replace(Vault([OLD]).seal(BARE, SECRETS), **changed))

    assert "very_secret" not in str(caught.value)


def test_secrets_of_two_connections_cannot_be_swapped() -> None:
    """Not even of two to the same account at the same address."""
    one, two = (Vault([OLD]).seal(msgspec.structs.replace(BARE, id=name), SECRETS) for name in ("con_1", "con_2"))
    with pytest.raises(Misconfigured, match="its id is not what"):
        Vault([OLD]).open(msgspec.structs.replace(one, sealed=two.sealed))


def test_a_record_of_an_older_tandem_says_what_to_do() -> None:
    """Its secrets were bound to nothing: they are not used, and the message says what to do."""
    bare = Fernet(OLD).encrypt(msgspec.json.encode(SECRETS)).decode()
    with pytest.raises(Misconfigured, match="older Tandem.*tandem connections add stripe con_1.*new TANDEM_HOME"):
        Vault([OLD]).open(msgspec.structs.replace(BARE, sealed=bare))


@pytest.mark.parametrize(("keys", "message"), [([], "no encryption key"), (["short"], "no Fernet key")])
def test_a_wrong_key_says_what_to_do(keys: list[str], message: str) -> None:
    """No default key, ever."""
    with pytest.raises(Misconfigured, match=message):
        Vault(keys)


def test_the_first_start_makes_a_key_that_only_its_owner_reads(tmp_path: Path) -> None:
    """Mode 600 in a folder of mode 700, and the same key next time."""
    settings = Settings(home=tmp_path)
    assert encryption_keys(settings) == []

    keys = encryption_keys(settings, create=True)

    file = tmp_path / "secrets/encryption.key"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert encryption_keys(settings) == keys


def test_keys_of_the_environment_win(tmp_path: Path) -> None:
    """In containers there is no home to share."""
    settings = Settings(home=tmp_path, encryption_keys=[SecretStr(NEW), SecretStr(OLD)])

    assert encryption_keys(settings) == [NEW, OLD]


def test_settings_read_lists_and_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    """As people write them in a file."""
    monkeypatch.setenv("STRIPE_WEBHOOK_SECRETS", "whsec_1, whsec_2,")
    monkeypatch.setenv("TANDEM_CURRENCY_BY_COUNTRY", "de=eur, GB=GBP")

    settings = Settings()

    assert [s.get_secret_value() for s in settings.stripe_webhook_secrets] == ["whsec_1", "whsec_2"]
    assert settings.currency_by_country == {"DE": "EUR", "GB": "GBP"}


def test_nothing_that_holds_a_secret_shows_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings, opened secrets, a login and a wanted connection end in tracebacks and in people's prints."""
    hidden = "q9Zq9Zq9Z"
    names = (
        "DATABASE_URL", "KAFKA_SASL_PASSWORD", "STRIPE_API_KEY", "STRIPE_WEBHOOK_SECRETS", "TOGAI_API_TOKEN",
        "TOGAI_WEBHOOK_TOKEN", "TANDEM_ENCRYPTION_KEYS", "TANDEM_CONSOLE_TOKEN",
    )  # fmt: skip
    for name in names:
        monkeypatch.setenv(name, f"postgresql://tandem:{hidden}@db/tandem")
    settings = Settings(_env_file=None)
    secrets = Secrets(api_key=hidden, webhook_secrets=[hidden], webhook_token=hidden)
    wanted = Wanted(id="c", app="togai", key=hidden, api_base="b", webhook_secrets=(hidden,), webhook_token=hidden)
    shown = [repr(one) + str(one) for one in (settings, secrets, wanted, Login("SASL_SSL", "PLAIN", "u", hidden))]
    shown += [settings.model_dump_json(), str(settings.model_dump())]

    assert [one for one in shown if hidden in one] == []
    assert hidden in settings.effective_database_url


def test_blanks_around_secrets_are_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    """As they come along when a secret is copied, or read from a file: a list keeps what is left of it."""
    monkeypatch.setenv("STRIPE_WEBHOOK_SECRETS", "whsec_a\n, ,whsec_b ")
    monkeypatch.setenv("TOGAI_WEBHOOK_TOKEN", " new-token , ,former-token\n")
    monkeypatch.setenv("TANDEM_ENCRYPTION_KEYS", f" {NEW} ,{OLD}\n,")
    for name in ("STRIPE_API_KEY", "TOGAI_API_TOKEN", "TANDEM_CONSOLE_TOKEN"):
        monkeypatch.setenv(name, " key \n")
    settings = Settings()
    several = (settings.stripe_webhook_secrets, settings.togai_webhook_tokens, settings.encryption_keys)
    lists = [[s.get_secret_value() for s in one] for one in several]
    alone = (settings.stripe_api_key, settings.togai_api_token, settings.console_token)

    assert lists == [["whsec_a", "whsec_b"], ["new-token", "former-token"], [NEW, OLD]]
    assert {one.get_secret_value() for one in alone} == {"key"}


@pytest.mark.parametrize("given", [" ", " , ", ",", [SecretStr("")], [SecretStr(" \n")]])
def test_a_list_of_nothing_but_blanks_is_refused(given: Any) -> None:
    """Whoever set it meant something: an empty signing secret would let everybody in."""
    for name in ("stripe_webhook_secrets", "togai_webhook_tokens", "encryption_keys"):
        with pytest.raises(ValidationError, match="nothing but blanks"):
            Settings(_env_file=None, **{name: given})


def test_whoever_seals_blank_secrets_seals_none() -> None:
    """Whatever writes a connection: what is sealed has no blanks, and without a key there is no connection."""
    blank = Secrets(api_key=" sk_test_1\n", webhook_secrets=["", " whsec_1 ", "\n"], webhook_token=" t ")
    kept = Vault([OLD]).open(Vault([OLD]).seal(BARE, blank))

    assert kept == Secrets(api_key="sk_test_1", webhook_secrets=["whsec_1"], webhook_token="t")
    with pytest.raises(Misconfigured, match="con_1 is empty"):
        Vault([OLD]).seal(BARE, Secrets(api_key=" \n"))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TANDEM_CURRENCY_BY_COUNTRY", "DE"),
        ("TANDEM_DEFAULT_CURRENCY", "usd"),
        ("TANDEM_DELAY_SCALE", "0"),
        ("TOGAI_MODE", "staging"),
        ("TANDEM_TOPIC_PARTITIONS", "0"),
    ],
)
def test_a_wrong_setting_is_refused(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    """At the start, not at the first event."""
    monkeypatch.setenv(name, value)

    with pytest.raises(ValidationError):
        Settings()


def test_no_secret_is_shown_by_printing_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not in a log line, not in an error."""
    for name in ("STRIPE_API_KEY", "TOGAI_API_TOKEN", "STRIPE_WEBHOOK_SECRETS", "TANDEM_ENCRYPTION_KEYS"):
        monkeypatch.setenv(name, "marked-secret")

    assert "marked-secret" not in repr(Settings())


@pytest.mark.parametrize(
    ("stripe", "togai", "sandboxed"), [("", "", True), ("k", "", False), ("", "t", False), ("k", "t", False)]
)
def test_the_sandbox_is_used_only_without_any_key(
    monkeypatch: pytest.MonkeyPatch, stripe: str, togai: str, sandboxed: bool
) -> None:
    """Never for one side alone."""
    monkeypatch.setenv("STRIPE_API_KEY", stripe)
    monkeypatch.setenv("TOGAI_API_TOKEN", togai)
    settings = Settings(sandbox_port=1)

    assert settings.sandboxed is sandboxed
    assert settings.effective_stripe_api_base.startswith("http://127.0.0.1:1/stripe") is sandboxed
    assert settings.effective_togai_api_base.startswith("http://127.0.0.1:1/togai") is sandboxed


def test_a_process_without_keys_can_run_without_a_sandbox() -> None:
    """A worker in a container has none, and works on real accounts; whoever sets up needs them and says so."""
    settings = Settings(_env_file=None, sandbox=False)

    assert not settings.sandboxed
    with pytest.raises(Misconfigured, match="TANDEM_SANDBOX is false and no key is set"):
        check_keys(settings)
    with pytest.raises(ValidationError, match="take out one of the two"):
        Settings(_env_file=None, sandbox=True, stripe_api_key=SecretStr("sk_test_1"))


def test_another_env_file_can_be_named_or_none(tmp_path: Path) -> None:
    """Tests read none: a developer's own holds keys of real accounts."""
    (tmp_path / ".env").write_text("STRIPE_API_KEY=sk_live_real\n")
    (tmp_path / "other.env").write_text("STRIPE_API_KEY=sk_test_other\n")
    read = "from shared.settings import Settings; print(Settings().stripe_api_key.get_secret_value())"

    def output(**named: str) -> str:
        bare = {name: value for name, value in os.environ.items() if name not in ("TANDEM_ENV_FILE", "STRIPE_API_KEY")}
        command = [sys.executable, "-c", read]
        return subprocess.run(command, cwd=tmp_path, env=bare | named, capture_output=True, text=True).stdout.strip()

    assert output() == "sk_live_real"
    assert output(TANDEM_ENV_FILE="other.env") == "sk_test_other"
    assert output(TANDEM_ENV_FILE="") == ""
    assert os.environ["TANDEM_ENV_FILE"] == ""
