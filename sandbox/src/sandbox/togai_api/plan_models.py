"""Request bodies of Togai's price plans (v1), with every kind of rate card that they can hold."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from sandbox.togai_api.models import Body, Currency, Day, Id, Number, Text

Interval = Literal["WEEKLY", "MONTHLY", "QUARTERLY", "HALF_YEARLY", "ANNUALLY"]
Timing = Literal["IN_ADVANCE", "IN_ARREARS", "PREPAID"]
Order = Annotated[int, Field(ge=1, le=100)]
Count = Annotated[int, Field(ge=-(2**63), lt=2**63)]
Config = dict[str, str]


class StartOffset(Body):
    """On which day a pricing cycle begins."""

    dayOffset: Annotated[str, StringConstraints(pattern=r"^([1-9]|[12][0-9]|3[01]|LAST)$")]
    monthOffset: Annotated[str, StringConstraints(pattern=r"^([1-9]|1[0-2]|NIL|FIRST|LAST)$")]


class PricingCycle(Body):
    """How often a plan is invoiced."""

    interval: Interval
    gracePeriod: Annotated[int, Field(ge=-(2**31), lt=2**31)]
    startOffset: StartOffset | None = None
    anniversaryCycle: bool | None = None


class Slab(Body):
    """A range of quantities."""

    order: Order
    startAfter: Number
    priceType: Literal["FLAT", "PER_UNIT", "PACKAGE"]
    slabConfig: Config | None = None


class RatePlan(Body):
    """How quantities are priced."""

    pricingModel: Literal["TIERED", "VOLUME"]
    slabs: Annotated[list[Slab], Field(min_length=1)]


class SlabRate(Body):
    """What a slab costs."""

    order: Order
    rate: Number
    slabRateConfig: Config | None = None


class RateValue(Body):
    """What the slabs cost in one currency."""

    currency: Currency
    slabRates: Annotated[list[SlabRate], Field(min_length=1)]
    rateConfig: Config | None = None


class CurrencyRate(Body):
    """What a fee costs in one currency."""

    currency: Currency
    rate: Number


class Recurrence(Body):
    """How often a card comes, in pricing cycles."""

    interval: Count | None = None
    offset: Count | None = None


class RateCard(Body):
    """What every rate card can say."""

    displayName: str | None = None
    name: str | None = None
    tag: str | None = None


class UsageCard(RateCard):
    """What the usage of a meter costs."""

    usageMeterId: Text
    ratePlan: RatePlan
    rateValues: list[RateValue]


class FixedFeeCard(RateCard):
    """A fee of so much."""

    id: Id
    rateValues: list[CurrencyRate]
    enableProration: bool
    invoiceTiming: Timing | None = None
    type: Literal["ONE_TIME", "RECURRING"] | None = None
    recurrenceConfig: Recurrence | None = None


class LicenseConfig(Body):
    """How many licenses there may be."""

    maxQuantity: Count | None = None
    maxQuantityBreachAction: Literal["DO_NOTHING"] | None = None


class LicenseCard(RateCard):
    """What licenses cost."""

    id: Id
    enableProration: bool
    ratePlan: RatePlan
    rateValues: list[RateValue]
    type: Literal["LICENSE", "FIXED_FEE", "CREDIT_GRANT", "NAMED_LICENSE"] | None = None
    invoiceTiming: Timing | None = None
    usageCycle: Interval | None = None
    config: LicenseConfig | None = None
    proratedRefundMode: Literal["NONE", "CREDITS", "PAYMENT", "WALLET"] | None = None


class FeatureConfig(Body):
    """How much of a feature there is, and how long."""

    effectiveUntil: Text
    featureCreditLimit: Annotated[Number, Field(ge=0)]
    effectiveFrom: Text | None = None


class EntitlementCard(RateCard):
    """What the use of a feature costs in advance."""

    featureId: Text
    featureConfigs: Annotated[list[FeatureConfig], Field(min_length=1)]
    invoiceTiming: Timing
    ratePlan: RatePlan
    rateValues: list[RateValue]
    recurrenceConfig: Recurrence | None = None


class BillingConfig(Body):
    """When overage is invoiced, in pricing cycles."""

    interval: Count | None = None
    startOffset: Count | None = None


class OverageCard(RateCard):
    """What the use of a feature costs beyond what was granted."""

    featureId: Id
    ratePlan: RatePlan
    rateValues: list[RateValue]
    maxQuantity: Number | None = None
    billingConfig: BillingConfig | None = None


class Grant(Body):
    """How long granted credits live."""

    priority: Annotated[int, Field(ge=0)]
    expiryType: Literal["PRICING_CYCLE", "NO_EXPIRY", "CUSTOM"]
    expiryDuration: Text | None = None
    applicableEntityIds: list[str] | None = None


class CreditSlab(Body):
    """What credits cost in one range."""

    startAfter: Number
    priceType: Literal["FLAT", "PER_UNIT", "PACKAGE"]
    rate: Number
    slabConfig: Config | None = None
    slabRateConfig: Config | None = None


class CreditRates(Body):
    """What credits cost in one currency."""

    currency: Currency
    creditAmount: Annotated[Number, Field(ge=0)]
    slabDetails: list[CreditSlab]
    rateConfig: Config | None = None


class CreditPrices(Body):
    """What credits cost."""

    pricingModel: Literal["TIERED", "VOLUME"]
    currencySlabRateDetails: list[CreditRates]


class CreditCard(RateCard):
    """Credits that are granted."""

    id: Text
    grantDetails: Grant
    rateDetails: CreditPrices
    invoiceTiming: Timing | None = None
    type: Literal["ONE_TIME", "RECURRING"] | None = None
    recurrenceConfig: Recurrence | None = None


class MinimumCommitment(Body):
    """What is paid at least."""

    displayName: str
    rateValues: Annotated[list[CurrencyRate], Field(min_length=1)]


class PlanDetailsOverride(Body):
    """The rate cards of a plan, as far as they are to differ."""

    pricingCycleConfig: PricingCycle | None = None
    supportedCurrencies: Annotated[list[Currency], Field(min_length=1)] | None = None
    usageRateCards: list[UsageCard] | None = None
    fixedFeeRateCards: list[FixedFeeCard] | None = None
    licenseRateCards: list[LicenseCard] | None = None
    billingEntitlementRateCards: list[EntitlementCard] | None = None
    entitlementOverageRateCards: list[OverageCard] | None = None
    creditGrantRateCards: list[CreditCard] | None = None
    minimumCommitment: MinimumCommitment | None = None


class PlanDetails(PlanDetailsOverride):
    """The rate cards of a new plan."""

    supportedCurrencies: Annotated[list[Currency], Field(min_length=1)]
    deferredRevenue: bool | None = None
    allow_ongoing_cycle_updates: bool | None = None


class RuleAction(Body):
    """What a pricing rule does."""

    type: Literal["ADD", "UPDATE"]
    target: str | None = None
    id: str | None = None
    description: str | None = None
    metadata: Config | None = None


class PricingRule(Body):
    """A rule that changes what a cycle costs."""

    name: Text
    computation: Text
    action: RuleAction
    order: Order | None = None
    invoiceTiming: Literal["IN_ADVANCE", "IN_ARREARS"] | None = None
    condition: str | None = None


class NewPlan(Body):
    """A price plan."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=50)]
    pricePlanDetails: PlanDetails
    description: Annotated[str, StringConstraints(max_length=255)] | None = None
    type: Literal["BILLING", "PURCHASE"] | None = None
    pricingRules: list[PricingRule] | None = None


