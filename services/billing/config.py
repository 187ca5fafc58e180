"""What the billing service can be told."""

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from services.runtime.config import ServiceSettings


class BillingSettings(ServiceSettings):
    """Configuration of the billing service."""

    database_url: SecretStr = Field(description="PostgreSQL that keeps the ledger, as postgresql://…")
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


class CommandSettings(BaseSettings):
    """What billing's commands need to find the service."""

    model_config = SettingsConfigDict(env_ignore_empty=True, extra="ignore", frozen=True)

    billing_target: str = Field(default="127.0.0.1:50053", description="The billing service, as host:port.")
