"""Token counts by tiktoken, with the vocabularies that are shipped."""

import asyncio

import tiktoken

from services.chat import vocabularies

_SLICE = 50_000


class TiktokenTokenizer:
    """Counts tokens in the encodings it was given, which `prepare` loads: a laptop's model needs one of three."""

    def __init__(self, encodings: frozenset[str]) -> None:
        """Count in these.

        Raises:
            ValueError: An encoding is unknown.
        """
        unknown = encodings - vocabularies.NAMES
        if unknown:
            raise ValueError(f"there is no encoding {', '.join(sorted(unknown))}")
        self._encodings: dict[str, tiktoken.Encoding] = {}

    async def prepare(self, encodings: frozenset[str]) -> None:
        """Load these, up to three tenths of a second each, so that no turn waits for them."""
        for name in encodings - self._encodings.keys():
            self._encodings[name] = await asyncio.to_thread(vocabularies.load, name)

    def count(self, text: str, encoding: str) -> int:
        """Tokens of a text; what looks like a special token is ordinary text, for a user wrote it."""
        if encoding not in self._encodings:
            self._encodings[encoding] = vocabularies.load(encoding)
        encode = self._encodings[encoding].encode_ordinary
        # In slices: the library panics on a million blanks. A cut costs a token at most.
        return sum(len(encode(text[start : start + _SLICE])) for start in range(0, len(text), _SLICE))
