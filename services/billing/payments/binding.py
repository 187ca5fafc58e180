"""What must agree before a payment is believed to pay an order. Pure."""

from services.billing.payments.domain import Channel, Order, Trade


def mismatch(order: Order, channels: frozenset[Channel], trade: Trade) -> str | None:
    """What does not agree between an order and what a provider with these channels says of it; None when all does.

    An order is bound to its provider, channel, currency, amount and payer. Whoever scans a NATIVE code may pay it.
    """
    if order.channel not in channels or trade.channel not in (None, order.channel):
        return "other_provider"
    if trade.currency != "CNY":
        return "other_currency"
    if trade.amount_fen != order.amount_fen:
        return "other_amount"
    if not trade.transaction_id:
        return "no_transaction"
    if order.channel is not Channel.NATIVE and trade.openid != order.payer.openid:
        return "other_payer"
    return None
