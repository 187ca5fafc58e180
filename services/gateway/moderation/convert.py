"""The moderation service's protos."""

from collections.abc import Sequence

from queqiao.moderation.v1 import moderation_pb2

from services.gateway.edge.enums import word
from services.gateway.identity.domain import Principal
from services.gateway.moderation.domain import Category, Moderation


def moderate_request(request_id: str, principal: Principal, texts: Sequence[str]) -> moderation_pb2.ModerateRequest:
    """Texts on the wire."""
    return moderation_pb2.ModerateRequest(
        request_id=request_id, user_id=principal.user_id, openid=principal.openid, texts=texts
    )


def moderation(result: moderation_pb2.ModerationResult) -> Moderation:
    """What was found in a text."""
    return Moderation(
        refused=result.verdict.refused,
        layer=word(moderation_pb2.Layer.DESCRIPTOR, result.verdict.layer),
        label=result.verdict.label,
        categories={each.category: Category(each.flagged, each.score) for each in result.categories},
    )
