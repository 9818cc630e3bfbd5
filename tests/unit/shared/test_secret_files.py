"""A secret may stand in a file, and what is wrong with the file is said."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from console.local.environment import environment, variable
from pydantic import SecretStr
from pydantic_settings import SettingsError
from shared.secret_files import LARGEST, file_variable, secret_fields
from shared.settings import Settings

SECRETS = secret_fields(Settings)
Write = Callable[[str, str], Path]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Writes the file of a secret and names it in the environment."""
    for field in SECRETS:
        monkeypatch.delenv(variable(field), raising=False)

    def writing(field: str, text: str) -> Path:
        file = tmp_path / field
        file.write_text(text)
        monkeypatch.setenv(file_variable(Settings, field), str(file))
        return file

    return writing


def test_which_settings_are_secrets() -> None:
    """A new one is among them by its type."""
    assert SECRETS == {
        "console_token": False,
        "kafka_sasl_password": False,
        "database_url": False,
        "stripe_api_key": False,
        "stripe_webhook_secrets": True,
        "togai_api_token": False,
        "togai_webhook_tokens": True,
        "encryption_keys": True,
        "portal_keys": True,
        "smtp_url": False,
    }


@pytest.mark.parametrize("field", SECRETS)
def test_each_secret_comes_from_its_file(field: str, write: Write) -> None:
    """The end of the line that an editor adds is no part of it."""
    wanted = {"smtp_url": "smtps://u:marked-secret@smtp.test"}.get(field, "marked-secret")
    write(field, f"{wanted}\n")
    found = getattr(Settings(mail_from="a@b.test"), field)

    assert found == ([SecretStr(wanted)] if SECRETS[field] else SecretStr(wanted))


def test_several_secrets_of_a_list(write: Write) -> None:
    """One a line, as in the home's own file of keys, or with commas."""
    write("encryption_keys", "first\nsecond\n")
    write("stripe_webhook_secrets", "whsec_1,whsec_2")

    assert [key.get_secret_value() for key in Settings().encryption_keys] == ["first", "second"]
    assert [secret.get_secret_value() for secret in Settings().stripe_webhook_secrets] == ["whsec_1", "whsec_2"]


def test_the_file_can_be_named_in_the_env_file(write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`.env` holds a path then, and no secret."""
    file = write("stripe_api_key", "rk_test_1")
    monkeypatch.delenv("STRIPE_API_KEY_FILE")
    (tmp_path / ".env").write_text(f"STRIPE_API_KEY_FILE={file}\n")

    assert Settings(_env_file=tmp_path / ".env").stripe_api_key.get_secret_value() == "rk_test_1"


@pytest.mark.parametrize("place", ["environment", "file"])
def test_a_value_and_a_file_are_refused(
    place: str, write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody can tell which one was meant, wherever the value stands."""
    write("togai_api_token", "marked-secret")
    (tmp_path / ".env").write_text("TOGAI_API_TOKEN=another\n" if place == "file" else "")
    if place == "environment":
        monkeypatch.setenv("TOGAI_API_TOKEN", "another")

    with pytest.raises(SettingsError, match="TOGAI_API_TOKEN and TOGAI_API_TOKEN_FILE are both set") as raised:
        Settings(_env_file=tmp_path / ".env")

    assert "marked-secret" not in str(raised.value)


def test_an_empty_value_beside_a_file_is_none(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """Container platforms pass on empty variables."""
    write("togai_api_token", "from-the-file")
    monkeypatch.setenv("TOGAI_API_TOKEN", "")

    assert Settings().togai_api_token.get_secret_value() == "from-the-file"


@pytest.mark.parametrize(
    ("content", "output"),
    [
        (b" \n", "is empty"),
        (b"\xff\xfe\x00", "holds no text"),
        (b"x" * (LARGEST + 1), "is larger than 64 kB"),
        (None, "cannot be read"),
    ],
)
def test_a_file_that_cannot_be_used(content: bytes | None, output: str, write: Write) -> None:
    """The setting and the file are named, and what to do; what stands in it is not."""
    file = write("console_token", "")
    file.unlink() if content is None else file.write_bytes(content)

    with pytest.raises(SettingsError, match=f"TANDEM_CONSOLE_TOKEN_FILE: {file} {output}"):
        Settings()


def test_all_wrong_files_are_reported_at_once(write: Write) -> None:
    """Whoever corrects one need not start again to see the next."""
    write("console_token", "")
    write("stripe_api_key", "")

    with pytest.raises(SettingsError, match="(?s)TANDEM_CONSOLE_TOKEN_FILE.*STRIPE_API_KEY_FILE"):
        Settings()


def test_a_part_gets_what_the_file_held(write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The part runs in the same folder, with the same `.env`: the value alone goes on, or both would be set."""
    file = write("stripe_api_key", "sk_test_1")
    monkeypatch.setenv("TOGAI_API_TOKEN", "t")
    given = environment(Settings())

    assert given["STRIPE_API_KEY"] == "sk_test_1"
    assert given["TANDEM_ENV_FILE"] == ""
    assert str(file) not in given.values()