class PlanChange(Body):
    """What PATCH may change of a draft."""

    description: Annotated[str, StringConstraints(max_length=255)] | None = None
    pricePlanDetails: PlanDetailsOverride | None = None
    pricingRules: list[PricingRule] | None = None
    migrationMode: str | None = None
    versionsToMigrate: Literal["LATEST_VERSION", "ALL_VERSION"] | None = None


class Activation(Body):
    """The currencies in which a plan can be sold from now on."""

    currencies: Annotated[list[Currency], Field(min_length=1)]


class PreAction(Body):
    """What is done before a schedule changes."""

    type: Literal["GRANT_LICENSE"]
    config: dict[str, Any] | None = None


class ScheduleEdit(Body):
    """A plan put on an account, or taken off it, for some time."""

    effectiveFrom: Day
    effectiveUntil: Day
    mode: Literal["ASSOCIATE", "DISASSOCIATE"] | None = None
    pricePlanId: Text | None = None
    pricePlanDetailsOverride: PlanDetailsOverride | None = None
    pricingRulesOverride: list[PricingRule] | None = None
    retainStartOffsets: bool | None = None


class ScheduleEditWithActions(ScheduleEdit):
    """One edit, with what is to be done before it."""

    preActions: list[PreAction] | None = None


class ScheduleEdits(Body):
    """Several edits at once."""

    edits: Annotated[list[ScheduleEdit], Field(min_length=1, max_length=10)]
