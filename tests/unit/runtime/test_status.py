"""Errors over gRPC and back."""

import grpc
from google.rpc import error_details_pb2, status_pb2
from grpc.aio import AioRpcError, Metadata
from grpc_status import rpc_status
from hypothesis import given
from hypothesis import strategies as st

from services.runtime.errors import Code, RemoteError, UnavailableError
from services.runtime.status import from_rpc_error, from_status, to_status

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)


def over_the_wire(error: RemoteError) -> AioRpcError:
    status = rpc_status.to_status(to_status(error))
    return AioRpcError(
        status.code,
        initial_metadata=Metadata(),
        trailing_metadata=Metadata(*status.trailing_metadata),
        details=status.details,
    )


@given(
    code=st.sampled_from(Code),
    reason=st.from_regex(r"[A-Z_]{3,20}", fullmatch=True),
    message=texts,
    metadata=st.dictionaries(texts, texts, max_size=3),
    fields=st.dictionaries(texts, texts, max_size=3),
    retry_after_s=st.one_of(st.none(), st.integers(0, 10_000).map(lambda ms: ms / 1000)),
)
def test_an_error_arrives_as_it_was_raised(
    code: Code, reason: str, message: str, metadata: dict[str, str], fields: dict[str, str], retry_after_s: float | None
) -> None:
    sent = RemoteError(code, reason, message, metadata=metadata, fields=fields, retry_after_s=retry_after_s)
    within_a_message = status_pb2.Status.FromString(to_status(sent).SerializeToString())
    for got in (from_rpc_error(over_the_wire(sent), "peer"), from_status(within_a_message, "peer")):
        assert (got.wire_code, got.wire_reason, got.message) == (code, reason, message)
        assert (got.metadata, got.fields, got.retry_after_s) == (metadata, fields, retry_after_s)


def test_every_error_carries_exactly_one_error_info() -> None:
    status = to_status(RemoteError(Code.NOT_FOUND, "X", "x", fields={"a": "b"}, retry_after_s=1))
    infos = [detail for detail in status.details if detail.Is(error_details_pb2.ErrorInfo.DESCRIPTOR)]
    assert len(infos) == 1


def test_what_the_transport_says_is_not_passed_on() -> None:
    raw = AioRpcError(
        grpc.StatusCode.UNAVAILABLE, Metadata(), Metadata(), details="failed to connect to 10.0.0.7:50051 secret"
    )
    error = from_rpc_error(raw, "billing")
    assert isinstance(error, UnavailableError)
    assert error.metadata == {"service": "billing"}
    assert "10.0.0.7" not in error.message


def test_a_status_that_is_not_ours_is_not_passed_on_either() -> None:
    error = from_status(status_pb2.Status(code=13, message="secret"), "billing")
    assert isinstance(error, UnavailableError)
    assert "secret" not in error.message
    assert "INTERNAL" in error.message
