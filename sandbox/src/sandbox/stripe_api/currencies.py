"""What Stripe knows of currencies (source: Stripe docs, supported currencies and minimum charge amounts)."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal

from sandbox.stripe_api.errors import StripeError

_CODES = (
    "usd aed afn all amd ang aoa ars aud awg azn bam bbd bdt bgn bhd bif bmd bnd bob brl bsd bwp byn bzd cad cdf chf "
    "clp cny cop crc cve czk djf dkk dop dzd egp etb eur fjd fkp gbp gel gip gmd gnf gtq gyd hkd hnl hrk htg huf idr "
    "ils inr isk jmd jod jpy kes kgs khr kmf krw kwd kyd kzt lak lbp lkr lrd lsl mad mdl mga mkd mmk mnt mop mur mvr "
    "mwk mxn myr mzn nad ngn nio nok npr nzd omr pab pen pgk php pkr pln pyg qar ron rsd rub rwf sar sbd scr sek sgd "
    "shp sle sos srd std szl thb tjs tnd top try ttd twd tzs uah ugx uyu uzs vnd vuv wst xaf xcd xof xpf yer zar zmw"
)
SUPPORTED = tuple(_CODES.split())
ZERO_DECIMAL = frozenset({
    "bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga", "pyg", "rwf", "vnd", "vuv", "xaf", "xof", "xpf",
})  # fmt: skip
THREE_DECIMAL = frozenset({"bhd", "jod", "kwd", "omr", "tnd"})
# Written with two decimals for the sake of older integrations, though a fraction of them cannot be charged.
WHOLE_IN_TWO = frozenset(("isk", "ugx"))
MINIMUM = {
    "usd": 50, "aed": 200, "aud": 50, "bgn": 100, "brl": 50, "cad": 50, "chf": 50, "czk": 1500, "dkk": 250, "eur": 50,
    "gbp": 30, "hkd": 400, "huf": 17500, "inr": 50, "jpy": 50, "mxn": 1000, "myr": 200, "nok": 300, "nzd": 50,
    "pln": 200, "ron": 200, "sek": 300, "sgd": 50, "thb": 1000,
}  # fmt: skip
LARGEST = 99_999_999


def currency(text: str, param: str = "currency") -> str:
    """A currency in Stripe's own letters; raises for one that Stripe does not have."""
    code = text.lower()
    if code not in SUPPORTED:
        known = ", ".join(SUPPORTED)
        raise StripeError(
            400, f"Invalid currency: {code}. Stripe currently supports these currencies: {known}", param=param
        )
    return code


def smallest_step(code: str) -> int:
    """The amount of which every charge in a currency is a multiple."""
    if code in WHOLE_IN_TWO:
        return 100
    return 10 if code in THREE_DECIMAL else 1


def check_charge(amount: int, code: str, what: str, param: str) -> None:
    """Refuses an amount that Stripe cannot charge: below the minimum, above eight digits, between two steps."""
    least = MINIMUM.get(code, 1)
    if amount and amount < least:
        raise StripeError(
            400, f"{what} must add up to at least {shown(least, code)}", code="amount_too_small", param=param
        )
    if amount > LARGEST:
        message = f"{what} must be no more than {shown(LARGEST, code)}"
        raise StripeError(400, message, code="amount_too_large", param=param)
    if amount % smallest_step(code):
        message = f"Invalid {code} amount {amount}: it must be a multiple of {smallest_step(code)}."
        raise StripeError(400, message, code="parameter_invalid_integer", param=param)


def decimals(code: str) -> int:
    """How many digits stand behind the point."""
    return 0 if code in ZERO_DECIMAL else 3 if code in THREE_DECIMAL else 2


def shown(amount: int, code: str) -> str:
    """An amount as people read it, such as `10.00 usd`."""
    places = decimals(code)
    return f"{Decimal(amount).scaleb(-places):.{places}f} {code}"


def rounded(amount: Decimal) -> int:
    """A whole amount, halves away from zero."""
    return int(amount.quantize(Decimal(1), ROUND_HALF_UP))


def plain(amount: Decimal) -> str:
    """A decimal amount as Stripe writes it: no exponent, no zeros behind the point."""
    text = format(amount, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text
