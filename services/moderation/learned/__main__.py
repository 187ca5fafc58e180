"""`python -m services.moderation.learned`: trains the weights that ship, and says what they are worth.

`--check` writes nothing, and fails when the corpus no longer makes the weights that ship.
"""

import argparse
import sys

from services.moderation.learned.evaluation import measured, render
from services.moderation.learned.features import Featurizer
from services.moderation.learned.model import SHIPPED, Screener, read_weights
from services.moderation.learned.samples import HELD_OUT, TRAINED, questions, read_samples
from services.moderation.learned.training import train


def main() -> None:
    """Train, compare or write, and print the figures."""
    parser = argparse.ArgumentParser(prog="python -m services.moderation.learned", description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare with the weights that ship")
    check = parser.parse_args().check
    featurizer = Featurizer.shipped()
    samples = read_samples(TRAINED)
    written = sum(sample.written for sample in samples)
    about = f"{written:,} sentences written for it and {len(samples) - written:,} drawn from grammars or taken"
    content = train(samples, featurizer, questions=questions(), about=about)
    if check and SHIPPED.read_bytes() != content:
        sys.exit("The corpus makes other weights than those that ship: run `make train-screener` and commit them.")
    if not check:
        SHIPPED.write_bytes(content)
    screener = Screener(read_weights(content), featurizer)
    sys.stdout.write(f"{screener.version}: {about}\n")
    sys.stdout.write(render({"held out": measured(screener, read_samples(HELD_OUT))}) + "\n")


if __name__ == "__main__":
    main()
