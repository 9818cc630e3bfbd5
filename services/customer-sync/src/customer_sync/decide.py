"""What a customer on one side means on the other: pure decisions, no I/O.

Stripe's limits: OpenAPI 2026-05-27. Togai's: OpenAPI 2024-12. Names beyond a limit are cut and said; anything else that
does not fit waits with its reason.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from typing import Any

from countryguess import guess_country
from shared.apps.stripe import models as stripe
from shared.apps.stripe.models import TOGAI_ACCOUNT_ID, StripeAddress, StripeCustomer
from shared.apps.togai import models as togai
from shared.apps.togai.models import NewAccount, NewCustomer, NewSetting, TogaiAccount, TogaiAddress, TogaiCustomer
from shared.domains.customers.stripe import NewStripeCustomer
from shared.domains.customers.togai import AccountFacts
from shared.domains.customers.writes import ADDRESS_FIELDS
from shared.errors import Waiting
from shared.money import CURRENCIES

TOGAI_CUSTOMER_ID = "togai_customer_id"
INVOICE_CURRENCY = "togai_invoice_currency"
"""Names in a Stripe customer's metadata; the last is a person's choice for an account that is yet to be made."""

_PADDED = re.compile(r"^(?P<name>.*) \(cus_[A-Za-z0-9]+\)$", re.DOTALL)


@dataclass(frozen=True)
class Currencies:
    """How the invoice currency of a new Togai account is chosen."""

    by_country: Mapping[str, str]
    default: str


# --- from Togai to Stripe ---------------------------------------------------------------------------------------------


def account_facts(
    account: TogaiAccount, customer: TogaiCustomer, stripe_customer_id: str | None, metadata: Iterable[str] = ()
) -> AccountFacts:
    """A Togai account in Stripe's terms: e-mail, phone and address are the account's, else the customer's."""
    return AccountFacts(
        account_id=account.id,
        customer_id=account.customer_id,
        customer_name=customer.name,
        account_name=account.name,
        email=account.primary_email or customer.primary_email or None,
        phone=phone_of(account.address) or phone_of(customer.address),
        address=stripe_address(account.address) or stripe_address(customer.address),
        metadata={key: value for key in metadata if (value := account.metadata.get(key))},
        status="ARCHIVED" if "ARCHIVED" in (account.status, customer.status) else account.status,
        stripe_customer_id=stripe_customer_id or None,
    )


@lru_cache(maxsize=4096)
def country_code(text: str | None) -> str:
    """The ISO 3166 alpha-2 code of a country as people write it (`UK`, `U.S.A.`, `Germany`, `us`); empty if none is
    meant. The table is that of the package countryguess, which takes it from country_converter.
    """
    named = (text or "").strip()
    return str(guess_country(named, attribute="iso2") or "") if named else ""


def phone_of(address: TogaiAddress | None) -> str | None:
    return (address.phone_number or None) if address else None


def stripe_address(address: TogaiAddress | None) -> dict[str, str]:
    if address is None:
        return {}
    return {name: value for name in ADDRESS_FIELDS if (value := (getattr(address, name) or "").strip())}


def stripe_customer(new: NewStripeCustomer) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The parameters of Stripe's create, and what was cut. Raises Waiting where Stripe would refuse."""
    notes: list[str] = []
    params: dict[str, Any] = {
        "name": cut(unpadded(new.customer_name), stripe.NAME_LIMIT, "name", notes),
        "metadata": _metadata(new),
    }
    if new.account_name:
        params["description"] = cut(unpadded(new.account_name), stripe.DESCRIPTION_LIMIT, "description", notes)
    if new.email and new.email.strip():
        params["email"] = fits(new.email.strip(), stripe.EMAIL_LIMIT, "e-mail address", "Stripe")
    if new.phone:
        params["phone"] = fits(new.phone, stripe.PHONE_LIMIT, "phone number", "Stripe")
    if new.address:
        code = country_code(new.address.get("country"))
        params["address"] = new.address | ({"country": code} if code else {})
    return params, tuple(notes)


def _metadata(new: NewStripeCustomer) -> dict[str, str]:
    chosen = {
        key: fits(value, stripe.METADATA_VALUE_LIMIT, f"value of metadata {key}", "Stripe")
        for key, value in new.metadata.items()
    }
    return chosen | {TOGAI_CUSTOMER_ID: new.togai_customer_id, TOGAI_ACCOUNT_ID: new.togai_account_id}


def unpadded(name: str) -> str:
    """A name as it was before it was padded for Togai: the padding never travels back."""
    found = _PADDED.match(name)
    return found["name"] if found and len(found["name"]) < togai.NAME_SHORTEST else name


# --- from Stripe to Togai ---------------------------------------------------------------------------------------------


def togai_ids(stripe_customer_id: str, nth: int = 1) -> tuple[str, str]:
    """The Togai customer's and account's ids, derived so that the same customer always gets the same ones; `nth` of
    those that were made for it, each after the one before was unlinked.
    """
    entity = stripe_customer_id if nth == 1 else f"{stripe_customer_id}-{nth}"
    return _short(entity), _short(f"acc_{entity}")


