"""Models that can be asked. Pure."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Model:
    """A model that can be asked; `created_s` in seconds since 1970 UTC, 0 when nobody knows.

    `context_tokens` is how many tokens a question and its answer may have together; `price` names its price in billing.
    """

    id: str
    created_s: int
    owned_by: str
    context_tokens: int = 0
    max_output_tokens: int = 0
    price: str = ""
