"""The moderation service."""

from collections.abc import Sequence

from queqiao.moderation.v1 import moderation_pb2_grpc

from services.gateway.health.client import demand_serving
from services.gateway.identity.domain import Principal
from services.gateway.moderation import convert
from services.gateway.moderation.domain import Moderation
from services.runtime.channels import Peer
from services.runtime.errors import UnavailableError

# Each remote layer has seconds of its own, by the owner's policy, and may be asked after the other.
_TIMEOUT_S = 15.0


class ModerationClient:
    """Asks ModerationService."""

    def __init__(self, peer: Peer) -> None:
        """Use this peer."""
        self._peer = peer
        self._stub = moderation_pb2_grpc.ModerationServiceStub(peer.channel)

    async def moderate(self, request_id: str, principal: Principal, texts: Sequence[str]) -> list[Moderation]:
        """What all layers say of each text, in their order.

        Raises:
            ServiceError: As moderation.proto documents, or UnavailableError.
        """
        request = convert.moderate_request(request_id, principal, texts)
        response = await self._peer.unary(self._stub.Moderate, request, timeout_s=_TIMEOUT_S)
        if len(response.results) != len(texts):
            # A text without a judgement must not be taken for one that was found innocent.
            raise UnavailableError(
                "Moderation did not judge every text; try again.", metadata={"service": "moderation"}, retry_after_s=1
            )
        return [convert.moderation(result) for result in response.results]

    async def check(self) -> None:
        """Ask the service whether it serves."""
        await demand_serving(self._peer)