def _short(entity: str) -> str:
    if len(entity) <= togai.ID_LIMIT:
        return entity
    tail = blake2b(entity.encode(), digest_size=8).hexdigest()
    return f"{entity[: togai.ID_LIMIT - len(tail) - 1]}-{tail}"


def togai_customer(
    customer: StripeCustomer,
    currencies: Currencies,
    setting_name: str,
    metadata: Mapping[str, str] | None = None,
    nth: int = 1,
) -> tuple[NewCustomer, tuple[str, ...]]:
    """The body of Togai's create, and what was chosen, cut or padded. `nth` as in `togai_ids`.

    Raises Waiting without an e-mail address: Togai demands one, and none is ever invented.
    """
    notes: list[str] = []
    if not (customer.email or "").strip():
        raise Waiting(
            f"{customer.id} has no e-mail address, which Togai demands: add one in Stripe, the run goes on by itself",
            code="no_email",
        )
    email = fits((customer.email or "").strip(), togai.EMAIL_LIMIT, "e-mail address", "Togai")
    name = togai_name(customer, notes)
    customer_id, account_id = togai_ids(customer.id, nth)
    currency, rule = invoice_currency(customer, currencies)
    notes.append(f"invoice currency {currency}: {rule}")
    address = togai_address(customer, notes)
    settings = [NewSetting(id=setting_name, value=customer.id, name=setting_name)]
    account = NewAccount(
        id=account_id,
        name=name,
        invoice_currency=currency,
        primary_email=email,
        address=address,
        settings=settings,
        metadata=dict(metadata) if metadata else None,
    )
    new = NewCustomer(id=customer_id, name=name, primary_email=email, address=address, account=account)
    return new, tuple(notes)


def togai_name(customer: StripeCustomer, notes: list[str]) -> str:
    """The customer's name, else the business's, the person's, the address; padded where Togai would find it short."""
    candidates = (customer.name, customer.business_name, customer.individual_name, customer.email)
    name = next((c.strip() for c in candidates if c and c.strip()), customer.id)
    if len(name) < togai.NAME_SHORTEST:
        padded = f"{name} ({customer.id})"
        notes.append(f"name {name!r} is shorter than {togai.NAME_SHORTEST} characters: written as {padded!r}")
        return padded
    return cut(name, togai.NAME_LONGEST, "name", notes)


def invoice_currency(customer: StripeCustomer, currencies: Currencies) -> tuple[str, str]:
    """The account's invoice currency, which Togai never lets change, and the rule that chose it.

    Raises Waiting if no rule gives one: a person chooses, none is ever guessed.
    """
    chosen = customer.metadata.get(INVOICE_CURRENCY, "").strip().upper()
    if chosen in CURRENCIES:
        return chosen, f"metadata {INVOICE_CURRENCY} of the customer"
    if chosen:
        raise Waiting(
            f"{chosen[:20]!r} in the metadata {INVOICE_CURRENCY} of {customer.id} is no currency that Stripe takes: "
            f"write one of {', '.join(sorted(CURRENCIES))}; the run then goes on by itself",
            code="no_currency",
        )
    if customer.currency:
        return customer.currency.upper(), "Stripe's currency of the customer"
    country = country_code(customer.address.country) if customer.address else ""
    if country in currencies.by_country:
        return currencies.by_country[country], f"setting currency_by_country for {country}"
    if currencies.default:
        return currencies.default, "the default currency"
    raise Waiting(
        f"no rule gives the invoice currency of {customer.id}, which Togai never lets change: write it to the "
        f"customer's metadata in Stripe as {INVOICE_CURRENCY}=EUR, or set TANDEM_CURRENCY_BY_COUNTRY or "
        "TANDEM_DEFAULT_CURRENCY and start again; the run then goes on by itself",
        code="no_currency",
    )


def togai_address(customer: StripeCustomer, notes: list[str]) -> TogaiAddress:
    """The address with the phone number in it, where Togai keeps it. What is no country is left out, and said."""
    address = customer.address or StripeAddress()
    country = country_code(address.country)
    if address.country and not country:
        notes.append(f"{address.country!r} is no country that Togai takes: it is left as it is there")
    return TogaiAddress(
        phone_number=(customer.phone or "").strip() or None,
        line1=(address.line1 or "").strip() or None,
        line2=(address.line2 or "").strip() or None,
        postal_code=(address.postal_code or "").strip() or None,
        city=(address.city or "").strip() or None,
        state=(address.state or "").strip() or None,
        country=country or None,
    )


# --- both -------------------------------------------------------------------------------------------------------------


def cut(text: str, limit: int, what: str, notes: list[str]) -> str:
    if len(text) <= limit:
        return text
    notes.append(f"{what} of {len(text)} characters was cut to {limit}")
    return text[: limit - 1] + "…"


def fits(text: str, limit: int, what: str, app: str) -> str:
    if len(text) > limit:
        raise Waiting(
            f"the {what} has {len(text)} characters, {app} takes {limit}: shorten it, and it is written by itself",
            code="too_long",
        )
    return text


def left_out(customer: StripeCustomer) -> str:
    """What of a customer's address Togai does not take, in words; empty if nothing."""
    notes: list[str] = []
    togai_address(customer, notes)
    return "; ".join(notes)
