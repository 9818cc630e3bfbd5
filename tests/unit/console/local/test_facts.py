"""What the doctor looks at, and that it says what it could not see."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from console.doctor import Listening, findings
from console.local.facts import _sockets, gather, sealed_by
from console.local.ports import free_port
from cryptography.fernet import Fernet
from pydantic import SecretStr
from shared.connections import Connection, Secrets, Vault
from shared.settings import Settings

OLD, NEW = Fernet.generate_key().decode(), Fernet.generate_key().decode()
BARE = Connection(
    id="con_1", app="stripe", app_account="stripe:live:acct_1", mode="live", api_base="https://api.test", sealed=""
)
SEALED = Vault([OLD]).seal(BARE, Secrets(api_key="sk_live_1"))


def settings(home: Path, **more: object) -> Settings:
    return Settings(_env_file=None, home=home, kafka_bootstrap_servers=f"127.0.0.1:{free_port()}", **more)  # type: ignore[arg-type]


def private_home(folder: Path) -> Path:
    home = folder / "home"
    (home / "secrets").mkdir(parents=True, mode=0o700)
    home.chmod(0o700)
    key = home / "secrets/encryption.key"
    key.write_text(OLD)
    key.chmod(0o600)
    return home


async def test_files_that_others_can_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The home, the keys in it, the tables, `.env`, and files that a setting names; each with its own remedy."""
    home = private_home(tmp_path)
    env, secret = tmp_path / ".env", tmp_path / "token"
    secret.write_text("x" * 30)
    env.write_text(f"TANDEM_CONSOLE_TOKEN_FILE={secret}\n")
    key = tmp_path / "kafka.pem"
    key.touch()
    opened = [key, home, home / "secrets", home / "secrets/encryption.key", home / "console.sqlite3", env, secret]
    (home / "console.sqlite3").touch()
    for place in opened:
        place.chmod(0o600 if place.is_file() else 0o700)

    assert (await gather(settings(home, kafka_ssl_keyfile=str(key)), str(env))).open_paths == []

    for place in opened:
        place.chmod(0o644 if place.is_file() else 0o755)
    found = await gather(settings(home, kafka_ssl_keyfile=str(key)), str(env))

    assert {one.path: one.mode for one in found.open_paths} == {
        str(place): "644" if place.is_file() else "755" for place in opened
    }
    assert {finding.remedy for finding in findings(found)} >= {f"chmod 700 {home}", f"chmod 600 {env}"}


async def test_without_kafka_it_says_what_it_could_not_see(tmp_path: Path) -> None:
    """What can be seen is judged all the same, and no secret is among the facts."""
    home = private_home(tmp_path)
    key, token = SecretStr("sk_live_marked"), SecretStr("marked-token")
    found = await gather(settings(home, stripe_api_key=key, togai_api_token=token, console_token=token), "")

    assert "connections: addresses, keys and what seals them" in {one.what for one in found.not_checked}
    assert any("no Kafka answers at 127.0.0.1" in one.why for one in found.not_checked)
    assert {"full_live_key", "weak_console_token"} <= {one.code for one in findings(found)}
    assert "marked" not in found.model_dump_json()


async def test_an_embedded_kafka_that_was_never_started(tmp_path: Path) -> None:
    """A new folder: nothing is made by looking."""
    found = await gather(Settings(_env_file=None, home=tmp_path / "new"), "")

    assert any("its first start makes it" in one.why for one in found.not_checked)
    assert not (tmp_path / "new").exists()


def test_listening_ports_with_their_addresses() -> None:
    """As the kernel lists them: one on this machine alone, one open to all."""
    with socket.create_server(("127.0.0.1", 0)) as own, socket.create_server(("0.0.0.0", 0)) as others:
        ports = {own.getsockname()[1]: "TANDEM_CONSOLE_PORT", others.getsockname()[1]: "TANDEM_KAFKA_PORT"}
        found = list(_sockets(ports))

    assert sorted(found, key=lambda one: one.host) == [
        Listening(setting="TANDEM_KAFKA_PORT", port=others_port(ports), host="0.0.0.0"),
        Listening(setting="TANDEM_CONSOLE_PORT", port=next(iter(ports)), host="127.0.0.1"),
    ]


def others_port(ports: dict[int, str]) -> int:
    return next(port for port, name in ports.items() if name == "TANDEM_KAFKA_PORT")


@pytest.mark.parametrize(
    ("connection", "keys", "by"),
    [
        (SEALED, [OLD], "newest"),
        (SEALED, [OLD, NEW], "newest"),
        (SEALED, [NEW, OLD], "older"),
        (SEALED, [NEW], "none"),
        (
            Connection(**{name: getattr(SEALED, name) for name in SEALED.__struct_fields__} | {"id": "con_2"}),
            [OLD],
            "somebody",
        ),
    ],
)
def test_which_key_opens_a_connection(connection: Connection, keys: list[str], by: str) -> None:
    """After a rotation the newest one must, and a record of somebody else is none of ours."""
    assert sealed_by(connection, keys)[0] == by
