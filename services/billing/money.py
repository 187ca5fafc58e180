"""Money is an int of micro-yuan (CNY × 10⁻⁶). Pure.

One rounding rule, written once: an amount is computed exactly, as one fraction of integers, and rounded once, half up,
to the micro-yuan. So 0.4 µ¥ is 0, 0.5 µ¥ is 1, and 1.5 µ¥ is 2; sums of parts are never rounded on the way.
"""

import re

MICROS_PER_YUAN = 1_000_000

# Twelve digits of yuan are 10¹⁸ micro-yuan, which fits an int64.
_YUAN = re.compile(r"(-?)([0-9]{1,12})(?:\.([0-9]{1,6}))?")


def round_half_up(numerator: int, denominator: int) -> int:
    """The integer nearest to a fraction that is not negative; a half goes up.

    >>> [round_half_up(n, 10) for n in (4, 5, 14, 15)]
    [0, 1, 1, 2]
    """
    if numerator < 0 or denominator <= 0:
        raise ValueError("money is rounded from fractions that are not negative")
    return (2 * numerator + denominator) // (2 * denominator)


def micros_from_yuan(text: str) -> int:
    """Exactly what a person wrote.

    >>> [micros_from_yuan(text) for text in ("10", "9.99", "-0.000001")]
    [10000000, 9990000, -1]

    Raises:
        ValueError: It is no amount of whole micro-yuan.
    """
    match = _YUAN.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is no amount of yuan, such as 9.99, with at most six decimal places")
    micros = int(match[2]) * MICROS_PER_YUAN + int((match[3] or "").ljust(6, "0"))
    return -micros if match[1] else micros


def yuan_from_micros(micros: int) -> str:
    """The exact amount in yuan, with two to six decimal places.

    >>> [yuan_from_micros(n) for n in (1_000_000, 28, -1_500_000)]
    ['1.00', '0.000028', '-1.50']
    """
    whole, part = divmod(abs(micros), MICROS_PER_YUAN)
    decimals = f"{part:06d}".rstrip("0").ljust(2, "0")
    return f"{'-' if micros < 0 else ''}{whole}.{decimals}"
