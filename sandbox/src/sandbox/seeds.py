"""Opening the state, and the account and organization that are there without any set-up."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

from sandbox.clock import Clock
from sandbox.control.bodies import NewPricePlan
from sandbox.control.togai import add_plan, call_of
from sandbox.deliveries import Deliveries
from sandbox.faults import Faults
from sandbox.settings import Settings
from sandbox.store import Store
from sandbox.tenants import Tenants
from sandbox.togai_api.settings import add_system_setting
from sandbox.world import World

FIRST_STRIPE_KEY = "sk_test_sandbox"
FIRST_STRIPE_ACCOUNT = "acct_sandbox"
FIRST_TOGAI_TOKEN = "togai_sandbox"
FIRST_TOGAI_ORGANIZATION = "org_sandbox"
FIRST_FEE = {
    "id": "addon.sandbox.fee", "displayName": "Monthly fee", "enableProration": False, "invoiceTiming": "IN_ADVANCE",
    "type": "RECURRING", "rateValues": [{"currency": "USD", "rate": 49}, {"currency": "EUR", "rate": 45}],
}  # fmt: skip
FIRST_USAGE = {
    "usageMeterId": "um.sandbox.calls", "displayName": "API calls",
    "ratePlan": {
        "pricingModel": "TIERED",
        "slabs": [{"order": 1, "startAfter": 0, "priceType": "PER_UNIT", "slabConfig": {}}],
    },
    "rateValues": [
        {"currency": currency, "slabRates": [{"order": 1, "rate": rate, "slabRateConfig": {}}]}
        for currency, rate in (("USD", Decimal("0.02")), ("EUR", Decimal("0.018")))
    ],
}  # fmt: skip
FIRST_PLAN = NewPricePlan.model_validate({
    "account": FIRST_TOGAI_ORGANIZATION, "id": "pp.sandbox.start", "name": "Starter",
    "description": "The sandbox's own plan",
    "details": {
        "supportedCurrencies": ["USD", "EUR"], "fixedFeeRateCards": [FIRST_FEE], "usageRateCards": [FIRST_USAGE],
        "pricingCycleConfig": {"interval": "MONTHLY", "gracePeriod": 1, "anniversaryCycle": True},
    },
})  # fmt: skip


def open_world(folder: Path) -> World:
    """Opens the state in a folder, made when it is not there."""
    store = Store(folder)
    clock = Clock((store.fact("clock") or {}).get("advance", 0.0))
    settings = Settings(**(store.fact("settings") or {}))
    faults = Faults()
    world = World(store, clock, settings, Tenants(store), Deliveries(store, clock, settings, faults), faults)
    seed(world)
    return world


def seed(world: World) -> None:
    """Makes the first Stripe account and the first Togai organization when they are missing."""
    with world.store.transaction():
        if not world.tenants.access(FIRST_STRIPE_KEY, "stripe"):
            world.tenants.add_stripe(FIRST_STRIPE_ACCOUNT, live=False, key=FIRST_STRIPE_KEY)
        if not world.tenants.access(FIRST_TOGAI_TOKEN, "togai"):
            tenant = world.tenants.add_togai(FIRST_TOGAI_ORGANIZATION, token=FIRST_TOGAI_TOKEN).tenant
            add_system_setting(world, tenant)
            add_plan(call_of(world, tenant), FIRST_PLAN)


def start_over(world: World) -> None:
    """Forgets everything, and seeds again."""
    world.deliveries.forget()
    world.store.wipe()
    world.clock.advance = 0.0
    world.keep_settings(Settings())
    world.faults.remove(None)
    world.second.clear()
    world.unauthenticated.clear()
    seed(world)
