"""What is unsafe is named with its remedy, and what is safe is not."""

from __future__ import annotations

import pytest
from console.doctor import Address, Facts, FullLiveKey, Listening, OpenPath, Sealing, findings

SAFE = Facts(
    public={"public_url": "https://hooks.example.com", "portal_url": ""},
    addresses=[Address(name="STRIPE_API_BASE", url="https://api.stripe.com", mode="live")],
    token_length=64,
    token_characters=16,
    kafka="kafka.example.com:9093",
    kafka_protocol="SASL_SSL",
    sealings=[Sealing(connection="con_stripe", app="stripe", by="newest")],
    listening=[Listening(setting="TANDEM_CONSOLE_PORT", port=8401, host="127.0.0.1")],
)


def test_a_safe_installation_has_no_finding() -> None:
    """Nor has one on a single machine, whose console has no token and whose Kafka is the embedded one."""
    assert findings(SAFE) == []
    assert findings(Facts()) == []


@pytest.mark.parametrize(
    ("changes", "code", "named"),
    [
        (
            {"open_paths": [OpenPath(path="/srv/.env", mode="644", what="settings", wanted="600")]},
            "open_to_others",
            "chmod 600 /srv/.env",
        ),
        ({"public": {"public_url": "http://hooks.example.com"}}, "http_address", "TANDEM_PUBLIC_URL"),
        ({"public": {"portal_url": "http://pay.example.com"}}, "http_address", "TANDEM_PORTAL_URL"),
        (
            {"addresses": [Address(name="STRIPE_API_BASE", url="http://proxy.example.com", mode="live")]},
            "http_address",
            "STRIPE_API_BASE",
        ),
        ({"token_length": 0, "host": "0.0.0.0", "in_container": True}, "console_unlocked", "openssl rand -hex 32"),
        ({"token_length": 12}, "weak_console_token", "12 characters"),
        ({"token_length": 40, "token_characters": 2}, "weak_console_token", "2 different"),
        (
            {"full_live_keys": [FullLiveKey(name="STRIPE_API_KEY", what="a secret key", remedy="make rk_live_")]},
            "full_live_key",
            "rk_live_",
        ),
        ({"kafka_protocol": "SSL"}, "kafka_unauthenticated", "KAFKA_SASL_"),
        ({"kafka_protocol": "SASL_PLAINTEXT"}, "kafka_in_the_clear", "KAFKA_SSL_CAFILE"),
        ({"kafka": "127.0.0.1:9092", "kafka_protocol": "PLAINTEXT"}, "kafka_unauthenticated", "127.0.0.1:9092"),
        (
            {"sealings": [Sealing(connection="con_togai", app="togai", by="older")]},
            "sealed_by_older_key",
            "tandem connections rekey",
        ),
        (
            {"sealings": [Sealing(connection="con_togai", app="togai", by="none")]},
            "sealed_by_unknown_key",
            "tandem connections add togai con_togai",
        ),
        (
            {"sealings": [Sealing(connection="con_togai", app="togai", by="somebody")]},
            "changed_by_somebody",
            "who can write to Kafka",
        ),
        ({"host": "0.0.0.0"}, "open_port", "TANDEM_HOST is 0.0.0.0"),
        ({"admin_host": "::"}, "open_port", "TANDEM_INGRESS_ADMIN_HOST"),
        (
            {"listening": [Listening(setting="TANDEM_KAFKA_PORT", port=8492, host="0.0.0.0")]},
            "open_port",
            "0.0.0.0:8492 (TANDEM_KAFKA_PORT)",
        ),
    ],
)
def test_what_is_unsafe_is_named_with_its_remedy(changes: dict[str, object], code: str, named: str) -> None:
    """One fact that is wrong is one finding, which says where and what to do."""
    (found,) = findings(SAFE.model_copy(update=changes))

    assert found.code == code
    assert named in f"{found.what} {found.remedy}"


@pytest.mark.parametrize(
    "changes",
    [
        {"kafka_protocol": "SSL", "kafka_certificate": True},
        {"kafka": "127.0.0.1:9092,[::1]:9092", "kafka_protocol": "SASL_PLAINTEXT"},
        {"addresses": [Address(name="STRIPE_API_BASE", url="http://sandbox:8402/stripe", mode="test")]},
        {"host": "0.0.0.0", "in_container": True},
    ],
)
def test_what_is_safe_though_it_looks_otherwise(changes: dict[str, object]) -> None:
    """A certificate is a proof of who we are; nobody listens between us and this machine; a container's ports are its
    own.
    """
    assert findings(SAFE.model_copy(update=changes)) == []


def test_an_open_host_is_one_finding_and_not_one_for_each_port() -> None:
    """The setting is the cause, the sockets are its consequence."""
    open_ports = [Listening(setting=f"TANDEM_{name}_PORT", port=1, host="0.0.0.0") for name in ("CONSOLE", "INGRESS")]

    assert len(findings(SAFE.model_copy(update={"host": "0.0.0.0", "listening": open_ports}))) == 1
