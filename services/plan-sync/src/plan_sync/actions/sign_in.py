"""The mail by which the people of an account sign in to its offers."""

from __future__ import annotations

import time
from datetime import UTC, datetime

from shared.apps.togai.client import TogaiApp
from shared.apps.togai.models import TogaiAccount
from shared.connections import portal_keys
from shared.domains.plans.sign_in import SignInMailed, SignInRequest
from shared.errors import Later, NotFound, NotReady
from shared.identity import Ref
from shared.linking.dry_run import end_if_dry
from shared.linking.index import normalized_email
from shared.runtime.actions import Context, Ended, Result
from shared.sealed_addresses import SealedAddresses
from shared.sealed_texts import SIGN_IN_REQUESTS, SIGN_IN_TOKENS, TextSeal

from plan_sync.actions.versions import ARCHIVED
from shared import mail

MOST_ACCOUNTS = 20
"""Accounts of one address that a mail names."""
LISTED_WITHIN = 90.0
"""Seconds within which a new account is in Togai's lists as the pollers read them."""
LONGEST_NAME = 80
"""Characters of an account's name that a mail shows."""
SUBJECT = "Your offers"


async def send(context: Context, wanted: SignInRequest) -> Result:
    """Mail a link for each account of an address. Whoever asked learns nothing: only the mail's reader sees whether
    there is one. Raises Ended where there is nobody to write to, and for a request that is too old, Later for one of an
    address that may be about to be listed.
    """
    if wanted.flow_link not in ("", context.link.id):
        raise Ended("skipped", f"flow link {wanted.flow_link} was asked to do it")
    if wanted.ends <= time.time():
        raise Ended("skipped", "it was asked for too long ago: whoever still wants it asks again")
    address = TextSeal(portal_keys(context.settings), SIGN_IN_REQUESTS).open(wanted.address)
    if address is None:
        raise Ended("skipped", "the address cannot be read: it was sealed with another portal key")
    accounts = await _accounts(context, address)
    refs = tuple(context.ref("togai", "account", account.id) for account in accounts)
    if not accounts:
        if context.is_young(LISTED_WITHIN):
            raise Later(
                "no account has this address, or it was made just now: looking again in a minute", code="unlisted"
            )
        raise Ended("skipped", "no account has this address")
    end_if_dry("changed", "a mail with a link to sign in would be sent", *refs)
    await mail.send(context.settings, address, SUBJECT, _text(context, accounts, wanted.ends))
    ids = [account.id for account in accounts]
    return Result(SignInMailed(account_ids=ids), True, (f"a mail was sent to the address of {', '.join(ids)}",), refs)


async def _accounts(context: Context, address: str) -> list[TogaiAccount]:
    """The accounts whose present address it is; that of their customer counts where they have none of their own.

    Raises NotReady until Togai's lists have been read once.
    """
    index, own, wanted = context.registry.index, context.account("togai"), normalized_email(address)
    for poll in context.registry.not_indexed(own):
        raise NotReady(f"{own} is being read for the first time: {poll.seen} so far", code="index")
    found = [Ref.parse(entity.ref) for entity in index.with_email(own, wanted)] if wanted else []
    client: TogaiApp = await context.client("togai")
    accounts = []
    for ref in [one for one in found if one.noun == "account"][:MOST_ACCOUNTS]:
        try:
            account = await client.account(ref.id)
            email = await client.email_of(account)
        except NotFound:  # gone since the list was read
            continue
        if account.status != ARCHIVED and normalized_email(email) == wanted:
            accounts.append(account)
    return accounts


def _named(account: TogaiAccount) -> str:
    """Whoever signs up names the account, and may sign up with somebody else's address: what reads like a message or an
    address of a web site gives way to the id.
    """
    name = account.name.strip()
    return name if name.isprintable() and 0 < len(name) <= LONGEST_NAME and "/" not in name else account.id


def _text(context: Context, accounts: list[TogaiAccount], ends: int) -> str:
    sealed, until = SealedAddresses(context.settings, SIGN_IN_TOKENS), datetime.fromtimestamp(ends, UTC)
    lines = ["Open this address to see your offers and to pay them:", ""]
    for account in accounts:
        url = sealed.address("sign-in/%s", Ref(context.account("togai"), "account", account.id), ends)
        lines += [_named(account), url, ""]
    lines += [f"It can be used once, until {until:%H:%M} UTC. If you did not ask for it, nothing needs to be done:"]
    return "\n".join([*lines, "whoever did sees nothing without this mail.", ""])
