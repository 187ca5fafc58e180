"""Every RPC of a running service, as its own reflection tells, and calls of them without any generated code."""

from collections.abc import Iterator, Mapping
from typing import Any

import grpc
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

_TIMEOUT_S = 5.0


def rpcs(channel: grpc.Channel) -> dict[str, MethodDescriptor]:
    """What the server behind this channel offers, by `package.Service/Method`; reflection and health too."""
    database = ProtoReflectionDescriptorDatabase(channel)
    pool = DescriptorPool(database)
    found = {}
    for service in database.get_services():
        for method in pool.FindServiceByName(service).methods:
            found[f"{service}/{method.name}"] = method
    return found


def call(channel: grpc.Channel, method: MethodDescriptor, **fields: Any) -> list[Message]:
    """Call it with one request; answers every response.

    Raises:
        grpc.RpcError: It was refused.
    """
    request = GetMessageClass(method.input_type)(**fields)
    kinds: Mapping[tuple[bool, bool], Any] = {
        (False, False): channel.unary_unary,
        (False, True): channel.unary_stream,
        (True, False): channel.stream_unary,
        (True, True): channel.stream_stream,
    }
    invoke = kinds[method.client_streaming, method.server_streaming](
        f"/{method.containing_service.full_name}/{method.name}",
        request_serializer=lambda message: message.SerializeToString(),
        response_deserializer=GetMessageClass(method.output_type).FromString,
    )
    answer = invoke(iter([request]) if method.client_streaming else request, timeout=_TIMEOUT_S)
    return list(answer) if method.server_streaming else [answer]


def refusals(channel: grpc.Channel, offered: Mapping[str, MethodDescriptor]) -> Iterator[tuple[str, str]]:
    """What each RPC says to whoever asks over this channel: its name and the status, OK when it answers."""
    for name, method in offered.items():
        try:
            call(channel, method)
        except grpc.RpcError as error:
            # A call's error is a call, too, which the published types do not say.
            status: Any = error
            yield name, status.code().name
        else:
            yield name, "OK"
