"""Addresses that people set, before a key or a token goes there: https, except to this machine itself. Pure."""

from __future__ import annotations

from urllib.parse import SplitResult, urlsplit

from shared.errors import Misconfigured
from shared.setting_values import is_loopback
from shared.settings import Mode, Settings

from console.local.environment import variable

PUBLIC = {
    "public_url": ("what the vendors send there, and Togai's token in the address,", "ingress"),
    "portal_url": ("the addresses of customers' offers, which open them to whoever knows them,", "the console"),
}
"""Settings that hold a public address: what travels there, and what answers."""


def public_addresses(settings: Settings) -> dict[str, str]:
    """Those that the settings name, by their field."""
    return {"public_url": settings.public_url, "portal_url": settings.portal_url}


def check_public(settings: Settings) -> None:
    """Raises Misconfigured for a public address at which others could read."""
    for field, url in public_addresses(settings).items():
        check_public_url(url, field)


def check_public_url(url: str, field: str) -> None:
    """Raises Misconfigured for an address, that of a setting, at which secrets would travel in the clear."""
    setting, (what, answers) = variable(field), PUBLIC[field]
    if url and not _is_private(_split(url, setting)):
        raise Misconfigured(
            f"{setting} is {url}: {what} could be read on the way. Put a proxy with a certificate before {answers} and "
            "write https://"
        )


def check_api_base(url: str, setting: str, mode: Mode) -> None:
    """Raises Misconfigured for an address to which a live key would travel in the clear; a test key may, to a sandbox
    in another container say.
    """
    if not _is_private(_split(url, setting)) and mode == "live":
        raise Misconfigured(
            f"the API address is {url}: a live key would travel there in the clear. Write https://, or leave "
            f"{setting} empty for the vendor's own address"
        )


def _split(url: str, setting: str) -> SplitResult:
    try:
        found = urlsplit(url)
        if found.scheme in ("http", "https") and found.hostname and "@" not in found.netloc and found.port != 0:
            return found
    except ValueError:
        pass
    raise Misconfigured(
        f"{setting} is no web address: write it as https://hooks.example.com, without a name and password in it"
    )


def _is_private(found: SplitResult) -> bool:
    return found.scheme == "https" or is_loopback(found.hostname or "")
