"""AuditService over gRPC: a translator between the wire and the audit."""

from typing import Any

from queqiao.moderation.v1 import audit_pb2, audit_pb2_grpc

from services.moderation.audit import convert
from services.moderation.audit.appeals import Appeals
from services.moderation.audit.store import RefusalStore


class AuditServicer(audit_pb2_grpc.AuditServiceServicer):
    """Answers audit.proto."""

    def __init__(self, store: RefusalStore, appeals: Appeals) -> None:
        """Use these."""
        self._store = store
        self._appeals = appeals

    async def ListRefusals(  # noqa: N802  # gRPC's spelling, here and below
        self, request: audit_pb2.ListRefusalsRequest, context: Any
    ) -> audit_pb2.ListRefusalsResponse:
        """A page of what was refused."""
        wanted, before, limit = convert.page(request)
        # One more than asked for tells whether there is a page after this one.
        found = await self._store.refusals(wanted, before=before, limit=limit + 1)
        token = convert.next_page_token(found[limit - 1]) if len(found) > limit else ""
        return audit_pb2.ListRefusalsResponse(refusals=map(convert.refusal, found[:limit]), next_page_token=token)

    async def GetRefusal(  # noqa: N802
        self, request: audit_pb2.GetRefusalRequest, context: Any
    ) -> audit_pb2.GetRefusalResponse:
        """One refusal, with what was kept of its text."""
        found, text = await self._store.refusal(convert.refusal_id(request.refusal_id))
        return audit_pb2.GetRefusalResponse(refusal=convert.refusal(found), text=text)

    async def GrantAppeal(  # noqa: N802
        self, request: audit_pb2.GrantAppealRequest, context: Any
    ) -> audit_pb2.GrantAppealResponse:
        """Allow a phrase that was refused."""
        version = await self._appeals.grant(*convert.appeal(request))
        return audit_pb2.GrantAppealResponse(stored_version=version)
