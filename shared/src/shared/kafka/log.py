"""How Tandem speaks to Kafka: one place for the client settings, the durable append and the topic set-up."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, NamedTuple, Self

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, MessageSizeTooLargeError

from shared.errors import Malformed, Unavailable
from shared.events.topics import MAX_MESSAGE_BYTES
from shared.kafka.login import Login, login_of
from shared.settings import Settings
from shared.tasks import unless_cancelled

Headers = Sequence[tuple[str, bytes]]

IN_BATCHES: dict[str, Any] = {"fetch_max_wait_ms": 100, "fetch_min_bytes": 65_536}
"""Arguments of a consumer that may be a tenth of a second late: a fetch for each record costs a broker more than it."""


def ssl_context(settings: Settings) -> ssl.SSLContext | None:
    """TLS as set, None without it."""
    if settings.embedded_kafka or "SSL" not in settings.kafka_security_protocol:
        return None
    context = ssl.create_default_context(cafile=settings.kafka_ssl_cafile or None)
    if settings.kafka_ssl_certfile:
        context.load_cert_chain(settings.kafka_ssl_certfile, settings.kafka_ssl_keyfile or None)
    return context


def client_options(settings: Settings) -> dict[str, Any]:
    """The arguments that every aiokafka client takes. Raises Misconfigured as `login_of` does."""
    return {
        "bootstrap_servers": settings.bootstrap_servers,
        "ssl_context": ssl_context(settings),
        **login_options(login_of(settings)),
    }


def login_options(login: Login) -> dict[str, Any]:
    """A login as aiokafka takes it."""
    if not login.sasl:
        return {"security_protocol": login.protocol}
    return {
        "security_protocol": login.protocol,
        "sasl_mechanism": login.mechanism,
        "sasl_plain_username": login.user,
        "sasl_plain_password": login.password,
    }


class Place(NamedTuple):
    """Where a record stands in the log."""

    topic: str
    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.topic}/{self.partition}/{self.offset}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """A place as it is written. Raises ValueError."""
        topic, partition, offset = text.rsplit("/", 2)
        return cls(topic, int(partition), int(offset))


class Log:
    """Appends records durably: `append` returns only after every in-sync replica has the record.

    `before_sending` is called each time that something goes to Kafka, not when it is appended: a record may wait in the
    client meanwhile.
    """

    def __init__(self, settings: Settings, before_sending: Callable[[], None] | None = None) -> None:
        self._settings = settings
        self._before_sending = before_sending
        self._producer: AIOKafkaProducer | None = None

    async def __aenter__(self) -> Self:
        # Idempotent, so that a retry inside the client neither doubles nor reorders; linger 0 because callers wait. So
        # each record is a batch of its own. Compressed it would be half as large, and packing and unpacking it, by the
        # broker and up to four readers, was a twentieth of all processor time beside an import.
        self._producer = AIOKafkaProducer(
            **client_options(self._settings),
            acks="all",
            enable_idempotence=True,
            max_request_size=MAX_MESSAGE_BYTES,
        )
        if self._before_sending:
            _call_before_sending(self._producer.client, self._before_sending)
        try:
            await self._producer.start()
        except KafkaError as error:
            await self._producer.stop()
            raise Unavailable(f"Kafka at {self._settings.bootstrap_servers} does not answer: {error}") from error
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._producer:
            await self._producer.stop()

    async def append(
        self, topic: str, key: str, value: bytes | None, *, headers: Headers = (), deadline: float | None = None
    ) -> Place:
        """Write one record and wait until it is durable.

        Raises Unavailable if Kafka does not confirm within `deadline` seconds (setting `append_timeout` if None). An
        idempotent producer has no deadline of its own, and the record may arrive later: delivery is at least once.
        Raises Malformed for a record that no message can hold.
        """
        assert self._producer, "Log is used as a context manager"
        try:
            async with asyncio.timeout(deadline or self._settings.append_timeout):
                sending = self._producer.send_and_wait(topic, value, key=key.encode(), headers=list(headers))
                sent = await unless_cancelled(sending)
        except MessageSizeTooLargeError as error:
            raise Malformed(f"a record of {len(value or b'')} bytes is too large for {topic}") from error
        except (TimeoutError, KafkaError) as error:
            raise _unconfirmed(f"a record on {topic}", error) from error
        return Place(topic, sent.partition, sent.offset)

    async def flush(self) -> None:
        """Wait until nothing is on its way any more, also of appends that were broken off.

        Raises Unavailable if Kafka does not confirm it within the setting `append_timeout`.
        """
        assert self._producer, "Log is used as a context manager"
        try:
            async with asyncio.timeout(self._settings.append_timeout):
                await unless_cancelled(self._producer.flush())
        except (TimeoutError, KafkaError) as error:
            raise _unconfirmed("what was on its way", error) from error


def _unconfirmed(what: str, error: Exception) -> Unavailable:
    return Unavailable(f"Kafka did not confirm {what}: {str(error) or 'no answer in time'}")


def _call_before_sending(client: Any, call: Callable[[], None]) -> None:
    """aiokafka has no hook there; all requests of a producer pass this one public function of its client."""
    send = client.send

    async def send_after(*args: Any, **options: Any) -> Any:
        call()
        return await send(*args, **options)

    client.send = send_after
