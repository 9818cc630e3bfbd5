"""Addresses that people set, before a key or a token goes there: https, except to this machine itself. Pure."""

from __future__ import annotations

from urllib.parse import SplitResult, urlsplit

from shared.errors import Misconfigured
from shared.setting_values import is_loopback
from shared.settings import Mode


def check_public_url(url: str) -> None:
    """Raises Misconfigured for an address at which vendors' bodies, and Togai's token, would travel in the clear."""
    if url and not _is_private(_split(url, "TANDEM_PUBLIC_URL")):
        raise Misconfigured(
            f"TANDEM_PUBLIC_URL is {url}: what the vendors send there, and Togai's token in the address, could be read "
            "on the way. Put a proxy with a certificate before ingress and write https://"
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
