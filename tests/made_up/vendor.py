"""The made-up vendor itself: a small server on this machine that keeps books, and misbehaves on demand."""

from __future__ import annotations

import json
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

PAGE = 2


@dataclass
class Book:
    """One customer's book. `status` is what every call is answered with, if it is not 200."""

    key: str
    name: str
    entries: list[dict[str, Any]] = field(default_factory=list)
    notes: dict[str, str] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    status: int = 200

    def enter(self, entry: str, account: str = "acme") -> dict[str, Any]:
        """Somebody makes an entry. Returns the event, as the webhook and the list tell of it."""
        event = {"number": len(self.entries) + 1, "event": f"e_{self.name}_{len(self.entries) + 1}", "entry": entry}
        self.entries.append(event | {"account": account})
        return self.entries[-1]


class Vendor:
    """All books, by key."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.books: dict[str, Book] = {}

    def open_book(self) -> Book:
        """A book of somebody's own."""
        name = secrets.token_hex(4)
        book = self.books[f"key_{name}"] = Book(f"key_{name}", f"book_{name}")
        return book

    def answer(self, method: str, path: str, key: str, body: Any) -> tuple[int, Any]:
        """Status and body of an answer."""
        book = self.books.get(key)
        if book is None:
            return 401, {"message": "no such key"}
        what, _, entry = path.strip("/").partition("/")
        book.calls.append(f"{method} {what}")
        if book.status != 200:
            return book.status, {"message": "as set"}
        if (method, what) == ("GET", "book"):
            return 200, {"id": book.name}
        if (method, what) == ("GET", "entries"):
            page = [row for row in book.entries if row["number"] > int(entry or 0)][:PAGE]
            return 200, {"entries": page, "more": bool(page) and page[-1] is not book.entries[-1]}
        if (method, what) == ("PUT", "notes"):
            book.notes[entry] = body["text"]
            return 200, {}
        return 404, {"message": "no such thing"}


@contextmanager
def open_vendor() -> Iterator[Vendor]:
    """The server, as long as the context lasts."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # an answer in one piece: in two, the second waits 40 ms for the first to be acknowledged

        def _answer(self) -> None:
            sent = self.rfile.read(int(self.headers.get("content-length") or 0))
            status, body = vendor.answer(
                self.command, self.path, self.headers.get("x-key", ""), json.loads(sent or b"{}")
            )
            text = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("content-length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        do_GET = do_PUT = _answer

        def log_message(self, format: str, *args: Any) -> None:
            """Nobody reads it."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    vendor = Vendor(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield vendor
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
