"""Whether a service serves, by the standard gRPC health protocol."""

from typing import Any

from grpc_health.v1 import health_pb2, health_pb2_grpc

from services.runtime.channels import Peer
from services.runtime.errors import UnavailableError

_TIMEOUT_S = 5.0


async def demand_serving(peer: Peer) -> None:
    """Ask the service.

    Raises:
        UnavailableError: It does not serve, or does not answer.
    """
    # The stub's types know its methods only on a synchronous channel.
    stub: Any = health_pb2_grpc.HealthStub(peer.channel)
    answer = await peer.unary(stub.Check, health_pb2.HealthCheckRequest(), timeout_s=_TIMEOUT_S)
    if answer.status != health_pb2.HealthCheckResponse.SERVING:
        raise UnavailableError(f"The {peer.name} service is not serving.", metadata={"service": peer.name})
