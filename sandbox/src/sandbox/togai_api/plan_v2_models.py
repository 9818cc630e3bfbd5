"""Request bodies of Togai's price plans and schedules, version 2 (source: Togai OpenAPI spec of December 2024)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StringConstraints

from sandbox.togai_api import plan_models as v1
from sandbox.togai_api.models import Body, Currency, Day, Id, Text, unique

Label = Annotated[str, StringConstraints(max_length=255)]
CardName = Annotated[str, StringConstraints(min_length=1, max_length=50)]
Currencies = Annotated[list[Currency], AfterValidator(unique)]


class PlanV2Change(Body):
    """What PATCH may change: of the draft, or of the draft that it begins."""

    description: Label | None = None
    pricingCycleConfig: v1.PricingCycle | None = None
    supportedCurrencies: Currencies | None = None


class NewPlanV2(PlanV2Change):
    """A price plan without rate cards."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=50)]
    type: Literal["BILLING", "PURCHASE"]
    supportedCurrencies: Currencies
    deferredRevenue: bool | None = None
    allowOngoingCycleUpdates: bool | None = None


class CardDetails(Body):
    """The card itself, under the name of its kind."""

    fixedFeeRateCard: v1.FixedFeeCard | None = None
    billingEntitlementRateCard: v1.EntitlementCard | None = None
    creditGrantRateCard: v1.CreditCard | None = None
    usageRateCard: v1.UsageCard | None = None
    licenseRateCard: v1.LicenseCard | None = None
    entitlementOverageRateCard: v1.OverageCard | None = None
    minimumCommitmentRateCard: v1.MinimumCommitment | None = None


class CardData(Body):
    """A rate card."""

    billableId: Id
    type: Literal[
        "MINIMUM_COMMITMENT", "BILLING_ENTITLEMENT", "CREDIT_GRANT", "ENTITLEMENT_OVERAGE", "FIXED_FEE", "LICENSE",
        "USAGE",
    ]  # fmt: skip
    invoiceTiming: v1.Timing
    rateCardDetails: CardDetails
    displayName: Label | None = None
    tag: CardName | None = None


class CardOperation(Body):
    """What is done with one rate card."""

    actionType: Literal["CREATE", "UPDATE", "DELETE"]
    rateCardName: CardName
    rateCard: CardData | None = None


class CardOperations(Body):
    """Several at once."""

    operations: list[CardOperation]


class PlanFinalization(Body):
    """How the accounts that have the plan get its new version."""

    migrationMode: (
        Literal[
            "IMMEDIATE", "IMMEDIATE_IGNORE_OVERRIDE", "NEXT_CYCLE", "NEXT_CYCLE_IGNORE_OVERRIDE", "NONE",
            "START_OF_CURRENT_CYCLE",
        ]
        | None
    ) = None  # fmt: skip
    versionsToMigrate: Literal["LATEST_VERSION", "ALL_VERSION"] | None = None


class AssociationConfig(Body):
    """Which plan an account gets, and how."""

    pricePlanId: Text | None = None
    scheduleId: Text | None = None
    pricingCycleConfigOverride: v1.PricingCycle | None = None
    retainStartOffsets: bool | None = None


class ScheduleV2Edit(Body):
    """A plan put on an account, or taken off it, for some time."""

    effectiveFrom: Day
    effectiveUntil: Day
    mode: Literal["ASSOCIATE", "DISASSOCIATE"] | None = None
    associationConfig: AssociationConfig | None = None
    mergeSchedules: bool | None = None


class ScheduleV2Edits(Body):
    """Several edits of one draft."""

    edits: Annotated[list[ScheduleV2Edit], Field(min_length=1, max_length=10)]


class ScheduleFinalization(Body):
    """How a draft becomes active."""

    mergeSchedules: bool | None = None
    preActions: list[v1.PreAction] | None = None
