"""Providers of a pool, how they fail, and what is asked of them."""

from services.chat.domain import Chunk, Message, Model, Options, Role
from services.chat.upstreams.failures import CallFailedError, Kind, broken_off, refused
from services.chat.upstreams.pool import Pool
from services.chat.upstreams.settings import ProviderSettings
from services.chat.upstreams.settings import Role as ProviderRole
from tests.fakes.model_providers import Scene, ScriptedClient

MODEL = Model("m", 8192, 1024, "o200k_base")
PROMPT = [Message(Role.USER, "你好", tokens=6)]
UNREACHABLE = broken_off(Kind.CONNECTION)
SILENT = broken_off(Kind.TIMEOUT)
BROKEN = broken_off(Kind.BROKEN)
SERVER = refused(500, None, "", "m")
KEY_REFUSED = refused(401, None, "", "m")
NO_MODEL = refused(404, None, "", "m")
INVALID = refused(400, None, "", "m")


def busy(seconds: int) -> CallFailedError:
    return refused(429, None, str(seconds), "m")


def provider(
    name: str,
    *,
    weight: int = 1,
    role: ProviderRole = ProviderRole.MAIN,
    requests: int | None = None,
    tokens: int | None = None,
) -> ProviderSettings:
    return ProviderSettings(
        name,
        "http://provider.invalid/v1",
        (),
        weight=weight,
        role=role,
        models={"m": "m"},
        requests_per_minute=requests,
        tokens_per_minute=tokens,
    )


def two(scene: Scene) -> tuple[Pool, ScriptedClient, ScriptedClient]:
    """Two providers with a key each, of which the first is asked first."""
    a, b = ScriptedClient("甲"), ScriptedClient("乙")
    scene.add(provider("a"), a)
    scene.add(provider("b"), b)
    return scene.pool(), a, b


async def chunks_of(pool: Pool, model: Model = MODEL) -> list[Chunk]:
    async with pool.answer(model, PROMPT, Options()) as chunks:
        return [chunk async for chunk in chunks]


async def ask(pool: Pool) -> str:
    return "".join(piece.text for chunk in await chunks_of(pool) for piece in chunk.pieces)
