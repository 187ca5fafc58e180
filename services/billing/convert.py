"""Protos to the ledger's operations; a request that does not fit is refused here, field by field."""

import re
from collections.abc import Sequence

from queqiao.billing.v1 import billing_pb2

from services.billing.domain import Source, Wallet
from services.billing.operations import (
    Charge,
    GrantCredit,
    OpenWallet,
    Release,
    Reserve,
    Result,
    ReverseTurn,
    Settle,
    VoidCharge,
)
from services.billing.ports import Prices
from services.billing.pricing import Usage
from services.runtime.errors import InvalidRequestError, ServiceError
from services.runtime.status import to_status

_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_TOKENS_MAX = 10_000_000
_GRANT_MICROS_MAX = 10**12
_REASON_CHARACTERS_MAX = 200
_MODEL_CHARACTERS_MAX = 200
_TTL_S_DEFAULT = 900
_TTL_S_MAX = 86_400

_OUTCOMES = {
    billing_pb2.TURN_OUTCOME_UNSPECIFIED: "unspecified",
    billing_pb2.TURN_OUTCOME_COMPLETED: "completed",
    billing_pb2.TURN_OUTCOME_CANCELLED: "cancelled",
    billing_pb2.TURN_OUTCOME_FAILED: "failed",
    billing_pb2.TURN_OUTCOME_REFUSED: "refused",
}

_SOURCES = {
    billing_pb2.ANSWER_SOURCE_UNSPECIFIED: Source.MODEL,
    billing_pb2.ANSWER_SOURCE_MODEL: Source.MODEL,
    billing_pb2.ANSWER_SOURCE_CACHE: Source.CACHE,
}

_WRITES_MAX = 512


class _Check:
    """Collects what is wrong with a request; its limits are those of billing.proto."""

    def __init__(self) -> None:
        self.wrong: dict[str, str] = {}

    def identifier(self, name: str, value: str) -> None:
        if not _ID.fullmatch(value):
            self.wrong[name] = "must be 1 to 64 characters of A-Z, a-z, 0-9, _ and -"

    def between(self, name: str, value: int, low: int, high: int) -> None:
        if not low <= value <= high:
            self.wrong[name] = f"must be {low} to {high}"

    def model(self, value: str) -> None:
        if not 1 <= len(value) <= _MODEL_CHARACTERS_MAX or "\x00" in value:
            self.wrong["model"] = f"must be 1 to {_MODEL_CHARACTERS_MAX} characters without NUL"

    def used(self, request: billing_pb2.SettleRequest | billing_pb2.ChargeRequest) -> None:
        if not request.HasField("usage"):
            self.wrong["usage"] = "is required"
        self.usage("usage", request.usage)
        if request.source not in _SOURCES:
            self.wrong["source"] = "is not one that billing.proto names"

    def usage(self, name: str, value: billing_pb2.Usage) -> None:
        self.between(f"{name}.input_tokens", value.input_tokens, 0, _TOKENS_MAX)
        self.between(f"{name}.output_tokens", value.output_tokens, 0, _TOKENS_MAX)
        self.between(f"{name}.cached_input_tokens", value.cached_input_tokens, 0, max(value.input_tokens, 0))

    def done(self) -> None:
        if self.wrong:
            name, why = next(iter(self.wrong.items()))
            raise InvalidRequestError(f"{name} {why}.", fields=self.wrong)


def user_id(value: str) -> str:
    """A user's id."""
    check = _Check()
    check.identifier("user_id", value)
    check.done()
    return value


def open_wallet(request: billing_pb2.OpenWalletRequest, trial_credit_micros: int) -> OpenWallet:
    """Open a wallet with today's trial credit, or with none."""
    return OpenWallet(user_id(request.user_id), 0 if request.without_trial else trial_credit_micros)


def grant_credit(request: billing_pb2.GrantCreditRequest) -> GrantCredit:
    """Give credit away."""
    check = _Check()
    check.identifier("request_id", request.request_id)
    check.identifier("user_id", request.user_id)
    check.between("amount_micros", request.amount_micros, 1, _GRANT_MICROS_MAX)
    if len(request.reason) > _REASON_CHARACTERS_MAX or "\x00" in request.reason:
        check.wrong["reason"] = f"must be at most {_REASON_CHARACTERS_MAX} characters without NUL"
    check.done()
    return GrantCredit(request.user_id, request.request_id, request.amount_micros, request.reason)


