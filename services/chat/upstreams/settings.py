"""What can be set about providers. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from pydantic import SecretStr


class Role(StrEnum):
    """Whether a provider is asked at all times, or only when no other can answer."""

    MAIN = "main"
    FALLBACK = "fallback"


@dataclass(frozen=True, slots=True)
class ProviderSettings:
    """One provider.

    `weight` is its share of the calls beside other providers of the same role. `models` are our ids of the models that
    it serves, with its own names for them; None when it serves what it lists. The limits are for each of its keys; None
    when there is none. `max_tokens_field` is what it calls the most tokens of an answer. `kind` says which further
    parameters it takes, by `kinds.toml`.
    """

    name: str
    base_url: str
    keys: tuple[SecretStr, ...]
    weight: int = 1
    role: Role = Role.MAIN
    models: Mapping[str, str] | None = None
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    connect_timeout_s: float = 5.0
    first_token_timeout_s: float = 60.0
    silence_timeout_s: float = 60.0
    max_tokens_field: str = "max_tokens"
    kind: str = "generic"

    def own_name(self, model_id: str) -> str:
        """What the provider calls a model of ours."""
        return self.models.get(model_id, model_id) if self.models is not None else model_id


@dataclass(frozen=True, slots=True)
class HedgingSettings:
    """Whether a second provider is asked when the first token is later than usual, and how often at most."""

    enabled: bool = False
    min_samples: int = 20
    share_percent_max: int = 5


@dataclass(frozen=True, slots=True)
class BreakerSettings:
    """After how many failures in a row a provider, or a key of it, is left alone, and for how long."""

    failures: int = 5
    open_s: float = 10.0


@dataclass(frozen=True, slots=True)
class UpstreamSettings:
    """All providers, and how they are asked."""

    providers: tuple[ProviderSettings, ...]
    hedging: HedgingSettings = field(default_factory=HedgingSettings)
    breaker: BreakerSettings = field(default_factory=BreakerSettings)
