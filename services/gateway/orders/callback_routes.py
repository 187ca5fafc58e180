"""`/v1/payments/{provider}/notify`: what payment providers call back with, handed to billing as it came.

Nobody logs in here: billing believes a callback by its signature. So there is no user to count requests of, and what
is bounded is the whole.
"""

import asyncio
import re
from collections.abc import Sequence
from functools import partial

from starlette.requests import Request
from starlette.responses import Response

from services.gateway.edge import body
from services.gateway.edge.operations import Operation, Parameter
from services.gateway.errors import RouteNotFoundError
from services.gateway.orders.client import PaymentClient
from services.gateway.orders.domain import Callback
from services.runtime.errors import UnavailableError

_PROVIDER = re.compile(r"[a-z0-9_-]{1,64}")

# As payments.proto says.
_BODY_BYTES_MAX = 1024 * 1024

# A provider sends a few kilobytes, and waits five seconds for the whole.
_ARRIVAL_S = 3.0


class CallbackRoutes:
    """Hands callbacks on."""

    def __init__(self, payments: PaymentClient, *, concurrent_max: int) -> None:
        """Hand them on, so many at once; the provider sends the others again later."""
        self._payments = payments
        self._concurrent_max = concurrent_max
        self._running = 0

    def operations(self) -> Sequence[Operation]:
        """What is offered here."""
        provider = Parameter("provider", "path", "Who calls back.", {"type": "string", "pattern": "^[a-z0-9_-]{1,64}$"})
        described = "Verified by the provider's own signature; answered in the provider's own words, XML or JSON."
        offered = partial(
            Operation,
            path="/v1/payments/{provider}/notify",
            endpoint=self.notify,
            tag="payments",
            parameters=(provider,),
            description=described,
            media=(("application/json", "WeChat Pay APIv3"), ("application/xml", "WeChat Pay v2")),
        )
        return (
            offered(method="GET", summary="A payment provider verifies this address"),
            offered(method="POST", summary="A payment provider calls back"),
        )

    async def notify(self, request: Request) -> Response:
        """Answer a provider what billing says that it must be answered."""
        provider = request.path_params["provider"]
        if not _PROVIDER.fullmatch(provider):
            raise RouteNotFoundError("There is no payment provider of this name.")
        # Before a byte is read: whoever sends slowly holds a place, and no more memory than the places have.
        if self._running >= self._concurrent_max:
            raise UnavailableError("Too many callbacks at once; send it again.", retry_after_s=1)
        self._running += 1
        try:
            answer = await self._payments.call_back(provider, await _arrived(request))
        finally:
            self._running -= 1
        headers = {"content-type": answer.content_type} if answer.content_type else {}
        return Response(answer.body, answer.status, headers)


async def _arrived(request: Request) -> Callback:
    try:
        async with asyncio.timeout(_ARRIVAL_S):
            raw = await body.read_raw(request.receive, request.headers, bytes_max=_BODY_BYTES_MAX)
    except TimeoutError:
        raise UnavailableError("The callback did not arrive in time; send it again.", retry_after_s=1) from None
    return Callback(
        # A HEAD asks what a GET would answer.
        method="POST" if request.method == "POST" else "GET",
        # Of what comes twice, the last stays.
        headers=dict(request.headers.items()),
        query=dict(request.query_params.multi_items()),
        body=raw,
    )
