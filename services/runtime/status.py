"""Our errors over gRPC: google.rpc.Status with exactly one ErrorInfo, and back.

Source: google/rpc/status.proto, error_details.proto; AIP-193.
"""

import grpc
from google.protobuf import any_pb2, duration_pb2
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_status import rpc_status

from services.runtime.errors import ERROR_DOMAIN, Code, RemoteError, ServiceError, UnavailableError, UnknownCallError


def to_status(error: ServiceError) -> status_pb2.Status:
    """The error's wire form."""
    status = status_pb2.Status(code=error.wire_code, message=error.message)
    info = error_details_pb2.ErrorInfo(reason=error.wire_reason, domain=ERROR_DOMAIN, metadata=error.metadata)
    status.details.append(_pack(info))
    if error.retry_after_s is not None:
        delay = duration_pb2.Duration()
        delay.FromMilliseconds(round(error.retry_after_s * 1000))
        status.details.append(_pack(error_details_pb2.RetryInfo(retry_delay=delay)))
    if error.fields:
        violations = [
            error_details_pb2.BadRequest.FieldViolation(field=field, description=description)
            for field, description in error.fields.items()
        ]
        status.details.append(_pack(error_details_pb2.BadRequest(field_violations=violations)))
    return status


def from_status(status: status_pb2.Status, peer: str) -> ServiceError:
    """The inverse of to_status, for what `peer` answered.

    An error that the peer raised itself is passed on as it is. Any other becomes UnavailableError naming the peer: its
    text is not for callers.
    """
    info = error_details_pb2.ErrorInfo()
    retry = error_details_pb2.RetryInfo()
    bad_request = error_details_pb2.BadRequest()
    known = False
    retry_after_s: float | None = None
    for detail in status.details:
        if detail.Unpack(info):
            known = info.domain == ERROR_DOMAIN
        elif detail.Unpack(retry):
            retry_after_s = retry.retry_delay.ToMilliseconds() / 1000
        else:
            detail.Unpack(bad_request)
    if not known:
        return _unavailable(peer, code_pb2.Code.Name(status.code))
    return RemoteError(
        Code(status.code),
        info.reason,
        status.message,
        metadata=info.metadata,
        retry_after_s=retry_after_s,
        fields={item.field: item.description for item in bad_request.field_violations},
    )


def from_rpc_error(error: grpc.aio.AioRpcError, peer: str) -> ServiceError:
    """What a call to `peer` failed with, as an error of ours; what the transport raised (nobody listens, the deadline
    passed) becomes UnavailableError.
    """
    # grpc_status types only the synchronous Call; the asyncio error has the same three methods.
    status = rpc_status.from_call(error)  # type: ignore[arg-type]
    return from_status(status, peer) if status is not None else _unavailable(peer, error.code().name)


def _unavailable(peer: str, code: str) -> UnavailableError:
    kind = UnknownCallError if code == grpc.StatusCode.UNIMPLEMENTED.name else UnavailableError
    return kind(
        f"The {peer} service does not answer ({code}); try again shortly.",
        metadata={"service": peer},
        retry_after_s=1,
    )


def _pack(
    message: error_details_pb2.ErrorInfo | error_details_pb2.RetryInfo | error_details_pb2.BadRequest,
) -> any_pb2.Any:
    packed = any_pb2.Any()
    packed.Pack(message)
    return packed
