"""`python -m sandbox.vocabulary`: write the local model's vocabulary where the chat service ships it.

Once for each model: the result is committed. It needs the group `quantize`, which brings the reader of model files.
"""

import argparse
import gzip
import sys
from pathlib import Path

from sandbox import model
from sandbox.vocabulary.gguf_bpe import VocabularyError, ranks_of, tiktoken_text
from services.chat import vocabularies


def main() -> None:
    """Read the weights, write the vocabulary, say how large it is."""
    parser = argparse.ArgumentParser(prog="python -m sandbox.vocabulary", description=__doc__)
    parser.add_argument("--out", type=Path, default=vocabularies.FOLDER / vocabularies.SMOLLM2_FILE)
    out = parser.parse_args().out
    try:
        ranks = ranks_of(model.weights())
    except (VocabularyError, OSError) as error:
        sys.exit(f"vocabulary: {error}")
    # Without a time in it, the same weights give the same file.
    out.write_bytes(gzip.compress(tiktoken_text(ranks).encode(), mtime=0))
    print(f"{out}: {len(ranks)} tokens, {out.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
