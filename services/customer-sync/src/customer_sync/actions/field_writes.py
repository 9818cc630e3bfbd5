"""Calls for the fields of a linked account and customer: reading both sides, and sending what was decided."""

from __future__ import annotations

from collections.abc import Mapping as Dict
from dataclasses import dataclass, replace
from typing import Any

from shared.apps.stripe.client import StripeApp
from shared.apps.stripe.models import StripeCustomer
from shared.apps.togai.client import TogaiApp
from shared.apps.togai.models import TogaiAccount, TogaiCustomer
from shared.domains.customers.writes import TOGAI_STATUS
from shared.domains.writes import FieldWrite
from shared.errors import NotFound, NotReady, Rejected
from shared.identity import Ref
from shared.linking.claims import now
from shared.linking.fields import Decision, Value
from shared.linking.mappings import Mapping
from shared.linking.pairs import CLOCKS_APART, Known, Side
from shared.runtime.actions import Context, Ended
from shared.runtime.sync_fields import PairFields
from shared.settings import Settings

from customer_sync.content import stripe_content, togai_content
from customer_sync.fields import CustomerFields
from customer_sync.patches import (
    after_changes,
    after_params,
    carried,
    former_fields,
    former_params,
    in_order,
    stripe_params,
    togai_changes,
)
from customer_sync.values import METADATA, STATUS, PairSnapshot, is_archived


@dataclass(frozen=True)
class Shown:
    """What the event showed of a side, None where it showed nothing that may be taken for the present state. `at` is
    when it was so, epoch seconds; 0 where the event does not tell.
    """

    at: float = 0.0
    togai: tuple[TogaiAccount, TogaiCustomer] | None = None
    stripe: StripeCustomer | None = None

    @property
    def side(self) -> Side:
        return "stripe" if self.stripe else "togai"

    def content(self, settings: Settings) -> str:
        """Digest of the side that was shown; empty for none."""
        if self.stripe:
            return stripe_content(self.stripe, settings)
        return togai_content(*self.togai, settings) if self.togai else ""


class CustomerPair(PairFields):
    """An account and a customer that are linked. Make it by `read`."""

    def __init__(self, context: Context, pair: Mapping, known: Known, shown: Shown, seen: PairSnapshot) -> None:
        self._context = context
        self._pair = pair
        self._known = known
        self._shown = shown
        self.is_shown = bool(shown.stripe or shown.togai)
        self.is_newest = self.is_shown and known.is_newer(shown.side, shown.at)
        now_ = now().timestamp() + CLOCKS_APART
        self.seen_at = dict.fromkeys(CustomerFields.sides, now_)
        if shown.at and self.is_shown:
            self.seen_at[shown.side] = shown.at + CLOCKS_APART
        self._see(seen)

    @classmethod
    async def read(cls, context: Context, pair: Mapping, known: Known, shown: Shown = Shown()) -> CustomerPair:
        """Both sides: what is shown is taken, the rest is asked for. Raises Ended if one is gone."""
        return cls(context, pair, known, shown, await read_pair(context, pair, shown))

    def _see(self, seen: PairSnapshot) -> None:
        self._seen = self._left = seen
        self.policy = self._policy(seen)

    def _policy(self, seen: PairSnapshot) -> CustomerFields:
        settings = self._context.settings
        return CustomerFields(seen, self._pair, self._known, settings.field_owners, settings.synced_metadata)

    @property
    def left(self) -> CustomerFields:
        return self._policy(self._left)

    def content(self, side: Side) -> str:
        left, settings = self._left, self._context.settings
        if side == "stripe":
            return stripe_content(left.stripe, settings)
        return togai_content(left.account, left.customer, settings)

    async def read_shown(self) -> None:
        account_ref, customer_ref = sides(self._pair)
        if self._shown.stripe:
            customer = await stripe_customer(self._context, self._pair, self._context.id_of(customer_ref))
            self._see(replace(self._seen, stripe=customer))
            self._looked("stripe")
        else:
            await self._read_togai(self._context.id_of(account_ref))

    async def read_again(self, to: Side) -> None:
        if to == "togai":  # addresses and metadata are sent whole
            await self._read_togai(self._seen.account.id)

    async def _read_togai(self, account_id: str) -> None:
        account, customer = await togai_account(self._context, self._pair, account_id)
        self._see(replace(self._seen, account=account, customer=customer))
        self._looked("togai")

    def _looked(self, side: Side) -> None:
        self.seen_at[side] = now().timestamp() + CLOCKS_APART

    def sets(self, decision: Decision) -> Dict[Side, Dict[str, Value]]:
        return decision.write | {"togai": carried(decision, self._seen, self._context.settings.synced_metadata)}

    def refused(self, to: Side, error: Rejected, names: list[str]) -> list[str]:
        """An update is all or nothing at Stripe, which names the parameter that it refused; Togai names none. A refusal
        there may have been of an account that was archived for that moment only: one for good comes again.
        """
        if to == "togai":
            return []
        found = [name for name in names if _is_parameter(error.param, name)]
        return found or (names if len(names) == 1 else [])

    def writes(self, decision: Decision) -> list[FieldWrite]:
        params = stripe_params(decision.write["stripe"])
        at_togai = in_order(*togai_changes(decision.write["togai"], self._seen)) if decision.write["togai"] else []
        return [
            *([self._stripe_write(params)] if params else []),
            *(self._togai_write(noun, changes) for noun, changes in at_togai),
        ]

    def _stripe_write(self, params: Dict[str, Any]) -> FieldWrite:
        customer = self._seen.stripe
        ref = self._context.ref("stripe", "customer", customer.id)
        return FieldWrite(entity=ref, set=params, former=former_params(params, customer))

    def _togai_write(self, noun: str, changes: Dict[str, Any]) -> FieldWrite:
        of = self._seen.customer if noun == "customer" else self._seen.account
        return FieldWrite(
            entity=self._context.ref("togai", noun, of.id), set=changes, former=former_fields(changes, of)
        )

    async def send(self, to: Side, values: Dict[str, Value]) -> None:
        await (self._send_stripe(values) if to == "stripe" else self._send_togai(values))
        self._looked(to)

    async def _send_stripe(self, values: Dict[str, Value]) -> None:
        params, customer = stripe_params(values), self._seen.stripe
        try:
            client: StripeApp = await self._context.client("stripe")
            with self._context.writing(self._stripe_write(params)):
                await client.update_customer(customer.id, params)
            self._left = replace(self._left, stripe=after_params(customer, params))
        except NotFound as error:
            raise await gone(self._context, self._pair, customer.id) from error

    async def _send_togai(self, values: Dict[str, Value]) -> None:
        """Raises NotReady if the account was archived since it was read: Togai refuses, the next run sees why."""
        context, seen = self._context, self._seen
        client: TogaiApp = await context.client("togai")
        try:
            for noun, changes in in_order(*togai_changes(values, seen)):
                with context.writing(self._togai_write(noun, changes)):
                    if noun == "customer":
                        await client.update_customer(seen.customer.id, changes)
                        self._left = replace(self._left, customer=after_changes(self._left.customer, changes))
                    else:
                        await client.update_account(seen.account.id, changes)
                        self._left = replace(self._left, account=after_changes(self._left.account, changes))
        except Rejected as error:
            now_account, now_customer = await togai_account(context, self._pair, seen.account.id)
            if not is_archived(replace(seen, account=now_account, customer=now_customer)):
                raise
            raise NotReady(f"{seen.account.id} was archived meanwhile: looking again", code="archived") from error


