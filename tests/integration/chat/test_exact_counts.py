"""Our count of a prompt against what the local model's server counted: real weights, its own vocabulary."""

import gzip
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from sandbox import model, parts
from sandbox.ports import free_ports
from sandbox.state import State
from sandbox.supervisor import Supervisor
from sandbox.vocabulary.gguf_bpe import VocabularyError, ranks_of, tiktoken_text
from services.chat import upstreams, vocabularies
from services.chat.domain import Message, Model, Role
from services.chat.tokens import TiktokenTokenizer
from services.chat.upstreams.known import KnownModels
from services.chat.window import Prompt, fit, weigh

pytestmark = pytest.mark.alone

CONTEXT_TOKENS = 4_096
# The least that the window leaves for an answer, so that prompts come as near to the context as they may.
OUTPUT_TOKENS = 16

LOCAL = replace(
    next(
        known
        for known in KnownModels.read(Path(upstreams.__file__).with_name("models.toml")).models
        if known.id == model.NAME
    ),
    context_tokens=CONTEXT_TOKENS,
    max_output_tokens=OUTPUT_TOKENS,
)

TOKENIZER = TiktokenTokenizer(frozenset({"smollm2"}))

CHINESE = "昨天我去了鹊桥边上的茶馆，点了一壶龙井，听老板讲了半个下午的牛郎织女。你说，传说里哪些是真的？\n" * 3
ENGLISH = "It's 7:30 p.m. in Hangzhou; they've walked 12,345 steps and don't intend to stop before 2026-11-23.\n" * 5
CODE = (
    'async def fit(history: list[Message]) -> Prompt:\n\treturn [m for m in history if m.tokens < 4_096]  # "…"\n' * 4
)
EMOJI = "👨‍👩‍👧‍👦 在 🌉 上 🎋！ café naïve ½ ２０２６ \u200b\t☕️\r\n   3   blanks" * 3
MIXED = [CHINESE, ENGLISH, CODE, EMOJI, "好的。"]

SYSTEM = Message(Role.SYSTEM, "你是鹊桥的助手。Answer in the language of the question.")


@pytest.fixture(scope="module")
async def base_url(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """The running model's base URL."""
    supervisor = Supervisor()
    try:
        state = State(tmp_path_factory.mktemp("model"))
        part = await parts.start_model({}, state, supervisor, free_ports(1)[0])
        yield part.env["OPENAI_BASE_URL"]
    finally:
        await supervisor.stop()


def fitted(texts: list[str], system: bool, known_model: Model = LOCAL) -> Prompt:
    """A conversation of these texts in turn, far longer than the context, put into it."""
    roles = (Role.USER, Role.ASSISTANT)
    history = [Message(roles[number % 2], texts[number % len(texts)]) for number in range(100)]
    new = [SYSTEM] * system + [Message(Role.USER, texts[0])]
    known, asked_now = ([weigh(message, known_model, TOKENIZER) for message in messages] for messages in (history, new))
    return fit(known, asked_now, known_model, None)


async def posted(base_url: str, path: str, body: dict[str, Any]) -> Any:
    async with aiohttp.ClientSession() as session, session.post(base_url + path, json=body) as answer:
        answer.raise_for_status()
        return await answer.json()


def asked(prompt: Prompt) -> dict[str, Any]:
    messages = [{"role": message.role, "content": message.content} for message in prompt.messages]
    return {"model": model.NAME, "messages": messages, "max_tokens": 1}


async def tokens_of(base_url: str, text: str, *, special: bool) -> list[int]:
    root = base_url.removesuffix("/v1")
    tokens: list[int] = (await posted(root, "/tokenize", {"content": text, "parse_special": special}))["tokens"]
    return tokens


@pytest.mark.parametrize(
    ("texts", "system"),
    [
        pytest.param([CHINESE], True, id="chinese"),
        pytest.param([ENGLISH], False, id="english"),
        pytest.param([CODE], False, id="code"),
        pytest.param([EMOJI], False, id="emoji"),
        pytest.param(MIXED, True, id="mixed"),
    ],
)
async def test_a_budget_of_4096_tokens_is_filled_by_the_model_s_own_count(
    base_url: str, texts: list[str], system: bool
) -> None:
    prompt = fitted(texts, system)
    assert prompt.dropped
    assert prompt.input_tokens > CONTEXT_TOKENS * 0.8
    written = (await posted(base_url.removesuffix("/v1"), "/apply-template", asked(prompt)))["prompt"]
    counted = len(await tokens_of(base_url, written, special=True))
    assert prompt.input_tokens == counted


async def test_the_usage_that_the_model_reports_is_our_count(base_url: str) -> None:
    # It reads the whole prompt, on every core: a shorter one tells as much.
    prompt = fitted(MIXED, True, replace(LOCAL, context_tokens=1_024))
    assert prompt.dropped
    counted = (await posted(base_url, "/chat/completions", asked(prompt)))["usage"]["prompt_tokens"]
    assert prompt.input_tokens == counted


async def test_texts_have_the_very_tokens_that_the_model_sees(base_url: str) -> None:
    encoding = vocabularies.load("smollm2")
    for text in (*MIXED, Path(__file__).read_text(encoding="utf-8")):
        assert await tokens_of(base_url, text, special=False) == encoding.encode_ordinary(text)


def test_the_shipped_vocabulary_is_what_the_weights_say() -> None:
    shipped = gzip.decompress((vocabularies.FOLDER / vocabularies.SMOLLM2_FILE).read_bytes())
    assert shipped.decode() == tiktoken_text(ranks_of(model.weights()))


def test_a_file_without_a_vocabulary_is_told_in_one_sentence(tmp_path: Path) -> None:
    file = tmp_path / "no.gguf"
    file.write_bytes(b"not a model" * 10)
    with pytest.raises(VocabularyError, match="is no GGUF file"):
        ranks_of(file)
