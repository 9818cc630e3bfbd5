"""The parts of Tandem as data: what `tandem up` starts, in this order."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import replace

from shared.domains import services
from shared.settings import Settings

from console.local.environment import environment, variable
from console.local.errors import LocalError
from console.local.kafka import STOP_TIMEOUT, EmbeddedKafka
from console.local.ports import free_port
from console.local.supervisor import ManagedProcess, Port

MARGIN = 5.0


def reachable(host: str) -> str:
    """The address on which this machine reaches what listens on `host`."""
    return {"0.0.0.0": "127.0.0.1", "": "127.0.0.1", "::": "[::1]"}.get(host, host)


def ingress_admin_url(settings: Settings) -> str:
    """Where ingress's own pages are."""
    return f"http://{reachable(settings.ingress_admin_host)}:{settings.ingress_admin_port}"


def console_url(settings: Settings) -> str:
    """Where a person finds the console."""
    return f"http://{reachable(settings.host)}:{settings.console_port}"


def kafka_part(settings: Settings) -> ManagedProcess:
    """The embedded Kafka."""
    broker = EmbeddedKafka(settings.home, settings.kafka_port)
    setting = variable("kafka_port")
    return ManagedProcess(
        name="kafka",
        command=lambda: broker.command,
        before=broker.prepare,
        ready=broker.ready,
        at=broker.bootstrap,
        ports=(
            Port(broker.port, setting),
            Port(broker.controller_port, f"{setting} (the next port is the controller's)"),
        ),
        stop_timeout=STOP_TIMEOUT,
    )


def sandbox_part(settings: Settings) -> ManagedProcess:
    """The local Stripe and Togai, for a machine without keys."""
    made = _server("sandbox", settings, "sandbox_port", "/healthz", "127.0.0.1")
    mail = Port(settings.sandbox_mail_port, variable("sandbox_mail_port"), "127.0.0.1")
    return replace(made, ports=(*made.ports, mail)) if mail.number else made


def ingress_part(settings: Settings) -> ManagedProcess:
    """The webhook receiver, whose own pages have a port of their own."""
    public = _server("ingress", settings, "ingress_port", "/healthz", settings.host)
    own, host = ingress_admin_url(settings), settings.ingress_admin_host
    port = Port(settings.ingress_admin_port, variable("ingress_admin_port"), host)
    return replace(public, ready=f"{own}/readyz", pages=own, ports=(*public.ports, port))


def console_part(settings: Settings) -> ManagedProcess:
    """The API and the web console."""
    return _server("console", settings, "console_port", "/readyz", settings.host)


def worker_parts(settings: Settings, copies: Mapping[str, int]) -> list[ManagedProcess]:
    """Every copy of every worker. They share the vendors' quotas among them by themselves."""
    return [_worker(name, number, settings) for name in copies for number in range(1, copies[name] + 1)]


def parse_workers(wanted: list[str]) -> dict[str, int]:
    """`["customer-sync=3"]` as numbers of copies; a worker that is not named has one.

    Raises LocalError for an unknown worker or a number below 1.
    """
    copies = dict.fromkeys(services(), 1)
    for text in wanted:
        name, _, number = text.partition("=")
        if name not in copies or not number.isdecimal() or int(number) < 1:
            raise LocalError(f"--workers {text}: write it as NAME=NUMBER with one of: {', '.join(services())}.")
        copies[name] = int(number)
    return copies


def _server(module: str, settings: Settings, port_field: str, path: str, host: str) -> ManagedProcess:
    port: int = getattr(settings, port_field)
    at = f"http://{reachable(host)}:{port}"
    return ManagedProcess(
        name=module,
        command=lambda: [sys.executable, "-m", module],
        env=environment(settings),
        ready=f"{at}{path}",
        at=at,
        ports=(Port(port, variable(port_field), host),),
    )


def _worker(name: str, number: int, settings: Settings) -> ManagedProcess:
    port = settings.worker_port + number - 1 if settings.worker_port else free_port()
    at = f"http://{reachable(settings.host)}:{port}"
    own = {
        variable("worker_id"): f"{name}-{number}",
        variable("worker_port"): str(port),
    }
    return ManagedProcess(
        name=f"{name}-{number}",
        command=lambda: [sys.executable, "-m", name.replace("-", "_")],
        env=environment(settings, own),
        ready=f"{at}/readyz",
        at=at,
        ports=(Port(port, variable("worker_port"), settings.host),),
        stop_timeout=settings.drain_timeout + MARGIN,
    )
