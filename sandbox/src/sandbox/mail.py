"""A mail server that sends nothing on: what Tandem mails to customers is kept to be read."""

from __future__ import annotations

import asyncio
import email
import re
from email.message import EmailMessage
from email.policy import default
from typing import Any

from aiosmtpd.smtp import SMTP, Envelope, Session

from sandbox.identifiers import random_text
from sandbox.world import World

SCOPE = KIND = "mail"
LARGEST = 1024 * 1024
"""Bytes of a mail."""
_ADDRESS = re.compile(r"https?://\S+")


class Mailbox:
    """What aiosmtpd calls for each mail."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        """One mail, to one address or several."""
        mail = email.message_from_bytes(envelope.original_content or b"", _class=EmailMessage, policy=default)
        part, now = mail.get_body(("plain",)), self._world.clock
        for to in envelope.rcpt_tos:
            body = {
                "id": f"mail_{random_text(16)}", "from": envelope.mail_from, "to": to, "subject": str(mail["Subject"]),
                "text": part.get_content() if part else "", "created": int(now.now()),
            }  # fmt: skip
            self._world.store.insert(
                SCOPE, KIND, body, id=str(body["id"]), created=int(now.now()), changed=now.micros()
            )
        return "250 OK"


async def listen(world: World, host: str, port: int) -> asyncio.Server:
    """Take mails until the server is closed. Raises OSError when the port is taken."""
    loop, box = asyncio.get_running_loop(), Mailbox(world)
    return await loop.create_server(
        lambda: SMTP(box, data_size_limit=LARGEST, enable_SMTPUTF8=True, loop=loop), host, port
    )


def mails(world: World) -> list[dict[str, Any]]:
    """Every mail, the newest first."""
    return [document.body for document in world.store.select(SCOPE, KIND)]


def addresses(text: str) -> list[str]:
    """The web addresses in a mail."""
    return _ADDRESS.findall(text)
