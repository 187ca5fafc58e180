"""How a stand-in of a remote judge behaves: as it should, or as somebody set; and what it has been asked.

`GET` of its control address tells; `POST` of `{"manner": "slow", "delay_s": 2}` sets.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass, field
from json import JSONDecodeError

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.wechat.faults import silence

# Whatever the stand-in is of.
_EVERYONES: Mapping[str, str] = {
    "well": "as it should",
    "slow": "as it should, after delay_s",
    "silent": "never",
    "http_500": "with status 500",
    "garbage": "with what is no JSON",
}

Answer = Callable[[Request], Awaitable[Response]]


@dataclass
class Asked:
    """What has been asked of it: calls, how many at once at most, and the lengths of texts, in characters."""

    calls: int = 0
    at_once: int = 0
    at_once_max: int = 0
    text_characters: list[int] = field(default_factory=list)


class Conduct:
    """The switch, and the counters."""

    def __init__(self, own: Mapping[str, Answer], *, delay_s: float = 0.0) -> None:
        """Behave well, after `delay_s`; `own` are manners of this platform alone."""
        self.manner = "well"
        self.asked = Asked()
        self._own = own
        self._delay_s = delay_s

    async def answer(self, request: Request, well: Answer) -> Response:
        """Answer in the manner that is set; `well` is the right answer."""
        asked = self.asked
        asked.calls += 1
        asked.at_once += 1
        asked.at_once_max = max(asked.at_once_max, asked.at_once)
        try:
            return await self._answer(request, well)
        finally:
            asked.at_once -= 1

    async def _answer(self, request: Request, well: Answer) -> Response:
        await asyncio.sleep(self._delay_s)
        match self.manner:
            case "silent":
                return await silence(request)
            case "http_500":
                return Response("no server is here", status_code=500)
            case "garbage":
                return Response("<html>not what you asked for</html>")
        return await self._own.get(self.manner, well)(request)

    def route(self, path: str) -> Route:
        """Where it is told how to behave."""
        return Route(path, self._control, methods=["GET", "POST"])

    async def _control(self, request: Request) -> Response:
        if request.method == "POST":
            try:
                body = await request.json()
                manner, delay_s = body["manner"], float(body.get("delay_s", 0.0))
            except (JSONDecodeError, KeyError, TypeError, ValueError):
                manner, delay_s = "", 0.0
            if manner not in (*_EVERYONES, *self._own) or not 0 <= delay_s <= 60:
                known = ", ".join((*_EVERYONES, *self._own))
                return Response(f"manner must be one of {known}; delay_s 0 to 60\n", status_code=400)
            self.manner, self._delay_s = manner, delay_s
            self.asked = Asked(at_once=self.asked.at_once)
        return JSONResponse({"manner": self.manner, "delay_s": self._delay_s, **asdict(self.asked)})
