"""Every setting of Tandem, read in one place and nowhere else; `.env.example` lists the same names.

A name with a vendor's prefix (`STRIPE_`, `TOGAI_`, `KAFKA_`, `DATABASE_URL`) is read as it stands, the rest has the
prefix `TANDEM_`. The environment wins over the file `.env` in the working directory; `TANDEM_ENV_FILE` names another
file, or none if it is empty. A secret may stand in a file, which NAME_FILE names.
"""

from __future__ import annotations

import os
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AliasChoices, Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict

from shared import setting_values
from shared.secret_files import SecretFiles

Mode = Literal["test", "live"]
Owner = Literal["togai", "stripe", "birth"]
ENV_FILE = os.environ.get("TANDEM_ENV_FILE", ".env")
OF_A_VENDOR = "of a vendor"
VendorKey = Annotated[SecretStr, OF_A_VENDOR]
"""The key of an app's connection: where one is set, the sandbox stands in for nobody."""
SANDBOX_STRIPE_KEY = "sk_test_sandbox"
SANDBOX_TOGAI_TOKEN = "togai_sandbox"
STRIPE_API = "https://api.stripe.com"
TOGAI_API = {"https://api.togai.com": "live", "https://sandbox-api.togai.com": "test"}


def _named(name: str) -> AliasChoices:
    return AliasChoices(name, name.lower())


