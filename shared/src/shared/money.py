"""Money: decimal amounts of Togai, and Stripe's minor units. Pure; no float anywhere.

Source: docs.stripe.com/currencies. Stripe's list is not ISO 4217's: MGA has no minor unit there, ISK and UGX have two
digits that must be zero.
"""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Context, Decimal, Inexact, InvalidOperation
from typing import Any

from shared.errors import Malformed

ZERO_DECIMAL = frozenset(
    {"bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga", "pyg", "rwf", "vnd", "vuv", "xaf", "xof", "xpf"}
)
THREE_DECIMAL = frozenset({"bhd", "jod", "kwd", "omr", "tnd"})
"""Sent times 1000; the last digit must be 0."""
WHOLE_UNITS = frozenset({"isk", "ugx"})
"""Sent times 100; the last two digits must be 0."""
_KNOWN = """
AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL BSD BWP BYN BZD CAD CDF CHF CLP CNY COP
CRC CVE CZK DJF DKK DOP DZD EGP ETB EUR FJD FKP GBP GEL GIP GMD GNF GTQ GYD HKD HNL HTG HUF IDR ILS INR ISK JMD JOD JPY
KES KGS KHR KMF KRW KWD KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK
NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB RWF SAR SBD SCR SEK SGD SHP SLE SLL SOS SRD STD STN SZL THB TJS
TND TOP TRY TTD TWD TZS UAH UGX USD UYU UZS VND VUV WST XAF XCD XCG XOF XPF YER ZAR ZMW
"""
CURRENCIES = frozenset(_KNOWN.split())
"""Those that Stripe takes."""
MOST_DECIMALS = 12
"""Digits after the point of a minor unit that Stripe takes in `unit_amount_decimal`."""
EXACT = Context(prec=200, traps=[Inexact, InvalidOperation])
"""For amounts of any length: the usual context rounds to 28 digits and says nothing."""


DOUBLE = Context(prec=15)


class NotExpressible(Malformed):
    """An amount that Stripe cannot hold."""


def digits(currency: str) -> int:
    """How many digits Stripe's minor unit of a currency has."""
    code = currency.lower()
    return 0 if code in ZERO_DECIMAL else 3 if code in THREE_DECIMAL else 2


def decimal(value: Any) -> Decimal:
    """An amount as a vendor wrote it. Raises Malformed for what is no finite number."""
    try:
        found = Decimal(str(value))
    except (InvalidOperation, ValueError) as error:
        raise Malformed(f"{value!r} is no amount") from error
    if not found.is_finite():
        raise Malformed(f"{value!r} is no amount")
    return found


def of_double(amount: Decimal) -> Decimal:
    """An amount that a vendor may have added up as doubles, without what is only theirs: 0.1 + 0.2 is 0.3 here, and not
    0.30000000000000004. A double holds 15 digits of a decimal number.
    """
    if len(amount.as_tuple().digits) <= DOUBLE.prec:
        return amount
    return Decimal(format(DOUBLE.plus(amount).normalize(), "f"))


def minor(amount: Decimal, currency: str) -> Decimal:
    """An amount in Stripe's minor units, exactly."""
    return EXACT.scaleb(amount, digits(currency))


def unit_amount(amount: Decimal, currency: str) -> dict[str, int | str]:
    """The parameter of a Stripe price that holds an amount exactly: `unit_amount`, or `unit_amount_decimal` with up to
    12 decimals. Raises NotExpressible.
    """
    found = minor(amount, currency)
    code = currency.lower()
    if code.upper() not in CURRENCIES:
        raise NotExpressible(f"Stripe does not take {currency.upper()}")
    if found < 0:
        raise NotExpressible(f"{amount} {currency.upper()} is negative, and Stripe takes none below 0")
    if code in WHOLE_UNITS and EXACT.remainder(found, Decimal(100)):
        raise NotExpressible(f"{amount} {currency.upper()}: Stripe takes whole units of {currency.upper()} only")
    if code in THREE_DECIMAL and EXACT.remainder(found, Decimal(10)):
        raise NotExpressible(f"{amount} {currency.upper()}: Stripe takes two decimals of {currency.upper()} only")
    if found == found.to_integral_value():
        return {"unit_amount": int(found)}
    text = format(found.normalize(EXACT), "f")
    if len(text.partition(".")[2]) > MOST_DECIMALS:
        raise NotExpressible(f"{amount} {currency.upper()} has more decimals than Stripe takes")
    return {"unit_amount_decimal": text}


def step(currency: str) -> int:
    """The smallest amount of a currency that Stripe takes, in minor units."""
    code = currency.lower()
    return 100 if code in WHOLE_UNITS else 10 if code in THREE_DECIMAL else 1


def exact(amount: Decimal, currency: str) -> int:
    """An amount in minor units. Raises NotExpressible for one that falls between two that Stripe takes."""
    over = minor(amount, currency) % step(currency)
    if over:
        by = major(over, currency)
        raise NotExpressible(f"{amount} {currency.upper()} is {by} beyond what Stripe takes of {currency.upper()}")
    return int(minor(amount, currency))


def rounded(amount: Decimal, currency: str) -> int:
    """An amount in minor units, rounded half away from zero to one that Stripe takes."""
    smallest = step(currency)
    return int((minor(amount, currency) / smallest).to_integral_value(ROUND_HALF_UP)) * smallest


def major(minor_units: int | Decimal, currency: str) -> Decimal:
    """An amount of Stripe in whole units of its currency, exactly."""
    return Decimal(minor_units).scaleb(-digits(currency))
