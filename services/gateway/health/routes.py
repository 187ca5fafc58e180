"""`/healthz` and `/readyz`."""

from starlette.requests import Request
from starlette.responses import Response

from services.gateway.edge.responses import json_response
from services.gateway.health.readiness import Readiness


class HealthRoutes:
    """For probes."""

    def __init__(self, readiness: Readiness) -> None:
        """Answer from this."""
        self._readiness = readiness

    async def alive(self, request: Request) -> Response:
        """The process runs."""
        return json_response({"status": "ok"})

    async def ready(self, request: Request) -> Response:
        """Each dependency by name; 503 when an essential one is down, or in a drain."""
        ready, report = await self._readiness.report()
        return json_response(report, status=200 if ready else 503)
