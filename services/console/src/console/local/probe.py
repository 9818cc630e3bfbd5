"""Is it there? Probes that ask a part for a real answer instead of waiting some seconds."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import httpx
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError
from shared.kafka.log import client_options, login_options
from shared.kafka.login import embedded_login
from shared.settings import Settings

from console.http import own_machine
from console.local.errors import LocalError
from console.local.polling import until

ANSWER = 3.0
PATIENCE = 10.0


async def kafka_answers(bootstrap: str, **options: Any) -> bool:
    """Whether a Kafka there answers a metadata request and has a broker that takes records."""
    if not await _somebody_listens(bootstrap):  # aiokafka logs an error for every refused connection
        return False
    client = AIOKafkaAdminClient(bootstrap_servers=bootstrap, request_timeout_ms=int(ANSWER * 1000), **options)
    try:
        async with asyncio.timeout(ANSWER):
            await client.start()
            return bool((await client.describe_cluster())["brokers"])
    except (KafkaError, OSError, TimeoutError):
        return False
    finally:
        await client.close()


async def embedded_answers(home: Path, port: int) -> bool:
    """The same of the embedded Kafka of a home. Raises Misconfigured if it was never started."""
    return await kafka_answers(f"127.0.0.1:{port}", **login_options(embedded_login(home)))


async def _somebody_listens(bootstrap: str) -> bool:
    for address in bootstrap.split(","):
        host, _, port = address.strip().rpartition(":")
        try:
            async with asyncio.timeout(ANSWER):
                _, writer = await asyncio.open_connection(host.strip("[]"), int(port))
        except (OSError, TimeoutError):
            continue
        writer.close()
        return True
    return False


async def require_kafka(settings: Settings, patience: float = PATIENCE) -> None:
    """Check that the Kafka of the settings answers.

    Raises LocalError if it does not within `patience` seconds, or if the address is none.
    """
    servers = settings.bootstrap_servers
    if not all(address.strip().rpartition(":")[2].isdecimal() for address in servers.split(",")):
        raise LocalError(f"KAFKA_BOOTSTRAP_SERVERS={servers}: write it as HOST:PORT, several separated by commas.")
    options = {name: value for name, value in client_options(settings).items() if name != "bootstrap_servers"}
    try:
        async with asyncio.timeout(patience):
            await until(lambda: kafka_answers(servers, **options), 0.2)
    except TimeoutError:
        if settings.embedded_kafka:
            raise LocalError(
                f"Kafka is not running at {servers}: start it with `tandem kafka start`, or everything with `make up`."
            ) from None
        raise LocalError(
            f"No Kafka answers at {servers} (KAFKA_BOOTSTRAP_SERVERS). Start it, correct the address and the "
            "KAFKA_SECURITY_PROTOCOL and KAFKA_SASL_* settings, or unset it: then Tandem runs its own."
        ) from None


async def url_answers(url: str) -> bool:
    """Whether a GET there is answered by a 2xx."""
    try:
        async with own_machine(timeout=ANSWER) as client:
            return (await client.get(url)).is_success
    except httpx.HTTPError:
        return False