async def gone(context: Context, pair: Mapping, customer: str) -> Ended:
    """Deletion travels as a mark: the account stays active, and no event makes the customer again."""
    await context.claims.mark_deleted(pair, f"{customer} was deleted in Stripe")
    return Ended("succeeded", f"{customer} was deleted in Stripe: the link is marked, the account stays", pair.refs)


async def stripe_customer(context: Context, pair: Mapping, customer_id: str) -> StripeCustomer:
    """The pair's customer. Raises Ended if it is gone."""
    try:
        client: StripeApp = await context.client("stripe")
        found = await client.retrieve_customer(customer_id)
    except NotFound:
        found = StripeCustomer(id=customer_id, deleted=True)
    if found.deleted:
        raise await gone(context, pair, customer_id)
    return found


async def togai_account(context: Context, pair: Mapping, account_id: str) -> tuple[TogaiAccount, TogaiCustomer]:
    """The pair's account and the customer above it. Raises Ended if the account is gone."""
    client: TogaiApp = await context.client("togai")
    try:
        account = await client.account(account_id)
    except NotFound as error:
        await context.claims.mark_deleted(pair, f"Togai does not know account {account_id} any more")
        raise Ended("succeeded", f"Togai does not know account {account_id} any more", pair.refs) from error
    return account, await client.customer(account.customer_id)


async def read_pair(context: Context, pair: Mapping, shown: Shown = Shown()) -> PairSnapshot:
    """Both sides: what is shown is taken, the rest is asked for. Raises Ended if one is gone."""
    account_ref, customer_ref = sides(pair)
    stripe = shown.stripe or await stripe_customer(context, pair, context.id_of(customer_ref))
    account, customer = shown.togai or await togai_account(context, pair, context.id_of(account_ref))
    parent = context.ref("togai", "customer", account.customer_id)
    return PairSnapshot(
        account,
        customer,
        stripe,
        is_sole_account=len(context.claims.index.under(parent)) <= 1,
        is_created_here=pair.origin_app == "stripe",
    )


def sides(pair: Mapping) -> tuple[str, str]:
    """The refs of the account and of the customer."""
    account = next(ref for ref in pair.refs if Ref.parse(ref).app == "togai")
    return account, next(ref for ref in pair.refs if ref != account)


def _is_parameter(param: str, name: str) -> bool:
    """Whether the parameter that Stripe names belongs to a field: `address[country]`, `metadata[VATN]`."""
    root, _, rest = param.partition("[")
    if root != "metadata":
        return root == name
    key = rest.rstrip("]")
    if name != STATUS and not name.startswith(METADATA):
        return False
    return not key or key == (TOGAI_STATUS if name == STATUS else name.removeprefix(METADATA))
