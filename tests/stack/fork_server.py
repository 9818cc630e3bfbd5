"""Forks processes of Tandem that have their imports behind them: `python -m tests.stack.fork_server SOCKET`.

Imports are most of what a process does until it is ready, and a test run starts hundreds. One connection to the socket
is one process: it takes a spec as a line of JSON, answers with a pid, and at the end with an exit code. A connection
that is closed before takes its process with it.
"""

from __future__ import annotations

import gc
import importlib
import inspect
import json
import os
import random
import runpy
import selectors
import signal
import socket
import sys
import traceback
from pathlib import Path
from typing import Any

import faust
import httpx2
import stripe
from console.local.with_parent import die_with_parent
from shared.domains import services
from shared.tls import trusted

LONGEST_SPEC = 65_536
AHEAD = (
    "console.app",
    "console.cli.main",
    "console.projection.projector",
    *(f"{service.replace('-', '_')}.actions" for service in services()),
    "faust.transport.drivers.aiokafka",
    "granian.server.embed",
    "ingress.app",
    "ingress.polling.pollers",
    "sandbox.server",
    "shared.runtime.worker",
)
"""What the services import, once for all processes; their `__main__` runs in each of them."""


def prepare() -> None:
    """Have done what a process does in its first second: Faust, Stripe and httpx2 import at first use."""
    for name in AHEAD:
        importlib.import_module(name)
    assert all((faust.App, faust.Worker, faust.TopicT))
    assert stripe.StripeClient("sk_test_none").v1.customers
    httpx2.AsyncClient(verify=trusted())
    inspect.getmodule(sys._getframe())  # looks through every module once


class ForkServer:
    """A process without threads or an event loop: only such a one may be forked."""

    def __init__(self, path: str) -> None:
        self._selector = selectors.DefaultSelector()
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(f"{path}.new")
        self._listener.listen()
        Path(f"{path}.new").rename(path)  # whoever finds it may connect
        self._selector.register(self._listener, selectors.EVENT_READ, self._accept)

    def serve(self) -> None:
        """For ever."""
        gc.freeze()
        while True:
            for key, _ in self._selector.select():
                key.data()

    def _accept(self) -> None:
        connection, _ = self._listener.accept()
        spec = json.loads(connection.makefile("rb").readline(LONGEST_SPEC))
        ended, living = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(ended)
            self._selector.close()
            for inherited in (self._listener, connection):
                inherited.close()
            _run(spec)
        os.close(living)
        connection.sendall(f"{pid}\n".encode())

        def dead() -> None:
            self._selector.unregister(ended)
            os.close(ended)
            _, status = os.waitpid(pid, 0)
            if connection.fileno() != -1:
                self._selector.unregister(connection)
                connection.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())
                connection.close()

        def left() -> None:
            self._selector.unregister(connection)
            connection.close()
            os.kill(pid, signal.SIGKILL)

        # The pipe's other end is open as long as the process lives.
        self._selector.register(ended, selectors.EVENT_READ, dead)
        self._selector.register(connection, selectors.EVENT_READ, left)


def _run(spec: dict[str, Any]) -> None:
    """One process: a module's own entry point, under its own environment. Does not return."""
    code = 1
    try:
        die_with_parent()
        os.setsid()
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        for number, file in ((1, spec["log"]), (2, spec["errors"])):
            os.dup2(os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644), number)
        os.chdir(spec["cwd"])
        os.environ.clear()
        os.environ.update(spec["env"])
        random.seed()
        for place, arguments in spec["first"]:
            module, _, function = place.partition(":")
            getattr(importlib.import_module(module), function)(*arguments)
        sys.argv = spec["command"]
        runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        os._exit(code)


if __name__ == "__main__":
    prepare()
    ForkServer(sys.argv[1]).serve()
