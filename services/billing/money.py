"""Money is an int of micro-yuan (CNY × 10⁻⁶). Pure.

One rounding rule, written once: an amount is computed exactly, as one fraction of integers, and rounded once, half up,
to the micro-yuan. So 0.4 µ¥ is 0, 0.5 µ¥ is 1, and 1.5 µ¥ is 2; sums of parts are never rounded on the way.
"""

from decimal import Decimal, InvalidOperation

MICROS_PER_YUAN = 1_000_000


def round_half_up(numerator: int, denominator: int) -> int:
    """The integer nearest to a fraction that is not negative; a half goes up.

    >>> [round_half_up(n, 10) for n in (4, 5, 14, 15)]
    [0, 1, 1, 2]
    """
    if numerator < 0 or denominator <= 0:
        raise ValueError("money is rounded from fractions that are not negative")
    return (2 * numerator + denominator) // (2 * denominator)


def micros_from_yuan(text: str) -> int:
    """Exactly what a person wrote, such as "9.99".

    Raises:
        ValueError: It is no amount of whole micro-yuan.
    """
    try:
        micros = Decimal(text) * MICROS_PER_YUAN
        if micros != micros.to_integral_value():
            raise ValueError(f"{text} has more than six decimal places")
        return int(micros)
    except (InvalidOperation, OverflowError):
        raise ValueError(f"{text!r} is no amount of yuan, such as 9.99") from None


def yuan_from_micros(micros: int) -> str:
    """The exact amount in yuan, with two to six decimal places.

    >>> [yuan_from_micros(n) for n in (1_000_000, 28, -1_500_000)]
    ['1.00', '0.000028', '-1.50']
    """
    whole, part = divmod(abs(micros), MICROS_PER_YUAN)
    decimals = f"{part:06d}".rstrip("0").ljust(2, "0")
    return f"{'-' if micros < 0 else ''}{whole}.{decimals}"
