"""Amounts as people read them. Pure. Money is int micro-yuan (CNY × 10⁻⁶), or int fen."""

_MICROS_PER_YUAN = 1_000_000
_MICROS_PER_FEN = 10_000


def yuan(micros: int) -> str:
    """An exact decimal of yuan, with two decimals at least: 9_980_000 is "9.98", 1 is "0.000001"."""
    whole, fraction = divmod(abs(micros), _MICROS_PER_YUAN)
    decimals = f"{fraction:06d}".rstrip("0").ljust(2, "0")
    return f"{'-' if micros < 0 else ''}{whole}.{decimals}"


def yuan_of_fen(fen: int) -> str:
    """An exact decimal of yuan: 1420 is "14.20"."""
    return yuan(fen * _MICROS_PER_FEN)
