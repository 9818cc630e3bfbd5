"""The server for mails: how its address is read, and how it is spoken to."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from pydantic import ValidationError
from shared.errors import Misconfigured, Rejected, Unavailable
from shared.setting_values import MailServer, mail_server
from shared.settings import Settings

from shared import mail


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("smtps://smtp.test", MailServer("smtp.test", 465, "", "", tls=True)),
        ("smtp://smtp.test", MailServer("smtp.test", 587, "", "", tls=False)),
        ("smtp://a%40b.test:p%3A%2Fw@smtp.test:2525", MailServer("smtp.test", 2525, "a@b.test", "p:/w", tls=False)),
        ("", None),
    ],
)
def test_a_servers_address(url: str, found: MailServer | None) -> None:
    """Both kinds, their usual ports, and a login whose signs are written as in any address."""
    assert mail_server(url) == found


@pytest.mark.parametrize(
    "url", ["smtp.test", "http://smtp.test", "smtp://", "smtp://h:x", "smtp://h/path", "smtp://h?x=1"]
)
def test_what_is_no_address(url: str) -> None:
    """The start refuses it, and its text shows nothing of it: there may be a password in it."""
    with pytest.raises(ValidationError) as refused:
        Settings(_env_file=None, smtp_url=f"{url}", mail_from="a@b.test")

    assert "write it as smtps://USER:PASSWORD@HOST" in str(refused.value)


def test_mails_have_a_sender() -> None:
    """A server alone is not enough."""
    with pytest.raises(ValidationError, match="TANDEM_MAIL_FROM"):
        Settings(_env_file=None, smtp_url="smtps://smtp.test")


class Server:
    """A real mail server on this machine that knows one login."""

    def __init__(self) -> None:
        self.port = 0
        self.taken: list[str] = []
        self.logins: list[bytes] = []

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        self.taken += envelope.rcpt_tos
        return "250 OK"

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address.startswith("gone"):
            return "550 no such user here"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    def authenticate(self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any) -> AuthResult:
        known = isinstance(data, LoginPassword) and data.password == b"right"
        return AuthResult(success=known, handled=known)


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    made, loop = Server(), asyncio.get_running_loop()

    def answer() -> SMTP:
        return SMTP(made, authenticator=made.authenticate, auth_require_tls=False, loop=loop)

    listening = await loop.create_server(answer, "127.0.0.1", 0)
    made.port = listening.sockets[0].getsockname()[1]
    yield made
    listening.close()
    await listening.wait_closed()


async def send(server: Server, to: str = "a@b.test", login: str = "tandem:right") -> None:
    settings = Settings(_env_file=None, smtp_url=f"smtp://{login}@127.0.0.1:{server.port}", mail_from="t@b.test")
    await mail.send(settings, to, "Offers", "Zoë\n")


async def test_a_mail_is_handed_over(server: Server) -> None:
    """After a login."""
    await send(server)

    assert server.taken == ["a@b.test"]


async def test_a_login_that_is_refused(server: Server) -> None:
    """A setting is wrong: nothing is tried again and again with it."""
    with pytest.raises(Misconfigured, match="TANDEM_SMTP_URL") as refused:
        await send(server, login="tandem:wrong")

    assert "wrong" not in refused.value.message


async def test_an_address_that_is_refused(server: Server) -> None:
    """For good: the server's own words."""
    with pytest.raises(Rejected, match="no such user here"):
        await send(server, "gone@b.test")


async def test_a_line_in_an_address_adds_nobody(server: Server) -> None:
    """No header comes in by it."""
    with pytest.raises(Rejected):
        await send(server, "a@b.test\r\nBcc: c@b.test")

    assert server.taken == []


async def test_a_server_that_is_away() -> None:
    """Tried again later."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        away = Server()
        away.port = taken.getsockname()[1]
        with pytest.raises(Unavailable):
            await send(away)


async def test_without_a_server() -> None:
    """With keys of one's own there is none unless it is set."""
    settings = Settings(_env_file=None, stripe_api_key="sk_test_x", togai_api_token="x")
    with pytest.raises(Misconfigured, match="TANDEM_SMTP_URL"):
        await mail.send(settings, "a@b.test", "Offers", "text")


async def test_nothing_goes_through_the_open(server: Server) -> None:
    """A server that is not known to be on this machine and offers no TLS gets no mail and no login."""
    settings = Settings(_env_file=None, smtp_url=f"smtp://tandem:right@0.0.0.0:{server.port}", mail_from="t@b.test")
    with pytest.raises(Unavailable, match="STARTTLS"):
        await mail.send(settings, "a@b.test", "Offers", "text")

    assert server.taken == []
