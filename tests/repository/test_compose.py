"""docker-compose.yml and the Dockerfiles, checked without an engine: the schema, and that they agree with the code."""

from __future__ import annotations

import json
import re
import subprocess
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import yaml
from console.cli.main import app
from console.local import jars
from console.local.environment import variable
from console.local.kafka import BROKER_SETTINGS
from jsonschema import Draft202012Validator
from shared.domains import services
from shared.settings import Settings

from tests.engines.kafka import container_environment
from tests.repository.packages import PACKAGE_OF
from tests.repository.settings_read import settings_read

ROOT = Path(__file__).resolve().parents[2]
FILE = ROOT / "docker-compose.yml"
COMPOSE: dict[str, Any] = yaml.safe_load(FILE.read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if "build" in service}
DOCKERFILES = sorted(ROOT.glob("services/*/Dockerfile"))
PORTS = {"ingress": "ingress_port", "console": "console_port"}
ENTRIES = {"setup": "console.cli.setup"} | {service: f"{name}.__main__" for service, name in PACKAGE_OF.items()}
NOT_HERE = {"kafka_port", "sandbox_port", "sandbox_mail_port", "worker_id"} | {
    field for field in Settings.model_fields if re.match("kafka_(sasl|ssl|security)", field)
}
"""Of the embedded Kafka, the sandbox and a Kafka of one's own; a worker's name would be the same in all its copies."""
AWAY = {"ingress_admin_port", "ingress_admin_host"}
"""Ingress's own pages are not to be reached from the console's container."""
ASKED = PORTS | {"ingress": "ingress_admin_port"}


def without_digest(image: str) -> str:
    """The name and version of an image, behind which its digest must stand: a version can be moved, a digest cannot."""
    found = re.fullmatch(r"([^@]+:[^@]+)@sha256:[0-9a-f]{64}", image)
    assert found, f"{image} has no digest"
    return found[1]


def test_the_schema() -> None:
    """Every key is one that compose knows. The schema is the one that check-jsonschema brings.

    Its command needs click 8.4 and Faust holds click below that: the schema is read without importing the package.
    """
    package = find_spec("check_jsonschema")
    assert package
    assert package.origin
    schema = json.loads((Path(package.origin).parent / "builtin_schemas/vendor/compose-spec.json").read_text())
    found = [error.message for error in Draft202012Validator(schema).iter_errors(COMPOSE)]

    assert "services" in schema["properties"]
    assert found == []


def test_every_service_of_the_repository_runs() -> None:
    """A service that is added to the repository has a Dockerfile and a place in compose."""
    folders = {file.parent.name for file in ROOT.glob("services/*/pyproject.toml")}

    assert {file.parent.name for file in DOCKERFILES} == folders
    assert folders | {"kafka", "postgres", "setup"} == set(SERVICES)


def test_services_wait_for_what_they_can_wait_for() -> None:
    """A service waits for one that exists: a healthy one has a health check, a completed one does not run for ever."""
    for service in SERVICES.values():
        for other, how in service.get("depends_on", {}).items():
            if how["condition"] == "service_healthy":
                assert "healthcheck" in SERVICES[other]
            else:
                assert how["condition"] == "service_completed_successfully"
                assert SERVICES[other]["restart"].startswith("on-failure")


def test_what_runs_for_ever_has_a_health_check() -> None:
    """Only the one-shot set-up has none."""
    assert {name for name, service in SERVICES.items() if "healthcheck" not in service} == {"setup"}


def test_volumes_are_declared_and_used() -> None:
    """No data goes to a volume without a name, and none is declared for nothing."""
    used = {mount.split(":")[0] for service in SERVICES.values() for mount in service.get("volumes", [])}

    assert used == set(COMPOSE["volumes"])


@pytest.mark.parametrize("name", sorted(OURS))
def test_every_variable_is_a_setting_that_the_code_reads(name: str) -> None:
    """A secret that a container does not need is one that whoever breaks into it gets for nothing; a setting that no
    code reads would be a promise without effect.
    """
    # Each container is given that it is no sandbox, whether its code asks or not.
    read = {variable(field) for field in settings_read(ENTRIES[name])} | {"TANDEM_SANDBOX"}

    assert set(OURS[name]["environment"]) - read == set()
    assert OURS[name].keys().isdisjoint({"env_file", "secrets"})


@pytest.mark.parametrize("name", sorted(OURS))
def test_every_setting_that_the_code_reads_arrives(name: str) -> None:
    """What somebody writes into .env has an effect."""
    read = settings_read(ENTRIES[name]) - NOT_HERE - (AWAY if name == "console" else set())

    assert {variable(field) for field in read} - set(OURS[name]["environment"]) == set()


