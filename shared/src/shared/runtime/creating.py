"""A create at a vendor, under a claim: its key and body are sent again as they are, and a spent key is replaced only
after a proof of absence (design law 2).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, Generic, TypeVar

from shared.apps import APPS
from shared.errors import FlowLinkOff, KeyReused, NotReady, RateLimited, Rejected, SyncError, Unavailable
from shared.identity import AppAccount
from shared.linking.claims import CLOCK_SKEW, Claims
from shared.linking.mappings import Mapping

T = TypeVar("T")

LEASE = 40.0
"""Seconds after a claim in which a call without idempotency key is not sent again: more than a call may take."""


class Creation(ABC, Generic[T]):
    """One kind of thing that is made."""

    key_expires: ClassVar[bool] = True
    """Whether the vendor may forget the claim's key, so that a late repeat would make a second one. False where it
    refuses a second one whatever the claim's age, as by an id that we choose; and where no key is sent.
    """

    @abstractmethod
    async def send(self, body: dict[str, Any], key: str) -> T:
        """The vendor's create, with the claim's body and key. Raises the client's errors."""

    @abstractmethod
    async def find(self, since: int) -> T | None:
        """What was made for the claim's source since then (epoch seconds), as the vendor's lists show it."""

    async def taken(self, error: Rejected) -> T | None:
        """What stands already where the vendor refused the create: the id, or the key, that we chose was taken."""
        return None

    def refused(self, error: Rejected) -> SyncError:
        """What becomes of the run when the vendor refuses the create for good."""
        return error

    async def left_off(self, held: Mapping) -> None:
        """The flow link is off and nothing was made: what becomes of the claim."""
        return


class UnkeyedCreation(Creation[T]):
    """A create that has no idempotency key: who sends it again looks first whether it was made, and not before the
    first call must have ended. `opened_at` is the claim's time where one was begun before, else empty.
    """

    key_expires = False

    def __init__(
        self,
        post: Callable[[dict[str, Any]], Awaitable[T]],
        made: Callable[[], Awaitable[T | None]],
        *,
        opened_at: str,
    ) -> None:
        self._post = post
        self._made = made
        self._opened_at = opened_at

    async def send(self, body: dict[str, Any], key: str) -> T:
        if self._opened_at:
            if found := await self._made():
                return found
            age = (datetime.now(UTC) - datetime.fromisoformat(self._opened_at)).total_seconds()
            if age < LEASE:
                raise NotReady(
                    "an earlier call may be under way: looking again", code="leased", retry_after=LEASE - age
                )
        return await self._post(body)

    async def find(self, since: int) -> T | None:
        return await self._made()


async def create(claims: Claims, held: Mapping, app_account: str, creation: Creation[T]) -> tuple[T, str]:
    """Make it, or find what was made; with it how, in words. The mapping is the caller's to write.

    Raises NotReady where the next attempt follows, and what `refused` gives; the claim is withdrawn then.
    """
    assert held.claim
    if creation.key_expires and claims.is_older(held, _keys_kept_for(app_account)):
        why = "the vendor may have forgotten the claim's key"
        return await _prove_or_retry(claims, held, app_account, creation, why)
    try:
        made = await creation.send(held.claim.body, held.claim.key)
    except KeyReused:
        return await _prove_or_retry(claims, held, app_account, creation, "the vendor knows the key with another body")
    except FlowLinkOff:
        if found := await creation.find(since(held)):
            return found, "found by list (its flow link is off)"
        await creation.left_off(held)
        raise
    except (Unavailable, RateLimited, Rejected) as error:
        if error.replayed:
            why = f"the vendor replayed an error: {error.message}"
            return await _prove_or_retry(claims, held, app_account, creation, why)
        if isinstance(error, Rejected):
            if found := await creation.taken(error):
                return found, f"found there ({error.message})"
            await claims.withdraw(held, error.message, error.param)
            raise creation.refused(error) from error
        raise
    return made, "made" if held.claim.attempt == 1 else f"made at attempt {held.claim.attempt}"


def _keys_kept_for(app_account: str) -> timedelta:
    """Raises TypeError where the app says of no time: its creates are no keyed ones."""
    name = AppAccount.parse(app_account).app
    kept = APPS[name].keys_kept_for
    if kept is None:
        raise TypeError(f"{name} keeps no idempotency keys (`App.keys_kept_for`): make it an UnkeyedCreation")
    return kept


async def _prove_or_retry(
    claims: Claims, held: Mapping, app_account: str, creation: Creation[T], why: str
) -> tuple[T, str]:
    if found := await creation.find(since(held)):
        return found, f"found by list ({why})"
    raised = await claims.next_attempt(held, app_account)
    assert raised.claim
    raise NotReady(f"{why}; nothing was made, so attempt {raised.claim.attempt} follows", code="next_attempt")


def since(held: Mapping) -> int:
    """From when on a list is asked for what was made under a claim (epoch seconds)."""
    assert held.claim
    return int(datetime.fromisoformat(held.claim.opened_at).timestamp()) - CLOCK_SKEW
