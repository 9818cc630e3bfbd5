"""What of each side its fields are made of, as one digest: a side that shows the same again is compared no more. Pure.

The settings that decide stand in it too: after a change of owners or keys every pair is looked at again.
"""

from __future__ import annotations

from shared.apps.stripe.models import StripeCustomer
from shared.apps.togai.models import NewCustomer, TogaiAccount, TogaiCustomer
from shared.identity import digest
from shared.settings import Settings

from customer_sync.values import NAMES, stripe_value

AT_TOGAI = {"name", "status", "primary_email", "address"}


def stripe_content(customer: StripeCustomer, settings: Settings) -> str:
    """Of a customer; all its metadata count, for Stripe's limit is on their number."""
    plain = [getattr(customer, name) or "" for name in (*NAMES, "email", "phone")]
    return digest([*_rules(settings), *plain, stripe_value("address", customer), customer.metadata])


def togai_content(account: TogaiAccount, customer: TogaiCustomer, settings: Settings) -> str:
    """Of an account with the customer above it."""
    own = account.model_dump(mode="json", include=AT_TOGAI | {"metadata"}, exclude_none=True)
    above = customer.model_dump(mode="json", include=AT_TOGAI, exclude_none=True)
    return digest([*_rules(settings), own, above])


def created_content(new: NewCustomer, settings: Settings) -> str:
    """Of a Togai customer with its account as they stand right after their create."""
    account = TogaiAccount(
        id=new.account.id,
        customer_id=new.id,
        name=new.account.name,
        primary_email=new.account.primary_email,
        address=new.account.address,
        metadata=new.account.metadata or {},
    )
    customer = TogaiCustomer(id=new.id, name=new.name, primary_email=new.primary_email, address=new.address)
    return togai_content(account, customer, settings)


def _rules(settings: Settings) -> list[object]:
    return [settings.field_owners, list(settings.synced_metadata)]
