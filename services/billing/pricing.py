"""What tokens cost. Pure.

A provider's price is in micro-dollars (USD × 10⁻⁶) for a million tokens; the exchange rate in micro-yuan for a dollar;
the markup in basis points (1/100 of a percent). A turn's price is therefore

    Σ tokens × µ$ per 10⁶ tokens    µ¥ per $     10,000 + markup
    ────────────────────────────  × ────────  ×  ───────────────    in micro-yuan,
                10⁶                    10⁶            10,000

computed as one fraction and rounded once. Example: 1,000 tokens in and 500 out of a model at $0.15 and $0.60, at
¥7.10 a dollar without markup: (1,000 × 150,000 + 500 × 600,000) / 10⁶ × 7.1 = 3,195 µ¥ = ¥0.003195.
"""

from dataclasses import dataclass

from services.billing.money import round_half_up

_DENOMINATOR = 10**6 * 10**6 * 10_000


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of a turn; `cached_input` are part of `input`."""

    input: int
    output: int
    cached_input: int = 0

    @property
    def counts(self) -> tuple[int, int, int]:
        """Input, the cached part of it, and output, in the order in which they are hashed and stored."""
        return self.input, self.cached_input, self.output


NOTHING_USED = Usage(0, 0)


@dataclass(frozen=True, slots=True)
class Price:
    """What a model costs from some moment on; `own_model` is one of ours, for which nobody charges us by the token."""

    input_usd_micros: int
    cached_input_usd_micros: int
    output_usd_micros: int
    markup_basis_points: int
    cny_micros_per_usd: int
    own_model: bool = False

    def cost(self, usage: Usage) -> int:
        """What this many tokens cost a user, in micro-yuan."""
        return self._marked_up(usage, self.markup_basis_points)

    def provider_cost(self, usage: Usage) -> int:
        """What this many tokens cost us, in micro-yuan: the provider's price without our markup."""
        return 0 if self.own_model else self._marked_up(usage, 0)

    def worst_case(self, input_tokens: int, max_output_tokens: int) -> int:
        """The most that a turn can cost, in micro-yuan: nothing cached, the longest answer."""
        dearest = max(self.input_usd_micros, self.cached_input_usd_micros)
        whole = Price(dearest, dearest, self.output_usd_micros, self.markup_basis_points, self.cny_micros_per_usd)
        return whole.cost(Usage(input_tokens, max_output_tokens))

    def _marked_up(self, usage: Usage, markup_basis_points: int) -> int:
        dollars = (
            (usage.input - usage.cached_input) * self.input_usd_micros
            + usage.cached_input * self.cached_input_usd_micros
            + usage.output * self.output_usd_micros
        )
        return round_half_up(dollars * self.cny_micros_per_usd * (10_000 + markup_basis_points), _DENOMINATOR)


def package_fen(tokens: int, usd_micros_per_million: int, cny_micros_per_usd: int) -> int:
    """What a package of tokens costs, in fen: tokens × dollars a token × yuan a dollar, rounded half up, at least 1.

    Example: 1,000,000 tokens at $0.002 a thousand and ¥7.10 a dollar are $2 and ¥14.20.

    >>> package_fen(1_000_000, 2_000_000, 7_100_000)
    1420
    """
    # 10⁶ tokens a million, 10⁶ µ$ a dollar, 10⁶ µ¥ a yuan; 100 fen a yuan.
    return max(1, round_half_up(tokens * usd_micros_per_million * cny_micros_per_usd * 100, 10**18))
