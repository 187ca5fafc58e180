"""What the billing service can be told."""

from pydantic import Field, SecretStr

from services.billing.payments.config import PaymentSettings
from services.runtime.config import MeshSettings


class BillingSettings(PaymentSettings):
    """Configuration of the billing service."""

    database_url: SecretStr = Field(description="PostgreSQL that keeps the ledger, as postgresql://…")
    books_database_url: SecretStr = Field(
        default=SecretStr(""),
        description="A replica to read statements, usage and the owner's figures from, as old as it lags behind. "
        "Empty: the ledger's own.",
    )
    trial_credit_micros: int = Field(
        default=1_000_000, ge=0, le=10**12, description="Credit of a new wallet, in micro-yuan; 1000000 is ¥1."
    )
    batch_max: int = Field(default=256, ge=1, le=2000, description="Most writes that share one transaction.")
    batch_every_s: float = Field(
        default=0.008, ge=0, le=1, description="Least time between transactions under load; an idle one is not delayed."
    )
    waiting_max: int = Field(default=10_000, ge=1, description="Most writes that may wait; more are turned away.")
    sweep_every_s: float = Field(default=5.0, gt=0, description="How often overdue reservations are released.")
    prices_refresh_s: float = Field(default=5.0, gt=0, description="How often the price book is read again.")
    # It may carry a key.
    exchange_rate_url: SecretStr = Field(
        default=SecretStr(""),
        description="Rate service that answers {base: USD, rates: {CNY: …}}; empty: rates are set by hand.",
    )
    exchange_rate_refresh_s: float = Field(default=3600.0, gt=0, description="How often it is asked.")
    exchange_rate_stale_after_s: float | None = Field(
        default=None,
        ge=0,
        description="Nothing is sold at an older rate; 0: any age will do. Absent: a week with a rate service, else 0.",
    )
    verify_every_s: float = Field(
        default=3600.0, ge=0, description="How often the ledger is verified in the background; 0: never."
    )


class CommandSettings(MeshSettings):
    """What billing's commands need to find the service."""

    billing_target: str = Field(default="127.0.0.1:50053", description="The billing service, as host:port.")
