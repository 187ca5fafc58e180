"""Enums as the public API writes them."""

from google.protobuf.descriptor import EnumDescriptor


def word(enum: EnumDescriptor, number: int) -> str:
    """An enum's value as the public API writes it: TRANSACTION_KIND_TOPUP is topup.

    Empty for a value that was not said, or is newer than this gateway.
    """
    value = enum.values_by_number.get(number)
    if value is None or value.number == 0:
        return ""
    prefix = enum.values_by_number[0].name.removesuffix("UNSPECIFIED")
    return str(value.name.removeprefix(prefix).lower())
