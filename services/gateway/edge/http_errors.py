"""Errors as OpenAI's clients know them: an HTTP status and `{"error":{"message","type","code","param"}}`. Pure.

Beside `error`, where OpenAI's clients do not look, a refusal by moderation carries `moderation`: whether what was
shown already must be taken back, and who refuses what.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from services.gateway.edge.languages import Language
from services.gateway.edge.messages import text
from services.gateway.edge.schemas import ErrorBody, ErrorDetail, Refusal
from services.gateway.errors import RequestTimeoutError
from services.runtime.errors import Code, ServiceError


@dataclass(frozen=True, slots=True)
class Form:
    """How a reason looks over HTTP."""

    status: int
    type: str
    code: str


_INTERNAL = Form(500, "server_error", "internal_error")

FORMS: Mapping[str, Form] = {
    "INVALID_REQUEST": Form(400, "invalid_request_error", "invalid_request_error"),
    "CONTEXT_TOO_LONG": Form(400, "invalid_request_error", "invalid_request_error"),
    "INVALID_LOGIN_CODE": Form(400, "invalid_request_error", "invalid_request_error"),
    "CHANNEL_UNAVAILABLE": Form(400, "invalid_request_error", "invalid_request_error"),
    "ORDER_NOT_PAID": Form(400, "invalid_request_error", "invalid_request_error"),
    "PAYMENT_REFUSED": Form(400, "invalid_request_error", "invalid_request_error"),
    "REFUND_TOO_LARGE": Form(400, "invalid_request_error", "invalid_request_error"),
    "REFUND_UNDER_WAY": Form(400, "invalid_request_error", "invalid_request_error"),
    "INVALID_API_KEY": Form(401, "authentication_error", "invalid_api_key"),
    "INVALID_REFRESH_TOKEN": Form(401, "authentication_error", "invalid_api_key"),
    "INSUFFICIENT_QUOTA": Form(402, "insufficient_quota", "insufficient_quota"),
    "CONTENT_REFUSED": Form(403, "invalid_request_error", "content_policy_violation"),
    "SCOPE_MISSING": Form(403, "permission_error", "permission_denied"),
    "MINOR_HOURS": Form(403, "permission_error", "permission_denied"),
    "PURCHASE_HIDDEN": Form(403, "permission_error", "permission_denied"),
    "LOGIN_BLOCKED": Form(403, "permission_error", "permission_denied"),
    "MODEL_NOT_FOUND": Form(404, "invalid_request_error", "not_found"),
    "MODEL_NOT_PRICED": Form(404, "invalid_request_error", "not_found"),
    "CONVERSATION_NOT_FOUND": Form(404, "invalid_request_error", "not_found"),
    "MESSAGE_NOT_FOUND": Form(404, "invalid_request_error", "not_found"),
    "TURN_NOT_FOUND": Form(404, "invalid_request_error", "not_found"),
    "ORDER_NOT_FOUND": Form(404, "invalid_request_error", "not_found"),
    "PACKAGE_NOT_FOUND": Form(404, "invalid_request_error", "not_found"),
    "KEY_NOT_FOUND": Form(404, "invalid_request_error", "not_found"),
    "RESERVATION_NOT_FOUND": Form(404, "invalid_request_error", "not_found"),
    "WALLET_NOT_FOUND": Form(402, "insufficient_quota", "insufficient_quota"),
    "ROUTE_NOT_FOUND": Form(404, "invalid_request_error", "not_found"),
    "NOT_OFFERED": Form(404, "invalid_request_error", "not_found"),
    "METHOD_NOT_ALLOWED": Form(405, "invalid_request_error", "invalid_request_error"),
    "REQUEST_CONFLICT": Form(409, "invalid_request_error", "idempotency_conflict"),
    # What was closed is the order, or the turn, of this request id.
    "ORDER_CLOSED": Form(409, "invalid_request_error", "idempotency_conflict"),
    "RESERVATION_CLOSED": Form(409, "invalid_request_error", "idempotency_conflict"),
    "REQUEST_TIMEOUT": Form(408, "invalid_request_error", "request_timeout"),
    "UNSUPPORTED_ENCODING": Form(415, "invalid_request_error", "invalid_request_error"),
    "REQUEST_TOO_LARGE": Form(413, "invalid_request_error", "request_too_large"),
    "RATE_LIMITED": Form(429, "rate_limit_error", "rate_limit_exceeded"),
    "TOO_MANY_TURNS": Form(429, "rate_limit_error", "rate_limit_exceeded"),
    "TOO_MANY_ORDERS": Form(429, "rate_limit_error", "rate_limit_exceeded"),
    "TOO_MANY_SOCKETS": Form(429, "rate_limit_error", "rate_limit_exceeded"),
    "TOO_MANY_KEYS": Form(429, "rate_limit_error", "rate_limit_exceeded"),
    "INTERNAL": _INTERNAL,
    "UPSTREAM_ERROR": Form(502, "server_error", "upstream_error"),
    # Not 429: it is not this user who asks too often.
    "UPSTREAM_BUSY": Form(503, "server_error", "service_unavailable"),
    "QUEUE_FULL": Form(503, "server_error", "service_unavailable"),
    "QUEUE_TIMEOUT": Form(503, "server_error", "service_unavailable"),
    "TURN_LOST": Form(503, "server_error", "service_unavailable"),
    "SERVICE_UNAVAILABLE": Form(503, "server_error", "service_unavailable"),
    "MODERATION_UNAVAILABLE": Form(503, "server_error", "service_unavailable"),
    "PAYMENT_UNAVAILABLE": Form(503, "server_error", "service_unavailable"),
    "UPSTREAM_TIMEOUT": Form(504, "server_error", "upstream_timeout"),
}

# For a reason that a service learned before the gateway did.
_BY_CODE: Mapping[Code, Form] = {
    Code.INVALID_ARGUMENT: FORMS["INVALID_REQUEST"],
    Code.NOT_FOUND: FORMS["ROUTE_NOT_FOUND"],
    Code.ALREADY_EXISTS: FORMS["REQUEST_CONFLICT"],
    Code.RESOURCE_EXHAUSTED: FORMS["RATE_LIMITED"],
    Code.UNAVAILABLE: FORMS["SERVICE_UNAVAILABLE"],
    Code.DEADLINE_EXCEEDED: FORMS["UPSTREAM_TIMEOUT"],
}

# What our services call a parameter, where OpenAI's API has another name for it.
_PARAMS = {
    "max_output_tokens": "max_tokens",
    "after_number": "parent_id",
    "regenerate_number": "regenerate_id",
    "continue_number": "continue_id",
}


def form(error: ServiceError) -> Form:
    """The error's status, type and code."""
    return FORMS.get(error.wire_reason) or _BY_CODE.get(error.wire_code) or _INTERNAL


