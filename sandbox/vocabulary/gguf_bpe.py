"""A GGUF file's byte-pair vocabulary as tiktoken's ranks.

Both merge the pair that was learnt first. GGUF lists the pairs in that order, in the alphabet of GPT-2's encoder, which
writes every byte as a printable character; tiktoken takes what a pair merges to, in bytes, with its rank.
"""

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gguf

_NORMAL = 1


class VocabularyError(Exception):
    """The file has no vocabulary that tiktoken can have; the sentence says why."""


def ranks_of(file: Path) -> dict[bytes, int]:
    """Tokens in bytes, with their ids, which are their ranks.

    tiktoken needs every byte. Those that the model has no token for (llama.cpp drops them) come after all others:
    they are parts of no character that is in use, and count one token too many if one is sent.

    Raises:
        VocabularyError: It is no byte-pair vocabulary, or its ids are not in the order of its merges.
    """
    try:
        reader = gguf.GGUFReader(file)
    except ValueError as error:
        raise VocabularyError(f"{file} is no GGUF file that can be read ({error}).") from None
    kind, tokens, types, merges = (_field(reader, name) for name in ("model", "tokens", "token_type", "merges"))
    if kind != "gpt2":
        raise VocabularyError(f"the vocabulary is of the kind {kind}; only byte pairs (gpt2) can be read.")
    ids = {token: number for number, (token, type_) in enumerate(zip(tokens, types, strict=True)) if type_ == _NORMAL}
    merged = [ids.get(merge.replace(" ", "")) for merge in merges]
    numbers = [number for number in merged if number is not None]
    if len(numbers) < len(merges) or numbers != sorted(set(numbers)):
        raise VocabularyError("the ids are not in the order of the merges: a rank would not be an id.")
    byte_of = _bytes_of_characters()
    ranks = {bytes(byte_of[character] for character in token): number for token, number in ids.items()}
    missing = [bytes([byte]) for byte in range(256) if bytes([byte]) not in ranks]
    return ranks | {byte: len(tokens) + place for place, byte in enumerate(missing)}


def tiktoken_text(ranks: Mapping[bytes, int]) -> str:
    """The ranks as tiktoken's own files have them: a token a line, in Base64, and its rank."""
    lines = sorted(ranks.items(), key=lambda item: item[1])
    return "".join(f"{base64.b64encode(token).decode()} {rank}\n" for token, rank in lines)


def _field(reader: Any, name: str) -> Any:
    field = reader.get_field(f"tokenizer.ggml.{name}")
    if field is None:
        raise VocabularyError(f"the file has no tokenizer.ggml.{name}: its vocabulary is not one of byte pairs.")
    return field.contents()


def _bytes_of_characters() -> dict[str, int]:
    """GPT-2's alphabet: a printable byte of Latin-1 is itself, the others follow from U+0100 on."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {chr(0x100 + place): byte for place, byte in enumerate(others)}