def test_which_secrets_each_container_gets() -> None:
    """The vendors' keys stand in one container that ends, the console's token and the database's password in one."""
    secret = {variable(field) for field, info in Settings.model_fields.items() if "Secret" in str(info.annotation)}
    workers = {service: {"TANDEM_ENCRYPTION_KEYS"} for service in services()}

    assert {name: set(service["environment"]) & secret for name, service in OURS.items()} == workers | {
        "setup": {
            "TANDEM_ENCRYPTION_KEYS", "STRIPE_API_KEY", "STRIPE_WEBHOOK_SECRETS", "TOGAI_API_TOKEN",
            "TOGAI_WEBHOOK_TOKEN", "TANDEM_PORTAL_KEYS",
        },
        "ingress": {"TANDEM_ENCRYPTION_KEYS"},
        "plan-sync": {"TANDEM_ENCRYPTION_KEYS", "TANDEM_PORTAL_KEYS", "TANDEM_SMTP_URL"},
        "invoice-sync": {"TANDEM_ENCRYPTION_KEYS", "TANDEM_PORTAL_KEYS"},
        "console": {"TANDEM_CONSOLE_TOKEN", "DATABASE_URL", "TANDEM_PORTAL_KEYS"},
    }  # fmt: skip


def test_a_container_without_keys_knows_that_it_is_no_sandbox() -> None:
    """By its missing keys a worker would take itself for one, and give real accounts the demo's currency."""
    for service in OURS.values():
        settings = Settings(_env_file=None, sandbox=service["environment"]["TANDEM_SANDBOX"])
        assert not settings.sandboxed
        assert settings.effective_default_currency == ""


def test_what_a_container_may() -> None:
    """Nothing of the kernel's rights, nothing more by a program's bits, and no file of its own image."""
    for name, service in SERVICES.items():
        assert service["cap_drop"] == ["ALL"]
        assert "cap_add" not in service
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert service.get("read_only", False) is (name != "kafka")
        assert "privileged" not in service


def test_who_reaches_whom() -> None:
    """The database is the console's alone, and neither it nor Kafka is on a network that leads outside."""
    on = {name: set(service["networks"]) for name, service in SERVICES.items()}
    inside = {name for name, network in COMPOSE["networks"].items() if (network or {}).get("internal")}

    assert {name for name, networks in on.items() if networks & on["postgres"]} == {"postgres", "console"}
    assert on["kafka"] | on["postgres"] <= inside
    assert all("log" in on[name] for name in OURS)
    assert all(on[name] - inside for name in OURS)
    assert not on["console"] & on["ingress"] - inside


def test_the_build_context_holds_no_secret() -> None:
    """Only what the Dockerfiles copy is sent to the engine: `.env`, a home and the history are not among it."""
    lines = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if not line.startswith("#")]
    copied = {
        source
        for file in [*DOCKERFILES, ROOT / "sandbox/Dockerfile"]
        for line in file.read_text().splitlines()
        if line.startswith("COPY ") and "--from" not in line
        for source in line.split()[1:-1]
    }

    assert lines[0] == "*"
    assert {line[1:] for line in lines if line.startswith("!")} == {source.split("/")[0] for source in copied}
    assert {"**/.*", "**/__pycache__"} <= set(lines)


def test_the_settings_point_at_the_other_containers() -> None:
    """Kafka and the database are reached under the names and ports that they have here."""
    for service in OURS.values():
        assert service["environment"]["KAFKA_BOOTSTRAP_SERVERS"] == "kafka:9092"
    database = SERVICES["console"]["environment"]["DATABASE_URL"]
    assert re.fullmatch(r"postgresql\+psycopg://tandem:\$\{.*\}@postgres:5432/tandem", database)


@pytest.mark.parametrize("name", sorted(PORTS))
def test_ports(name: str) -> None:
    """The published port is the one the service listens on, its default, on loopback only; its health check asks the
    port of its own pages, which is not published.
    """
    port = SERVICES[name]["environment"][variable(PORTS[name])]

    assert int(port) == Settings.model_fields[PORTS[name]].default
    assert SERVICES[name]["ports"] == [f"127.0.0.1:{port}:{port}"]
    asked = SERVICES[name]["environment"][variable(ASKED[name])]
    assert int(asked) == Settings.model_fields[ASKED[name]].default
    assert f"http://127.0.0.1:{asked}/readyz" in SERVICES[name]["healthcheck"]["test"][-1]


def test_the_workers_port() -> None:
    """A worker's health check asks the port that the worker was given."""
    worker = SERVICES["customer-sync"]

    assert f":{worker['environment']['TANDEM_WORKER_PORT']}/readyz" in worker["healthcheck"]["test"][-1]


