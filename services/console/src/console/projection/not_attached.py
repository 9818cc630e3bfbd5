"""Offers that were paid, and whose plan the account does not have yet."""

from __future__ import annotations

from shared.domains.plans.flows import CHECKOUT_TO_PLAN
from shared.domains.plans.progress import ATTACH, PAYMENT
from shared.domains.plans.togai import SEPARATOR
from shared.domains.progress import Progress
from shared.flows import runs
from shared.identity import Ref
from sqlalchemy import select
from sqlmodel import Session, col

from console.projection.run_progress import progress_of
from console.projection.tables import RunRow
from shared import money

MOST = 20
STATES = ("parked", "dead")
"""Of runs that somebody has to do something about, or that wait for it."""


def sentences(session: Session) -> list[str]:
    """How much was paid for what, why the account does not have it, and where to look; the latest first."""
    row = RunRow
    query = select(row).where(col(row.flow) == CHECKOUT_TO_PLAN.id, col(row.state).in_(STATES))
    found = session.scalars(query.order_by(col(row.at).desc()).limit(MOST))
    return [text for one in found if (text := _sentence(progress_of(runs.decode_run(one.record))))]


def _sentence(progress: Progress) -> str:
    paid, offer = progress.done.get(PAYMENT), progress.of_kind("togai", "offer")
    if not paid or not offer or ATTACH in progress.done or ATTACH not in progress.ran:
        return ""
    plan, _, account = Ref.parse(offer).id.partition(SEPARATOR)
    currency = str(paid.get("currency") or "")
    amount = f"{money.major(paid['amount'], currency):f} {currency.upper()}" if currency else "an amount"
    reason = progress.reason.rstrip(".")
    what = f"account {account} paid {amount} for price plan {plan} and does not have it"
    return f"{what}: {reason} (`tandem plans show {plan}`)"
