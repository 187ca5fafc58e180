"""Models that can be asked. Pure."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Model:
    """A model that can be asked; `created_s` in seconds since 1970 UTC, 0 when nobody knows."""

    id: str
    created_s: int
    owned_by: str