def test_a_worker_has_time_to_drain() -> None:
    """Compose kills no worker that still waits for its calls."""
    grace = int(SERVICES["customer-sync"]["stop_grace_period"].removesuffix("s"))

    assert grace > Settings.model_fields["drain_timeout"].default


def test_no_default_secrets() -> None:
    """A secret comes from the person who starts it, and compose stops without it."""
    secrets = re.findall(r"\$\{(\w*(?:KEY|TOKEN|SECRET|PASSWORD)\w*)(.)(.)", FILE.read_text())
    written = re.findall(r"^\s*(\w*(?:KEY|TOKEN|SECRET|PASSWORD)\w*): (?!\$\{)", FILE.read_text(), re.MULTILINE)

    assert {name for name, *_ in secrets} >= {"STRIPE_API_KEY", "TOGAI_API_TOKEN", "POSTGRES_PASSWORD"}
    optional = {name for name, *how in secrets if how == [":", "-"]}
    assert optional == {"STRIPE_WEBHOOK_SECRETS", "TOGAI_WEBHOOK_TOKEN"}
    assert {(colon, mark) for name, colon, mark in secrets if name not in optional} == {(":", "?")}
    assert written == []


def test_the_images_are_pinned_by_digest() -> None:
    """What is not built here is named by version and digest; Kafka is of the generation that is embedded."""
    kafka, postgres = (without_digest(SERVICES[name]["image"]) for name in ("kafka", "postgres"))

    assert kafka.startswith(f"apache/kafka:{jars.kafka_version().partition('.')[0]}.")
    assert postgres.startswith("postgres:")
    assert {name for name, service in SERVICES.items() if "build" not in service} == {"kafka", "postgres"}


def test_kafka_is_configured_as_the_embedded_one() -> None:
    """One set of broker settings, here and in the code."""
    expected = container_environment("0.0.0.0:9092", "kafka:9092", "kafka:9093")
    output = SERVICES["kafka"]["environment"]

    assert BROKER_SETTINGS
    assert {name: output.get(name) for name in expected} == expected
    assert set(output) - set(expected) == {"KAFKA_LOG_DIRS", "KAFKA_HEAP_OPTS"}
    assert SERVICES["kafka"]["volumes"] == [f"kafka-data:{output['KAFKA_LOG_DIRS']}"]


def test_commands_exist() -> None:
    """A one-shot runs a sub-command that the `tandem` of its image has."""
    commands = {command.name for command in app.registered_commands}

    assert SERVICES["setup"]["command"][0] == "tandem"
    assert SERVICES["setup"]["command"][1] in commands


@pytest.mark.parametrize("name", sorted(OURS))
def test_builds(name: str) -> None:
    """The context is the root of the repository and the Dockerfile is there."""
    build = OURS[name]["build"]

    assert build["context"] == "."
    assert ROOT / build["dockerfile"] in DOCKERFILES


def test_the_containers_stand_on_one_image() -> None:
    """The sandbox's too: a newer digest is put into all of them."""
    texts = [file.read_text() for file in [*DOCKERFILES, ROOT / "sandbox/Dockerfile"]]
    [image] = {image for text in texts for image in re.findall(r"^FROM (\S+)", text, re.MULTILINE)}

    assert without_digest(image) == "python:3.11.15-slim"


@pytest.mark.parametrize("file", DOCKERFILES, ids=lambda file: file.parent.name)
def test_dockerfiles(file: Path) -> None:
    """Locked wheels with hashes, nothing copied that is not there, not as root, and the service's own module runs."""
    text = file.read_text().replace("\\\n", " ")
    copied = [line.split()[1:-1] for line in text.splitlines() if re.match(r"COPY (?!--from)", line)]
    module = file.parent.name.replace("-", "_")

    assert len(re.findall(r"^FROM (\S+)", text, re.MULTILINE)) == 2
    assert "--require-hashes -r requirements.lock" in text
    assert "--no-index --find-links" in text
    assert all((ROOT / source).exists() for sources in copied for source in sources)
    assert re.findall(r"^USER (\S+)", text, re.MULTILINE) == ["tandem"]
    assert text.rstrip().endswith(f'CMD ["python", "-m", "{module}"]')
    assert (file.parent / "src" / module / "__main__.py").exists()


def test_compose_itself_agrees() -> None:
    """Where there is a compose, it reads the file without complaint; a `docker` client alone has none."""
    try:
        version = subprocess.run(["docker", "compose", "version"], capture_output=True, check=False).returncode
    except FileNotFoundError:
        version = 1
    if version == 0:
        given = dict.fromkeys(re.findall(r"\$\{(\w+)", FILE.read_text()), "given")
        command = ["docker", "compose", "-f", str(FILE), "config", "-q"]
        done = subprocess.run(command, env=given, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
