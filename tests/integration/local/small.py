"""Small parts for the supervisor's tests, and a process that supervises two of them.

Run as `python -m tests.integration.local.small HOME PORT PORT [--stop-with-parent]`; prints JSON lines.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from console.local.home import UP, Home
from console.local.report import JsonLines
from console.local.supervisor import ManagedProcess, Port, Supervisor
from console.local.up import run, stop_with_parent

# Answers every GET; /die ends it. Standard library without site-packages: it starts quickly.
SERVER = """
import http.server, os, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/die":
            os._exit(7)
        self.send_response(200)
        self.end_headers()
    def log_message(self, *a): pass
print("listening", sys.argv[1], flush=True)
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""


def small_part(name: str, port: int, code: str = SERVER, **more: object) -> ManagedProcess:
    """A part that is an HTTP server of some lines."""
    return ManagedProcess(
        name=name,
        command=lambda: [sys.executable, "-I", "-S", "-c", code, str(port)],
        ready=f"http://127.0.0.1:{port}/readyz",
        at=f"http://127.0.0.1:{port}",
        ports=(Port(port, f"TANDEM_{name.upper()}_PORT"),),
        **more,  # type: ignore[arg-type]
    )


async def main(folder: str, *ports: str) -> None:
    """Supervise until asked to stop."""
    home, report = Home(Path(folder)), JsonLines()
    with home.hold(UP, "tandem up", int(ports[0])):
        stages = [[small_part(f"part{number}", int(port))] for number, port in enumerate(ports)]
        await run(stages, report, Supervisor(home, report), lambda: report.running("", 0))


if __name__ == "__main__":
    if "--stop-with-parent" in sys.argv:
        stop_with_parent()
    asyncio.run(main(*(argument for argument in sys.argv[1:] if not argument.startswith("--"))))
