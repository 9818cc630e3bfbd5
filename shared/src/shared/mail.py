"""Mails that Tandem itself sends, by the server that the settings name."""

from __future__ import annotations

from email.message import EmailMessage

import aiosmtplib

from shared.errors import Misconfigured, Rejected, Unavailable
from shared.setting_values import MailServer, is_loopback, mail_server
from shared.settings import Settings

TIMEOUT = 20.0
"""Seconds for each word of the server's."""


async def send(settings: Settings, to: str, subject: str, text: str) -> None:
    """Hand one mail to the server, which may be sent twice where the answer is lost.

    Raises Misconfigured without a server and for a login that it refuses, Rejected for an address or a mail that it
    refuses for good, Unavailable for all that may pass.
    """
    server = mail_server(settings.effective_smtp_url)
    if server is None:
        raise Misconfigured("no server for mails is set: TANDEM_SMTP_URL and TANDEM_MAIL_FROM, see docs/settings.md")
    mail = EmailMessage()
    try:
        mail["From"], mail["To"], mail["Subject"] = settings.effective_mail_from, to, subject
    except ValueError as error:  # a line's end in an address
        raise Rejected(f"no mail can be sent to that address: {error}", code="address") from error
    mail.set_content(text)
    await _hand_over(server, mail)


async def _hand_over(server: MailServer, mail: EmailMessage) -> None:
    try:
        await aiosmtplib.send(
            mail,
            hostname=server.host,
            port=server.port,
            username=server.user or None,
            password=server.password or None,
            use_tls=server.tls,
            # Off this machine nothing travels that others could read.
            start_tls=None if server.tls or is_loopback(server.host) else True,
            timeout=TIMEOUT,
        )
    except aiosmtplib.SMTPAuthenticationError as error:
        raise Misconfigured(f"{server.host} refuses the login of TANDEM_SMTP_URL: {error.message}") from error
    except aiosmtplib.SMTPRecipientsRefused as error:
        refusal = error.recipients[0]
        raise _refused(server, refusal.code, refusal.message) from error
    except aiosmtplib.SMTPResponseException as error:
        raise _refused(server, error.code, error.message) from error
    except (aiosmtplib.SMTPException, OSError, ValueError) as error:
        raise Unavailable(f"the mail server {server.host} cannot be used: {error}", code="mail") from error


def _refused(server: MailServer, code: int, message: str) -> Unavailable | Rejected:
    """RFC 5321, 4.2.1: what begins with 5 is for good, with 4 for now."""
    what = f"the mail server {server.host} answers {code} {message}"
    return Rejected(what, code="mail") if code >= 500 else Unavailable(what, code="mail")