def reserve(request: billing_pb2.ReserveRequest, prices: Prices) -> Reserve:
    """Set the worst case aside at the price of this moment."""
    check = _Check()
    check.identifier("request_id", request.request_id)
    check.identifier("user_id", request.user_id)
    check.model(request.model)
    check.between("input_tokens", request.input_tokens, 0, _TOKENS_MAX)
    check.between("max_output_tokens", request.max_output_tokens, 0, _TOKENS_MAX)
    check.between("ttl_s", request.ttl_s, 0, _TTL_S_MAX)
    check.done()
    return Reserve(
        user_id=request.user_id,
        request_id=request.request_id,
        model=request.model,
        input_tokens=request.input_tokens,
        max_output_tokens=request.max_output_tokens,
        price=prices.price(request.model),
        ttl_s=request.ttl_s or _TTL_S_DEFAULT,
    )


def settle(request: billing_pb2.SettleRequest) -> Settle:
    """Charge what was used."""
    check = _Check()
    check.identifier("request_id", request.request_id)
    check.identifier("user_id", request.user_id)
    check.used(request)
    check.usage("lost", request.lost)
    if request.outcome not in _OUTCOMES:
        check.wrong["outcome"] = "is not one that billing.proto names"
    check.done()
    return Settle(
        request.user_id,
        request.request_id,
        _usage(request.usage),
        _OUTCOMES[request.outcome],
        _SOURCES[request.source],
        _usage(request.lost),
    )


def release(request: billing_pb2.ReleaseRequest) -> Release:
    """Give everything back."""
    check = _Check()
    check.identifier("request_id", request.request_id)
    check.identifier("user_id", request.user_id)
    check.done()
    return Release(request.user_id, request.request_id)


def charge(request: billing_pb2.ChargeRequest, prices: Prices) -> Charge:
    """Charge at once, at the price of this moment."""
    check = _Check()
    check.identifier("request_id", request.request_id)
    check.identifier("user_id", request.user_id)
    check.identifier("run_id", request.run_id)
    check.model(request.model)
    check.used(request)
    check.done()
    return Charge(
        user_id=request.user_id,
        request_id=request.request_id,
        model=request.model,
        usage=_usage(request.usage),
        source=_SOURCES[request.source],
        run_id=request.run_id,
        price=prices.price(request.model),
    )


def reverse_turn(request: billing_pb2.ReverseTurnRequest) -> ReverseTurn:
    """Give a turn's charge back."""
    check = _Check()
    check.identifier("request_id", request.request_id)
    check.identifier("user_id", request.user_id)
    check.done()
    return ReverseTurn(request.user_id, request.request_id)


def writes(request: billing_pb2.WriteRequest) -> Sequence[billing_pb2.LedgerWrite]:
    """The writes of one request."""
    check = _Check()
    check.between("writes", len(request.writes), 1, _WRITES_MAX)
    if not all(write.WhichOneof("write") for write in request.writes):
        check.wrong.setdefault("writes", "must not be empty")
    check.done()
    return request.writes


def write(write: billing_pb2.LedgerWrite, prices: Prices) -> Reserve | Settle | Release | Charge | VoidCharge:
    """One of them; what is wrong with it is its own result."""
    match write.WhichOneof("write"):
        case "reserve":
            return reserve(write.reserve, prices)
        case "settle":
            return settle(write.settle)
        case "charge":
            return charge(write.charge, prices)
        case "void_charge":
            return VoidCharge(charge(write.void_charge, prices))
        case _:
            return release(write.release)


def write_result(write: billing_pb2.LedgerWrite, outcome: Result | BaseException) -> billing_pb2.LedgerWriteResult:
    """How it ended."""
    if isinstance(outcome, ServiceError):
        return billing_pb2.LedgerWriteResult(error_status=to_status(outcome).SerializeToString())
    if isinstance(outcome, BaseException):
        raise outcome
    match write.WhichOneof("write"):
        case "reserve":
            response = billing_pb2.ReserveResponse(reserved_micros=outcome.amount, closed=outcome.closed)
            return billing_pb2.LedgerWriteResult(reserve=response)
        case "settle":
            return billing_pb2.LedgerWriteResult(settle=billing_pb2.SettleResponse(charged_micros=outcome.amount))
        case "charge":
            return billing_pb2.LedgerWriteResult(charge=billing_pb2.ChargeResponse(charged_micros=outcome.amount))
        case "void_charge":
            voided = billing_pb2.VoidChargeResponse(returned_micros=outcome.amount)
            return billing_pb2.LedgerWriteResult(void_charge=voided)
        case _:
            return billing_pb2.LedgerWriteResult(release=billing_pb2.ReleaseResponse())


def _usage(usage: billing_pb2.Usage) -> Usage:
    return Usage(usage.input_tokens, usage.output_tokens, usage.cached_input_tokens)


def wallet(wallet: Wallet) -> billing_pb2.Wallet:
    """A wallet on the wire."""
    return billing_pb2.Wallet(
        user_id=wallet.user_id,
        balance_micros=wallet.balance,
        reserved_micros=wallet.reserved,
        available_micros=wallet.available,
    )
