"""The hash chain over the journal. Pure.

Every entry carries the SHA-256 of the entry before it in its chain together with its own content, so that none can be
changed, removed or slipped in without every later hash being wrong. Anyone can recompute it: the hashed text is, in
UTF-8, joined by line feeds,

    hash of the entry before, in lower-case hexadecimal (64 zeros before the first)
    chain id
    position in the chain, from 1
    kind, debit account, credit account
    amount in micro-yuan
    the wallet's balance after the entry in micro-yuan; this line is left out where no wallet is part of it
    user id
    request id
    time in microseconds since 1970 UTC
"""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from services.billing.domain import Transfer

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Head:
    """Where a chain ends: its last position and the hash there."""

    chain_id: int
    length: int = 0
    sha256: bytes = bytes(32)


@dataclass(frozen=True, slots=True)
class Link:
    """An entry's place in a chain, and its hash."""

    chain_id: int
    position: int
    sha256: bytes


def append(head: Head, transfer: Transfer, at: datetime) -> Link:
    """The next link of a chain."""
    position = head.length + 1
    lines = [head.sha256.hex(), head.chain_id, position, transfer.kind, transfer.debit_account, transfer.credit_account]
    lines.append(transfer.amount)
    if transfer.wallet_balance is not None:
        lines.append(transfer.wallet_balance)
    lines += [transfer.user_id, transfer.request_id, (at - _EPOCH) // timedelta(microseconds=1)]
    return Link(head.chain_id, position, hashlib.sha256("\n".join(map(str, lines)).encode()).digest())


def extend(head: Head, transfers: list[Transfer], at: datetime) -> tuple[list[Link], Head]:
    """Links for transfers of one moment, in order, and where the chain ends after them."""
    links = []
    for transfer in transfers:
        link = append(head, transfer, at)
        links.append(link)
        head = Head(link.chain_id, link.position, link.sha256)
    return links, head
