"""Token counts by tiktoken, with the vocabularies that are shipped."""

from services.chat import vocabularies

_SLICE = 50_000


class TiktokenTokenizer:
    """Counts tokens in the encodings it was given."""

    def __init__(self, encodings: frozenset[str]) -> None:
        """Load the encodings now (a tenth of a second each), so that no request waits for them.

        Raises:
            ValueError: An encoding is unknown.
        """
        unknown = encodings - vocabularies.NAMES
        if unknown:
            raise ValueError(f"there is no encoding {', '.join(sorted(unknown))}")
        self._encodings = {name: vocabularies.load(name) for name in encodings}

    def count(self, text: str, encoding: str) -> int:
        """Tokens of a text; what looks like a special token is ordinary text, for a user wrote it."""
        encode = self._encodings[encoding].encode_ordinary
        # In slices: the library panics on a million blanks. A cut costs a token at most.
        return sum(len(encode(text[start : start + _SLICE])) for start in range(0, len(text), _SLICE))