class Settings(BaseSettings):
    """The settings of one process. Durations are seconds, rates are requests per second."""

    model_config = SettingsConfigDict(
        env_prefix="TANDEM_",
        env_file=ENV_FILE or None,
        extra="ignore",
        env_ignore_empty=True,
        populate_by_name=True,
        hide_input_in_errors=True,
    )

    home: Path = Field(Path(".tandem"), description="state folder: Kafka's data, the SQL database, keys, logs")
    ingress_port: int = Field(8400, description="port of the webhook receiver")
    ingress_admin_port: int = Field(
        8404, description="port of ingress's own pages: /readyz, /pollers, /limits, /metrics; not for the world"
    )
    ingress_admin_host: str = Field("127.0.0.1", description="address on which ingress's own pages listen")
    console_port: int = Field(8401, description="port of the console and its API")
    sandbox_port: int = Field(8402, description="port of the local Stripe and Togai (only without keys)")
    sandbox_mail_port: int = Field(
        8405, description="port of the sandbox's mail server, which sends nothing on; 0: none"
    )
    kafka_port: int = Field(8492, description="port of the embedded Kafka; its controller takes the next one")
    worker_port: int = Field(0, description="port of a worker's /healthz, /readyz and /metrics; 0 takes a free one")
    host: str = Field("127.0.0.1", description="address on which ingress, console and workers listen")
    console_token: SecretStr = Field(
        SecretStr(""),
        description="what the console asks for, 22 characters or more; needed if `host` is not this machine's loopback",
    )

    kafka_bootstrap_servers: str = Field(
        "", validation_alias=_named("KAFKA_BOOTSTRAP_SERVERS"), description="an existing Kafka; empty: the embedded one"
    )
    kafka_security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        "PLAINTEXT", validation_alias=_named("KAFKA_SECURITY_PROTOCOL"), description="how to speak to that Kafka"
    )
    kafka_sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = Field(
        "PLAIN", validation_alias=_named("KAFKA_SASL_MECHANISM"), description="with SASL: the mechanism"
    )
    kafka_sasl_username: str = Field(
        "", validation_alias=_named("KAFKA_SASL_USERNAME"), description="with SASL: the user"
    )
    kafka_sasl_password: SecretStr = Field(
        SecretStr(""), validation_alias=_named("KAFKA_SASL_PASSWORD"), description="with SASL: the password"
    )
    kafka_ssl_cafile: str = Field(
        "", validation_alias=_named("KAFKA_SSL_CAFILE"), description="with TLS: the CA's file"
    )
    kafka_ssl_certfile: str = Field(
        "", validation_alias=_named("KAFKA_SSL_CERTFILE"), description="with mutual TLS: our certificate's file"
    )
    kafka_ssl_keyfile: str = Field(
        "", validation_alias=_named("KAFKA_SSL_KEYFILE"), description="with mutual TLS: our key's file"
    )
    database_url: SecretStr = Field(
        SecretStr(""),
        validation_alias=_named("DATABASE_URL"),
        description="SQL database; empty: SQLite in the state folder",
    )
    topic_prefix: str = Field(
        "", description="put before every topic and group name, so that two Tandems share a Kafka"
    )
    topic_partitions: int = Field(8, ge=1, description="partitions of each event topic; fixed when it is created")
    allow_fewer_replicas: bool = Field(
        False, description="on a Kafka of your own: accept one copy of each record instead of three"
    )
    runs_retention_days: int = Field(90, ge=1, description="how long the run log is kept")
    events_retention_days: int = Field(90, ge=8, description="how long events stay in their topics, for replays")

    stripe_api_key: VendorKey = Field(
        SecretStr(""), validation_alias=_named("STRIPE_API_KEY"), description="restricted or secret key of Stripe"
    )
    stripe_webhook_secrets: Annotated[list[SecretStr], NoDecode] = Field(
        default_factory=list,
        validation_alias=_named("STRIPE_WEBHOOK_SECRETS"),
        description="signing secrets of the webhook endpoint, separated by commas; several while rolling",
    )
    stripe_api_base: str = Field(
        "", validation_alias=_named("STRIPE_API_BASE"), description="address of Stripe's API; empty: the vendor's own"
    )
    togai_api_token: VendorKey = Field(
        SecretStr(""), validation_alias=_named("TOGAI_API_TOKEN"), description="API token of Togai"
    )
    togai_webhook_tokens: Annotated[list[SecretStr], NoDecode] = Field(
        default_factory=list,
        validation_alias=_named("TOGAI_WEBHOOK_TOKEN"),
        description="secret part of the address that Togai calls, 22 characters or more; empty: made and kept; several "
        "while rolling, separated by commas, newest first",
    )
    togai_api_base: str = Field(
        "",
        validation_alias=_named("TOGAI_API_BASE"),
        description="address of Togai's API; empty: the vendor's live one",
    )
    togai_mode: Mode | None = Field(
        None, validation_alias=_named("TOGAI_MODE"), description="test or live, for an address that is not Togai's own"
    )
    togai_organization: str = Field(
        "",
        validation_alias=_named("TOGAI_ORGANIZATION"),
        description="the organization's id, if Togai does not tell it",
    )
    sandbox: bool | None = Field(
        None,
        description="whether the sandbox stands in for Stripe and Togai; empty: where neither key is set. A process "
        "that gets no keys, as a worker in a container, has it set to false",
    )
    public_url: str = Field(
        "", description="address under which the vendors reach ingress, as https://hooks.example.com"
    )
    portal_url: str = Field(
        "",
        description="address under which customers reach the pages of offers and invoices, as "
        "https://pay.example.com; empty: the console's, on this machine",
    )
    smtp_url: SecretStr = Field(
        SecretStr(""),
        description="server for mails to customers, as `smtps://USER:PASSWORD@smtp.example.com`; `smtp://` uses "
        "STARTTLS, on this machine alone it may do without; empty: Tandem sends none",
    )
    mail_from: str = Field(
        "", pattern=r"^([^\s@<>]+@[^\s@<>]+)?$", description="sender of these mails, as `billing@example.com`"
    )

    encryption_keys: Annotated[list[SecretStr], NoDecode] = Field(
        default_factory=list,
        description="Fernet keys for stored secrets, separated by commas, newest first; empty: a file in the home",
    )
    portal_keys: Annotated[list[SecretStr], NoDecode] = Field(
        default_factory=list,
        description="Fernet keys for the addresses of customers' pages, as above; they open no stored secret",
    )
    default_currency: str = Field(
        "",
        pattern="^([A-Z]{3})?$",
        description="invoice currency of a new Togai account where nothing else tells; empty: the run waits for a "
        "person's choice, but the sandbox takes USD",
    )
    currency_by_country: Annotated[dict[str, str], NoDecode] = Field(
        default_factory=dict, description="invoice currency by the customer's country, as DE=EUR,GB=GBP"
    )
    payment_link_setting: str = Field(
        "StripePaymentLink",
        description="name of the Settings of a Togai account or invoice that holds its payment link or page",
    )
    togai_time_zone: str = Field(
        "UTC",
        description="time zone of the Togai organization, as `Europe/Berlin`: plans begin on its days; no API tells it",
    )
    stripe_invoice_setting: str = Field(
        "StripeInvoiceId", description="name of the Settings of a Togai invoice that holds its Stripe invoice's id"
    )
    stripe_invoice_state_setting: str = Field(
        "StripeInvoiceState",
        description="name of the Settings of a Togai invoice that says what Togai has no status for: refunds, disputes",
    )
    invoice_rounding: int = Field(
        10,
        ge=0,
        le=250,
        description="smallest units of its currency by which the lines of an invoice may differ from Togai's total, "
        "and at most one a line: a line says so. Beyond that the invoice is not made",
    )
    invoice_days_until_due: int = Field(
        30, ge=0, le=365, description="days until a Stripe invoice is due whose Togai invoice tells no date to come"
    )
    stripe_customer_setting: str = Field(
        "StripeCustomerId", description="name of the Togai setting that holds the Stripe customer's id"
    )
    polling: bool = Field(True, description="whether ingress asks the vendors for what no webhook brought")
    stripe_poll_interval: float = Field(
        0.0,
        ge=0,
        description="seconds between two polls of Stripe's events; 0: 900 where webhooks come in, else 15 in test and "
        "600 in live mode",
    )
    togai_poll_interval: float = Field(
        60.0, gt=0, description="seconds between two polls of Togai's customers and accounts"
    )
    poll_share: float = Field(0.05, gt=0, le=1, description="share of a vendor's quota that the pollers may use")
    stripe_quota: float | None = Field(
        None,
        ge=0,
        description="calls per second that Stripe allows the account; empty: 100 in live and 25 in test mode; 0: no "
        "limit of any kind",
    )
    stripe_operation_quota: float = Field(
        25.0, ge=0, description="calls per second that Stripe allows each operation of the account; 0: no limit"
    )
    stripe_concurrency: int = Field(
        25, ge=0, description="calls that one Stripe account may have under way at the same time; 0: no limit"
    )
    togai_quota: float = Field(
        10.0, ge=0, description="calls per second that Togai allows the organization; 0: no limit of any kind"
    )
    togai_concurrency: int = Field(
        0, ge=0, description="calls that one Togai organization may have under way at the same time; 0: no limit"
    )
    togai_account_quota: int = Field(
        100, ge=0, description="accounts that Togai lets the organization have: a preview warns; 0: not known"
    )
    import_slices: int = Field(
        4, ge=1, le=32, description="parts of an import that are listed at the same time, within the quota"
    )
    fallback_share: float = Field(
        0.05, ge=0, le=1, description="share of a quota that a worker keeps to while nobody leases it leases"
    )
    email_rule: Literal["off", "exact"] = Field(
        "exact", description="link by e-mail address where exactly one unlinked object on each side has it, or never"
    )
    synced_metadata: Annotated[list[str], NoDecode] = Field(
        default_factory=list, description="metadata keys that travel, separated by commas, as VATN,GSTN"
    )
    field_owners: Annotated[dict[str, Owner], NoDecode] = Field(
        default_factory=dict,
        description="whose value holds, by field, as name=togai,email=stripe,metadata.VATN=birth; birth, the default, "
        "is the side where the customer was made, and Togai for a pair that a rule linked",
    )
    call_timeout: float = Field(15.0, gt=0, description="deadline of one call to a vendor")
    calls_in_flight: int = Field(
        64, ge=1, description="calls to the vendors that one worker has under way at the same time"
    )
    in_place_limit: float = Field(
        60.0, gt=0, description="how long an event is retried in place before its run is parked"
    )
    delay_scale: Decimal = Field(
        Decimal(1), gt=0, description="stretches the delays of parked runs and retries; tests set it far below 1"
    )
    append_timeout: float = Field(
        5.0, gt=0, description="deadline of ingress for writing to Kafka, then it answers 503"
    )
    worker_id: str = Field(
        "", description="name of a worker that survives its restart: it gets its partitions back at once"
    )
    session_timeout: float = Field(15.0, ge=6, description="after so long without a sign of life a worker is replaced")
    drain_timeout: float = Field(10.0, gt=0, description="how long a stopping worker waits for calls in flight")
    bugs_in_a_row: int = Field(10, ge=1, description="unexpected errors in a row on one partition that stop the worker")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="least level that is logged")
    log_json: bool = Field(False, description="logs as one JSON object a line, for log collectors")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The first that has a value wins; of a secret's value and its file only one may be set."""
        files = SecretFiles(settings_cls, dotenv_settings, env_settings)
        return init_settings, env_settings, dotenv_settings, files

    _time_zone = field_validator("togai_time_zone")(setting_values.time_zone)
    _texts = field_validator("synced_metadata", mode="before")(setting_values.texts)
    _metadata_keys = field_validator("synced_metadata")(setting_values.metadata_keys)
    _secrets = field_validator(
        "stripe_webhook_secrets", "togai_webhook_tokens", "encryption_keys", "portal_keys", mode="before"
    )(setting_values.secrets)
    _secret = field_validator("stripe_api_key", "togai_api_token", "console_token")(setting_values.secret)
    _mail_url = field_validator("smtp_url")(setting_values.mail_url)
    _currencies = field_validator("currency_by_country", mode="before")(setting_values.currencies)
    _owners = field_validator("field_owners", mode="before")(setting_values.owners)

    @model_validator(mode="after")
    def _sandbox(self) -> Self:
        fields = type(self).model_fields.items()
        keys = any(getattr(self, name).get_secret_value() for name, info in fields if OF_A_VENDOR in info.metadata)
        if keys and self.sandbox:
            raise ValueError("TANDEM_SANDBOX is true and a key is set: take out one of the two")
        self.sandbox = not keys if self.sandbox is None else self.sandbox
        return self

    @model_validator(mode="after")
    def _sender(self) -> Self:
        if self.smtp_url.get_secret_value() and not self.mail_from:
            raise ValueError("TANDEM_SMTP_URL is set and TANDEM_MAIL_FROM is not: say who the mails are from")
        return self

    @property
    def bootstrap_servers(self) -> str:
        """Where Kafka is: the one that is set, else the embedded one."""
        return self.kafka_bootstrap_servers or f"127.0.0.1:{self.kafka_port}"

    @property
    def embedded_kafka(self) -> bool:
        """Whether Tandem runs its own Kafka."""
        return not self.kafka_bootstrap_servers

    @property
    def sandboxed(self) -> bool:
        """Whether the sandbox stands in for both vendors: only when no key at all is set."""
        return bool(self.sandbox)

    @property
    def effective_default_currency(self) -> str:
        """The demo's customers need one that nobody has to choose; real ones get none that nobody chose."""
        return self.default_currency or ("USD" if self.sandboxed else "")

    @cached_property
    def sandbox_url(self) -> str:
        return f"http://127.0.0.1:{self.sandbox_port}"

    @property
    def effective_smtp_url(self) -> str:
        """The server for mails: the one that is set, else the sandbox's, else none."""
        own = f"smtp://127.0.0.1:{self.sandbox_mail_port}" if self.sandboxed and self.sandbox_mail_port else ""
        return self.smtp_url.get_secret_value() or own

    @property
    def effective_mail_from(self) -> str:
        return self.mail_from or "tandem@sandbox.test"

    @property
    def effective_stripe_api_base(self) -> str:
        return self.stripe_api_base or (f"{self.sandbox_url}/stripe" if self.sandboxed else STRIPE_API)

    @property
    def effective_togai_api_base(self) -> str:
        return (
            self.togai_api_base or (f"{self.sandbox_url}/togai" if self.sandboxed else "https://api.togai.com")
        ).rstrip("/")

    @property
    def effective_database_url(self) -> str:
        """With the password that may stand in it."""
        return self.database_url.get_secret_value() or f"sqlite:///{self.home.resolve() / 'console.sqlite3'}"
