"""OpenAI's `POST /v1/moderations` for texts, as its API reference has it.

What the model really judges by is not known: here are a few harmless words of our own.
"""

import hmac
import json
import secrets

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.conduct import Conduct

CATEGORIES = (
    "harassment",
    "harassment/threatening",
    "hate",
    "hate/threatening",
    "illicit",
    "illicit/violent",
    "self-harm",
    "self-harm/instructions",
    "self-harm/intent",
    "sexual",
    "sexual/minors",
    "violence",
    "violence/graphic",
)

# Word → its category and score; a category is flagged from a half on. Nothing else is judged.
WORDS = {
    "骚扰示例": ("harassment", 0.93),
    "仇恨示例": ("hate", 0.91),
    "违法示例": ("illicit", 0.95),
    "自伤示例": ("self-harm", 0.97),
    "色情示例": ("sexual", 0.96),
    "暴力示例": ("violence", 0.94),
    "轻微暴力示例": ("violence", 0.30),
}

_FLAGGED_FROM = 0.5


class Moderations:
    """Judges texts for whoever has the key."""

    def __init__(self, api_key: str, *, delay_s: float = 0.1) -> None:
        """Judge each request after `delay_s`, as the real one needs a few tenths of a second."""
        self._api_key = api_key
        self.conduct = Conduct({"busy": _busy, "wrong_shape": _wrong_shape}, delay_s=delay_s)

    def routes(self) -> list[Route]:
        """Where it is."""
        return [
            Route("/v1/moderations", self._asked, methods=["POST"]),
            Route("/health", _health),
            self.conduct.route("/sandbox/moderations"),
        ]

    async def _asked(self, request: Request) -> Response:
        return await self.conduct.answer(request, self._judge)

    async def _judge(self, request: Request) -> Response:
        given = request.headers.get("authorization", "").removeprefix("Bearer ")
        if not hmac.compare_digest(given.encode(), self._api_key.encode()):
            return _error(401, "Incorrect API key provided.", "invalid_api_key")
        try:
            body = json.loads(await request.body())
            texts = _texts(body["input"])
        except (ValueError, KeyError, TypeError):
            return _error(400, "'input' must be a string, an array of strings, or an array of text parts.", None)
        self.conduct.asked.text_characters += map(len, texts)
        return JSONResponse(
            {
                "id": f"modr-{secrets.token_hex(12)}",
                "model": body.get("model", "omni-moderation-latest"),
                "results": [_result(text) for text in texts],
            }
        )


def build(api_key: str, *, delay_s: float = 0.1) -> Starlette:
    """The stand-in, for this key."""
    return Starlette(routes=Moderations(api_key, delay_s=delay_s).routes())


def _texts(given: object) -> list[str]:
    """One text for each result: parts are judged together."""
    if isinstance(given, str):
        return [given]
    if not isinstance(given, list) or not given:
        raise TypeError
    if all(isinstance(each, str) for each in given):
        return given
    return ["\n".join(part["text"] for part in given)]


def _result(text: str) -> dict[str, object]:
    scores = dict.fromkeys(CATEGORIES, 0.0001)
    rest = text
    # The longest first: a word within another is not itself.
    for word in sorted(WORDS, key=len, reverse=True):
        if word in rest:
            category, score = WORDS[word]
            scores[category] = max(scores[category], score)
            rest = rest.replace(word, "")
    flags = {category: score >= _FLAGGED_FROM for category, score in scores.items()}
    return {
        "flagged": any(flags.values()),
        "categories": flags,
        "category_scores": scores,
        "category_applied_input_types": {category: ["text"] for category in CATEGORIES},
    }


def _error(status: int, message: str, code: str | None) -> JSONResponse:
    error = {"message": message, "type": "invalid_request_error", "param": None, "code": code}
    return JSONResponse({"error": error}, status_code=status)


async def _busy(request: Request) -> Response:
    answer = _error(429, "Rate limit reached.", "rate_limit_exceeded")
    answer.headers["Retry-After"] = "1"
    return answer


async def _wrong_shape(request: Request) -> Response:
    return JSONResponse({"id": "modr-1", "model": "omni-moderation-latest", "results": [{"flagged": False}]})


async def _health(request: Request) -> Response:
    return Response("ok")
