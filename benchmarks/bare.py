"""The least that a receiver of webhooks can be: verify the signature over the raw bytes, append with acks=all, answer.

python -m benchmarks.bare PORT BOOTSTRAP TOPIC SECRET
"""

from __future__ import annotations

import asyncio
import hmac
import signal
import sys
import time
import warnings
from typing import Any

from aiokafka import AIOKafkaProducer
from granian.constants import HTTPModes, Interfaces
from granian.server.embed import Server

from tests.engines import access


def app(producer: AIOKafkaProducer, topic: str, secret: bytes) -> Any:
    """A raw ASGI application."""

    async def answer(scope: dict[str, Any], receive: Any, send: Any) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        header = next(bytes(value) for name, value in scope["headers"] if bytes(name) == b"stripe-signature")
        stamp, _, given = header.partition(b",")
        signed = hmac.digest(secret, stamp[2:] + b"." + body, "sha256").hex().encode()
        good = hmac.compare_digest(b"v1=" + signed, given) and abs(time.time() - int(stamp[2:])) < 300
        if good:
            await producer.send_and_wait(topic, body)
        status = 200 if good else 400
        await send({"type": "http.response.start", "status": status, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"ok"})

    return answer


async def serve(port: int, bootstrap: str, topic: str, secret: str) -> None:
    """Serve until SIGTERM, on the same server as ingress."""
    producer = AIOKafkaProducer(**access.options(bootstrap), acks="all")
    await producer.start()
    server = Server(
        app(producer, topic, secret.encode()),
        address="127.0.0.1",
        port=port,
        interface=Interfaces.ASGINL,
        websockets=False,
        log_enabled=False,
        http=HTTPModes.http1,
    )
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, server.stop)
    await server.serve()
    await producer.stop()


if __name__ == "__main__":
    warnings.filterwarnings("ignore", message="Embedded server is experimental")
    asyncio.run(serve(int(sys.argv[1]), *sys.argv[2:5]))
