"""What a connection must have, before anybody is asked."""

from __future__ import annotations

from typing import Any

import pytest
from console.cli.connections import _secrets, app
from console.connect import connect, known_to_set_up
from cryptography.fernet import Fernet
from pydantic import SecretStr
from shared.apps.connecting import Wanted
from shared.connections import Vault
from shared.errors import Misconfigured
from shared.settings import Settings
from typer.testing import CliRunner

NOBODY = "http://127.0.0.1:1"


@pytest.mark.parametrize("id", ["", "a/b", "../x", "con\x1b[2J", "con 1", "x" * 65, "-x", "ü"])
async def test_a_connections_name_fits_into_an_address(id: str) -> None:
    """It stands in webhook addresses, in records' keys and in logs."""
    vault = Vault([Fernet.generate_key().decode()])
    with pytest.raises(Misconfigured, match="no name for a connection"):
        await connect(Wanted(id=id, app="stripe", key="sk_test_1", api_base=NOBODY), Settings(_env_file=None), vault)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"app": "stripe", "key": "sk_test_1", "webhook_secrets": ("",)}, "signing secret of con_1 is empty"),
        ({"app": "stripe", "key": "sk_test_1", "webhook_secrets": (" ", "\n")}, "signing secret of con_1 is empty"),
        (
            {"app": "stripe", "key": "sk_test_1", "webhook_secrets": ("whsec_1", "", "whsec_2")},
            "one of the signing secrets of con_1 is empty: take the comma out",
        ),
        ({"app": "stripe", "key": "sk_test_1", "webhook_secrets": ("garbage",)}, "none of Stripe's: those begin with"),
        ({"app": "stripe", "key": "sk_test_1", "webhook_secrets": ("whsec_a b",)}, "hold no blank"),
        ({"app": "stripe", "key": "pk_test_1"}, "the key is none of Stripe's that Tandem can use"),
        ({"app": "stripe", "key": ""}, "key of con_1 is empty"),
        ({"app": "togai", "key": " \n", "mode": "test"}, "key of con_1 is empty"),
    ],
)
async def test_secrets_that_cannot_be_are_refused_before_the_vendor_is_asked(
    given: dict[str, Any], message: str
) -> None:
    """By the command, the settings, or whoever else wants a connection."""
    vault = Vault([Fernet.generate_key().decode()])
    with pytest.raises(Misconfigured, match=message):
        await connect(Wanted(id="con_1", api_base=NOBODY, **given), Settings(_env_file=None), vault)


def test_several_signing_secrets_are_distinguished() -> None:
    """By commas, as in .env, or by the option again; a blank one is kept, to be refused."""
    assert _secrets(["whsec_a, whsec_b", "whsec_c"]) == ("whsec_a", "whsec_b", "whsec_c")
    assert _secrets(None) == ()
    assert _secrets([","]) == ("", "")


@pytest.mark.parametrize(
    ("option", "environment", "typed"),
    [
        (["--webhook-secret", "-"], {"TANDEM_CONNECTION_KEY": "sk_test_1"}, "whsec_1\n"),
        (["--webhook-secret", "-"], {}, "sk_test_1\nwhsec_1\n"),
        ([], {"TANDEM_CONNECTION_KEY": "sk_test_1", "TANDEM_CONNECTION_WEBHOOK_SECRETS": "whsec_1"}, ""),
    ],
    ids=["secret asked", "both asked", "environment"],
)
def test_no_secret_has_to_be_an_argument(
    option: list[str], environment: dict[str, str], typed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would stand in the list of processes and in the shell's history; what is typed is not shown."""
    wanted: list[Wanted] = []

    async def add(_: Settings, one: Wanted) -> None:
        wanted.append(one)
        raise Misconfigured("far enough")

    monkeypatch.setattr("console.manage.add_connection", add)
    done = CliRunner().invoke(app, ["add", "stripe", "con_1", *option], input=typed, env=environment)

    assert [(one.key, one.webhook_secrets) for one in wanted] == [("sk_test_1", ("whsec_1",))]
    assert not any(secret in done.output for secret in ("sk_test_1", "whsec_1"))


def test_set_ups_own_connections_know_their_key() -> None:
    """Added again after a removal nobody has to look it up; any other is asked for."""
    sandbox = Settings(_env_file=None)
    real = Settings(_env_file=None, stripe_api_key=SecretStr("sk_test_1"), togai_api_token=SecretStr("t"))

    keys = [found.key for each in (sandbox, real) if (found := known_to_set_up(each, "stripe", "con_stripe"))]

    assert keys == ["sk_test_sandbox", "sk_test_1"]
    assert known_to_set_up(sandbox, "stripe", "con_other") is None


def test_set_ups_own_connection_knows_its_signing_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    """Added again after a removal it takes webhooks as before; another connection has an endpoint of its own."""
    monkeypatch.setenv("STRIPE_WEBHOOK_SECRETS", "whsec_a,whsec_b")
    settings = Settings(_env_file=None)

    found = known_to_set_up(settings, "stripe", "con_stripe")

    assert found
    assert found.webhook_secrets == ("whsec_a", "whsec_b")
    assert known_to_set_up(settings, "stripe", "con_other") is None
