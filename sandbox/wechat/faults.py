"""The answer that never comes."""

from starlette.requests import Request
from starlette.responses import Response


async def silence(request: Request) -> Response:
    """Hold the connection until the caller hangs up; the answer reaches nobody."""
    await request.body()
    while (await request.receive())["type"] != "http.disconnect":
        pass
    return Response(status_code=504)
