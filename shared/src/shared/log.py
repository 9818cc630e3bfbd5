"""Structured logs: one event name, then facts by name. Secrets never go in; their names and forms hold the line."""

from __future__ import annotations

import logging
import sys
import textwrap
from collections.abc import MutableMapping
from types import TracebackType
from typing import Any

import structlog

from shared.plain import one_line, plain
from shared.scrub import STARS, scrub_for_log

_SECRET_NAMES = ("secret", "token", "api_key", "authorization", "password", "sealed", "signature")


def redact(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Blank every field whose name says that it is secret, however deep it stands."""
    for name, value in event.items():
        event[name] = STARS if _is_secret(name) else _redacted(value)
    return event


def _is_secret(name: object) -> bool:
    return isinstance(name, str) and any(word in name.lower() for word in _SECRET_NAMES)


def _redacted(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: STARS if _is_secret(name) else _redacted(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_redacted(inner) for inner in value]
    return value


class Throttle(logging.Filter):
    """Lets a library's message through once in a while: a client without its broker repeats itself all the time."""

    def __init__(self, seconds: float = 10.0) -> None:
        super().__init__()
        self._seconds = seconds
        self._last: dict[tuple[str, str], float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether this record is written: others than aiokafka's always are."""
        if not record.name.startswith("aiokafka"):
            return True
        message = (record.name, str(record.msg))
        if record.created - self._last.get(message, 0.0) < self._seconds:
            return False
        self._last[message] = record.created
        return True


def keep_to_its_lines(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Nobody's text can look like a record of its own: one line a record, and a traceback is set in."""
    event["event"] = one_line(str(event.get("event", "")))
    if traceback := event.get("exception"):
        event["exception"] = textwrap.indent(str(traceback), "    ")
    return event


class Plain(structlog.stdlib.ProcessorFormatter):
    """A record as it is written: no secret that is known by its form, whoever's text holds it, and nothing that a
    terminal would obey.
    """

    def format(self, record: logging.LogRecord) -> str:
        return plain(scrub_for_log(super().format(record)))


def configure(service: str, *, level: str = "INFO", as_json: bool = False) -> None:
    """Set up the process's logging once, at its start: our own records and those of libraries in one format."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        redact,
    ]
    # JSON's own escapes keep a record on its line.
    rendering: list[Any] = [structlog.processors.JSONRenderer()]
    if not as_json:
        rendering = [keep_to_its_lines, structlog.dev.ConsoleRenderer(colors=False)]
    formatter = Plain(
        foreign_pre_chain=shared,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
            *rendering,
        ],
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(formatter)
    handler.addFilter(Throttle())
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    for noisy in ("aiokafka", "faust", "mode", "httpx", "httpx2", "stripe", "asyncio"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(service=service)
    sys.excepthook = _log_uncaught


def _log_uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """The last words of a process, which Python itself would write as they are."""
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
        return
    get_logger(__name__).critical("process.died", error=kind.__name__, exc_info=(kind, error, trace))


def get_logger(name: str) -> Any:
    """A logger whose methods take an event name and facts: `log.info("run.ended", run=run.id)`."""
    return structlog.get_logger(name)
