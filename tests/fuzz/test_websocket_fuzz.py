"""Whatever frames come over a WebSocket, it answers or closes with a reason; others are served, memory is flat."""

import asyncio
import gc
import json
import os
import random
from typing import Any

import aiohttp
import psutil

from tests.integration.gateway.conftest import Gateway, StartGateway

FRAMES = int(os.environ.get("FUZZ_FRAMES", "8000"))
BODY = {"messages": [{"role": "user", "content": "你好"}]}

# How much a gateway may have grown by the last frame beyond what it had after the first half of them.
GROWTH_BYTES_MAX = 24 * 1024 * 1024


def mangled(chance: random.Random, token: str) -> str:
    """A frame that is nearly right, or not at all."""
    frame: dict[str, Any] = {
        "type": chance.choice(["start", "resume", "cancel", "ping", "auth", "dance", "", 7, None]),
        "id": chance.choice(["t1", "t2", "", "a b", "x" * 100, 5, None, {}]),
        "token": chance.choice([token, token, "", 3]),
        "body": chance.choice([BODY, {}, [], None, {"messages": "x"}, {"messages": [{}]}, BODY | {"n": 2}]),
        "request_id": chance.choice(["req_1", "/", "", 1]),
        "last_event_id": chance.choice(["0", "1.2", "x", -1]),
    }
    for name in [name for name in frame if chance.random() < 0.3]:
        del frame[name]
    text = json.dumps(frame, ensure_ascii=chance.random() < 0.5)
    if chance.random() < 0.1:
        cut = chance.randrange(len(text))
        text = text[:cut] + chance.choice(["", "\x00", "{" * 50, "🙂", '"']) + text[cut:][chance.randrange(3) :]
    return text


async def storm(gateway: Gateway, chance: random.Random, frames: int) -> None:
    """Send frames over one socket after the other, as long as each stays open."""
    sent = 0
    while sent < frames:
        async with gateway.http.ws_connect(f"{gateway.url}/v1/ws", max_msg_size=0) as socket:
            reading = asyncio.create_task(_drain(socket))
            for _ in range(chance.randrange(1, 60)):
                if socket.closed or reading.done():
                    break
                sent += 1
                await socket.send_str(mangled(chance, gateway.key))
            await socket.close()
            await asyncio.wait_for(reading, 10)


async def _drain(socket: aiohttp.ClientWebSocketResponse) -> None:
    async for message in socket:
        if message.type is aiohttp.WSMsgType.TEXT:
            frame = json.loads(message.data)
            assert frame["type"] != "error" or frame["error"]["code"] != "internal_error", frame


async def test_no_frame_breaks_the_socket_of_others_or_stays_in_memory(start_gateway: StartGateway) -> None:
    gateway = await start_gateway(rate_limit_key_per_minute=10**9)
    chance, process = random.Random(7), psutil.Process()  # noqa: S311  # the same frames each time
    await storm(gateway, chance, FRAMES // 2)
    gc.collect()
    before = process.memory_info().rss
    await storm(gateway, chance, FRAMES // 2)
    gc.collect()
    assert process.memory_info().rss - before < GROWTH_BYTES_MAX
    async with gateway.http.ws_connect(f"{gateway.url}/v1/ws") as socket:
        await socket.send_str(json.dumps({"type": "start", "id": "t", "token": gateway.key, "body": BODY}))
        kinds = []
        while "completed" not in kinds:
            kinds.append(json.loads((await socket.receive(timeout=5)).data)["type"])