def body(error: ServiceError, language: Language) -> bytes:
    """The error as JSON; `param` is the first wrong field."""
    how = form(error)
    field = next(iter(error.fields), None)
    param = None if field is None else _PARAMS.get(field, field)
    shown = ErrorDetail(text(error, language), how.type, how.code, param)
    return msgspec.json.encode(ErrorBody(shown, _refusal(error)))


def headers(error: ServiceError) -> dict[str, str]:
    """Headers that belong to the error."""
    found = {}
    if error.retry_after_s is not None:
        found["Retry-After"] = str(max(1, math.ceil(error.retry_after_s)))
    if isinstance(error, RequestTimeoutError):
        # Whoever is so slow is not waited for a second time.
        found["Connection"] = "close"
    if form(error).status == 401:
        found["WWW-Authenticate"] = "Bearer"
    if error.wire_reason == "RATE_LIMITED":
        found |= _rate_limit(error)
    if "allow" in error.metadata:
        found["Allow"] = error.metadata["allow"]
    return found


def _rate_limit(error: ServiceError) -> dict[str, str]:
    facts = {"X-RateLimit-Limit": "limit", "X-RateLimit-Remaining": "remaining"}
    return {header: error.metadata[fact] for header, fact in facts.items() if fact in error.metadata}


def _refusal(error: ServiceError) -> Refusal | msgspec.UnsetType:
    if error.wire_reason != "CONTENT_REFUSED":
        return msgspec.UNSET
    label = error.metadata.get("label", "")
    return Refusal(
        # Whoever is not told to take anything back has nothing to take back.
        action=error.metadata.get("action") or "block",
        layer=error.metadata.get("layer") or None,
        label=(int(label) or None) if label.isdecimal() else None,
    )
