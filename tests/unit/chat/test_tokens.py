"""Counts are the provider's own: checked against what a provider does with a conversation."""

from dataclasses import replace
from functools import cache

import pytest
import tiktoken
from bpe_openai import registry
from hypothesis import given, settings
from hypothesis import strategies as st

from services.chat import vocabularies
from services.chat.domain import Message, Model, Role
from services.chat.tokens import TiktokenTokenizer
from services.chat.window import fit, weigh

TOKENIZER = TiktokenTokenizer(vocabularies.NAMES)
OPENAI = ("o200k_base", "cl100k_base")

CHINESE = "昨天我去了鹊桥边上的茶馆，点了一壶龙井，听老板讲了半个下午的牛郎织女。你说，传说里哪些是真的？\n"
ENGLISH = "It's 7:30 p.m. in Hangzhou; they've walked 12,345 steps — and don't intend to stop.\n\n"
CODE = "async def fit(history: list[Message]) -> Prompt:\n    return [m for m in history if m.tokens < 4_096]  # 注释\n"
EMOJI = "👨‍👩‍👧‍👦 在 🌉 上 🎋！ café naïve ½ ２０２６ \u200b\t☕️\r\n"
TEXTS = (CHINESE, ENGLISH, CODE, EMOJI)

# How OpenAI writes a conversation (ChatML): what stands for a message is 3 special tokens, the role and the text.
_SPECIAL = ("<|im_start|>", "<|im_sep|>", "<|im_end|>")


@cache
def provider(name: str) -> tiktoken.Encoding:
    """The encoding as a provider has it, with the special tokens of conversations."""
    plain = vocabularies.load(name)
    special = {token: plain.n_vocab + number for number, token in enumerate(_SPECIAL)}
    return tiktoken.Encoding(
        f"{name}_chat", pat_str=plain._pat_str, mergeable_ranks=plain._mergeable_ranks, special_tokens=special
    )


@pytest.mark.parametrize("name", OPENAI)
def test_an_encoding_is_the_one_that_its_wheel_defines(name: str) -> None:
    published, ours = registry.ENCODING_CONSTRUCTORS[name](), vocabularies.load(name)
    assert ours._pat_str == published["pat_str"]
    assert ours._mergeable_ranks == published["mergeable_ranks"]


def counted_by_provider(messages: list[Message], name: str) -> int:
    rendered = "".join(f"<|im_start|>{message.role}<|im_sep|>{message.content}<|im_end|>" for message in messages)
    return len(provider(name).encode(f"{rendered}<|im_start|>assistant<|im_sep|>", allowed_special="all"))


def conversation(*texts: str) -> list[Message]:
    roles = (Role.USER, Role.ASSISTANT)
    return [Message(roles[number % 2], text) for number, text in enumerate(texts)]


@pytest.mark.parametrize("encoding", OPENAI)
@given(
    texts=st.lists(st.one_of(st.sampled_from(TEXTS), st.text(max_size=200)), min_size=1, max_size=9),
    system=st.booleans(),
)
@settings(max_examples=150, deadline=None)
def test_a_prompt_has_the_tokens_that_the_provider_counts(encoding: str, texts: list[str], system: bool) -> None:
    target = Model("m", 1_000_000, 1_000, encoding)
    messages = [Message(Role.SYSTEM, CHINESE)] * system + conversation(*texts)
    weighed = [weigh(message, target, TOKENIZER) for message in messages]
    assert fit(weighed[:-1], weighed[-1:], target, None).input_tokens == counted_by_provider(messages, encoding)


@pytest.mark.parametrize("encoding", OPENAI)
@pytest.mark.parametrize("text", TEXTS)
def test_a_budget_of_4096_tokens_is_filled_to_the_provider_s_own_count(encoding: str, text: str) -> None:
    target = Model("m", 4_096, 512, encoding)
    history = [weigh(message, target, TOKENIZER) for message in conversation(*[text] * 1_000)]
    prompt = fit(history, [weigh(Message(Role.USER, text), target, TOKENIZER)], target, None)
    assert prompt.input_tokens == counted_by_provider(list(prompt.messages), encoding)
    exchange = 2 * (history[0].tokens + target.message_tokens)
    assert 4_096 - 512 - exchange < prompt.input_tokens <= 4_096 - 512


def test_what_looks_like_a_special_token_is_text() -> None:
    for encoding in vocabularies.NAMES:
        assert TOKENIZER.count("<|endoftext|><|im_start|>", encoding) > 2


@pytest.mark.parametrize("encoding", sorted(vocabularies.NAMES))
def test_a_text_that_is_counted_in_slices_gains_a_token_a_cut_at_most(encoding: str) -> None:
    text = (CHINESE + ENGLISH + CODE) * 700
    whole = len(vocabularies.load(encoding).encode_ordinary(text))
    assert 0 <= TOKENIZER.count(text, encoding) - whole <= len(text) // 50_000


@pytest.mark.parametrize("encoding", sorted(vocabularies.NAMES))
@pytest.mark.parametrize(
    "text", [" " * 1_000_000, "字" * 200_000, "a" * 200_000, "\ud800 half a character", "\x04\x00"]
)
def test_nothing_that_can_be_sent_breaks_the_count(encoding: str, text: str) -> None:
    assert TOKENIZER.count(text, encoding) > 0


def test_an_encoding_that_is_not_shipped_is_named() -> None:
    with pytest.raises(ValueError, match="there is no encoding p50k_base"):
        TiktokenTokenizer(frozenset({"p50k_base", "o200k_base"}))


async def test_a_vocabulary_is_loaded_once_and_when_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded: list[str] = []
    load = vocabularies.load

    def counted(name: str) -> tiktoken.Encoding:
        loaded.append(name)
        return load(name)

    monkeypatch.setattr(vocabularies, "load", counted)
    tokenizer = TiktokenTokenizer(vocabularies.NAMES)
    assert loaded == []
    for _ in range(2):
        await tokenizer.prepare(frozenset({"smollm2"}))
    assert tokenizer.count("hello", "smollm2") == 1
    assert loaded == ["smollm2"]


def test_what_is_counted_once_is_not_counted_again() -> None:
    target = Model("m", 4_096, 512, "o200k_base")
    known = Message(Role.USER, ENGLISH, tokens=7, encoding="o200k_base")
    assert weigh(known, target, TOKENIZER) is known
    other = weigh(known, replace(target, encoding="cl100k_base"), TOKENIZER)
    assert (other.tokens, other.encoding) == (TOKENIZER.count(ENGLISH, "cl100k_base"), "cl100k_base")
