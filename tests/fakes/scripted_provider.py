"""A model's provider on OpenAI's wire that answers known questions with known texts, as fast as a test wants."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from aiohttp import web

# What a real model streams at a time: a word, two or three characters, a line's end.
_PIECES = re.compile(r"\n+|[\u4e00-\u9fff]{1,3}[，。；：？！、]?|[^\u4e00-\u9fff\n]{1,6}")


@dataclass(frozen=True, slots=True)
class Script:
    """One answer: its text, what is thought before it, and the time between two of its pieces in seconds."""

    text: str
    reasoning: str = ""
    every_s: float = 0.01


class ScriptedProvider:
    """Answers by the first known question in what was asked last; the same question again by its next text."""

    def __init__(self, models: tuple[str, ...]) -> None:
        """Offer these models."""
        self.url = ""
        self.scripts: dict[str, list[Script]] = {}
        self.asked: list[dict[str, Any]] = []
        self._models = models

    def knows(self, question: str, *scripts: Script) -> None:
        """Answer a question: the first time by the first script, and so on; the last one again and again."""
        self.scripts[question] = list(scripts)

    def script_of(self, text: str) -> Script:
        """The script for what was asked."""
        for question, scripts in self.scripts.items():
            if question in text:
                return scripts.pop(0) if len(scripts) > 1 else scripts[0]
        return Script("好的。")

    def _known(self, text: str) -> bool:
        return any(question in text for question in self.scripts)

    async def models(self, request: web.Request) -> web.Response:
        """The list of models."""
        data = [{"id": name, "object": "model", "created": 1, "owned_by": "test"} for name in self._models]
        return web.json_response({"object": "list", "data": data})

    async def complete(self, request: web.Request) -> web.StreamResponse:
        """A streamed answer."""
        asked = await request.json()
        self.asked.append(asked)
        questions = [_text_of(each["content"]) for each in asked["messages"] if each["role"] == "user"]
        # Behind the last question may stand a request to go on with its answer.
        script = self.script_of(next((each for each in reversed(questions) if self._known(each)), questions[-1]))
        answer = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await answer.prepare(request)
        for piece in _PIECES.findall(script.reasoning):
            await _send(answer, asked["model"], {"reasoning_content": piece})
            await asyncio.sleep(script.every_s)
        pieces = _PIECES.findall(script.text)
        for piece in pieces:
            await _send(answer, asked["model"], {"content": piece})
            await asyncio.sleep(script.every_s)
        usage = {"prompt_tokens": 40, "completion_tokens": len(pieces), "total_tokens": 40 + len(pieces)}
        await _send(answer, asked["model"], {}, finish="stop", usage=usage)
        await answer.write(b"data: [DONE]\n\n")
        return answer


def _text_of(content: object) -> str:
    if isinstance(content, str):
        return content
    assert isinstance(content, list)
    return " ".join(part.get("text", "") for part in content)


async def _send(
    answer: web.StreamResponse,
    model: str,
    delta: dict[str, str],
    *,
    finish: str | None = None,
    usage: dict[str, int] | None = None,
) -> None:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    chunk = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": model, "choices": [choice]}
    event = json.dumps(chunk | ({"usage": usage} if usage else {}))
    await answer.write(f"data: {event}\n\n".encode())


@asynccontextmanager
async def scripted_provider(*models: str) -> AsyncIterator[ScriptedProvider]:
    """A running provider; `url` is the OPENAI_BASE_URL."""
    provider = ScriptedProvider(models)
    app = web.Application()
    app.router.add_get("/v1/models", provider.models)
    app.router.add_post("/v1/chat/completions", provider.complete)
    runner = web.AppRunner(app, shutdown_timeout=0)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    provider.url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    try:
        yield provider
    finally:
        await runner.cleanup()
