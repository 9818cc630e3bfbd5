"""Who calls: keys in Bearer or Basic form, rights of restricted keys, and the account named in a header."""

from __future__ import annotations

import base64
import binascii

from starlette.datastructures import Headers

from sandbox.stripe_api.calls import Operation
from sandbox.stripe_api.errors import missing_right, no_account_access, no_key, wrong_key
from sandbox.tenants import Access, Tenants


def key_of(headers: Headers) -> str:
    """The key in the Authorization header; raises the 401 of a missing one."""
    kind, _, value = headers.get("authorization", "").partition(" ")
    value = value.strip()
    if kind.lower() == "basic":
        try:
            value = base64.b64decode(value, validate=True).decode().partition(":")[0]
        except (binascii.Error, UnicodeDecodeError):
            value = ""
    elif kind.lower() != "bearer":
        value = ""
    if not value:
        raise no_key()
    return value


def authenticate(tenants: Tenants, headers: Headers) -> Access:
    """What the caller's key opens; raises 401 for an unknown key and 403 for another account's id in a header."""
    key = key_of(headers)
    access = tenants.access(key, "stripe")
    if access is None:
        raise wrong_key(key)
    named = headers.get("stripe-account")
    if named and named != access.tenant.id:
        raise no_account_access(key, named)
    return access


def authorize(access: Access, operation: Operation) -> None:
    """Raises 403 when a restricted key lacks the operation's right; write includes read."""
    if access.rights is None:
        return
    right = access.rights.get(operation.resource, "none")
    if right == "none" or (right == "read" and operation.right == "write"):
        raise missing_right(access.key, access.tenant.id, operation.resource, operation.right)
