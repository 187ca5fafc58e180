"""The rows that operations are decided over, and what was changed in them. Pure.

A wallet owns `balance` and has set `reserved` of it aside; what is available is the difference, and is never negative.
Money moves only by transfers, each from one account to another, so the journal balances by construction.
"""

from dataclasses import dataclass, field, replace

from services.billing.domain import Grant, Key, Kind, Reservation, Transfer, Wallet, wallet_account
from services.billing.payments.domain import Order, Refund


@dataclass(slots=True)
class Book:
    """The locked rows that a batch of operations is decided over, and what it changed in them.

    Orders and refunds are keyed by our numbers of them; `orders` holds all paid ones of a user who asks for a refund.
    """

    wallets: dict[str, Wallet] = field(default_factory=dict)
    reservations: dict[Key, Reservation] = field(default_factory=dict)
    grants: dict[Key, Grant] = field(default_factory=dict)
    orders: dict[str, Order] = field(default_factory=dict)
    refunds: dict[str, Refund] = field(default_factory=dict)
    changed_wallets: set[str] = field(default_factory=set)
    changed_reservations: set[Key] = field(default_factory=set)
    changed_orders: set[str] = field(default_factory=set)
    changed_refunds: set[str] = field(default_factory=set)
    new_grants: list[Grant] = field(default_factory=list)
    transfers: list[Transfer] = field(default_factory=list)

    def set_aside(self, wallet: Wallet, amount: int) -> Wallet:
        """Reserve an amount of a wallet, or free it when it is negative."""
        return self._put(replace(wallet, reserved=wallet.reserved + amount))

    def credit(self, wallet: Wallet, debit_account: str, amount: int, kind: Kind, request_id: str) -> Wallet:
        """Move money from an account into a wallet; an amount of 0 moves nothing."""
        after = self._put(replace(wallet, balance=wallet.balance + amount))
        if amount:
            account = wallet_account(wallet.user_id)
            self.transfers.append(
                Transfer(debit_account, account, amount, kind, wallet.user_id, request_id, after.balance)
            )
        return after

    def debit(
        self, wallet: Wallet, credit_account: str, amount: int, kind: Kind, request_id: str, *, reserved: int
    ) -> Wallet:
        """Move money out of a wallet, and free what was reserved for it; an amount of 0 moves nothing."""
        after = self._put(replace(wallet, balance=wallet.balance - amount, reserved=wallet.reserved - reserved))
        if amount:
            account = wallet_account(wallet.user_id)
            self.transfers.append(
                Transfer(account, credit_account, amount, kind, wallet.user_id, request_id, after.balance)
            )
        return after

    def put_reservation(self, reservation: Reservation) -> None:
        """Add or change a reservation."""
        key = (reservation.user_id, reservation.request_id)
        self.reservations[key] = reservation
        self.changed_reservations.add(key)

    def put_grant(self, grant: Grant) -> None:
        """Add a grant."""
        self.grants[grant.user_id, grant.request_id] = grant
        self.new_grants.append(grant)

    def put_order(self, order: Order) -> None:
        """Change an order."""
        self.orders[order.out_trade_no] = order
        self.changed_orders.add(order.out_trade_no)

    def put_refund(self, refund: Refund) -> None:
        """Add or change a refund."""
        self.refunds[refund.out_refund_no] = refund
        self.changed_refunds.add(refund.out_refund_no)

    def _put(self, wallet: Wallet) -> Wallet:
        if wallet.reserved < 0 or wallet.available < 0:
            raise AssertionError("a wallet below zero: the ledger's rules are broken")
        self.wallets[wallet.user_id] = wallet
        self.changed_wallets.add(wallet.user_id)
        return wallet
