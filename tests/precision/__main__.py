"""`python -m tests.precision`: what the lists and the weights that ship refuse or refer, and what they should not.

`--weights FILE` measures other weights. Sentences that went wrong are shown only of those that lists are made by: of
the others nobody is to know before there are new ones.
"""

import argparse
import sys
from pathlib import Path

from services.moderation.learned.judging import LearnedLayer
from services.moderation.learned.model import SHIPPED
from services.moderation.learned.samples import HELD_OUT
from services.moderation.lexicon.lexicon import Lexicon
from tests.precision.corpus import LOOKS, by_kind, development, held_out, unseen
from tests.precision.evaluation import evaluate, local, mistakes, shipped, shipped_learned


def _local(lexicon: Lexicon, learned: LearnedLayer) -> list[str]:
    parts = {"held out": HELD_OUT, **LOOKS}
    texts = {
        **{f"{part}, {kind}": each for part, folder in parts.items() for kind, each in by_kind(folder).items()},
        "unseen, innocent": unseen().innocent,
        "unseen, harmful": [text for _, text in unseen().harmful],
        "beside the lists, innocent": held_out().innocent,
    }
    rows = ((name, local(lexicon, learned, each)) for name, each in texts.items())
    return [f"  {name}: {f.refused} | {f.by_lists} | {f.by_scores} | {f.by_both}" for name, f in rows]


def main() -> None:
    """Print the report."""
    parser = argparse.ArgumentParser(prog="python -m tests.precision", description=__doc__)
    parser.add_argument("--weights", type=Path, default=SHIPPED, help="a weights file; default: the one that ships")
    learned = shipped_learned(parser.parse_args().weights)
    lexicon = shipped()
    lines = [f"{len(lexicon)} entries"]
    for title, corpus in (("development", development()), ("held out", held_out()), ("unseen", unseen())):
        result = evaluate(lexicon, corpus)
        shares = {
            "innocent refused": result.refused_innocent,
            "innocent referred": result.referred_innocent,
            "harmful refused": result.refused_harmful,
            "… or referred": result.caught_harmful,
            **{f"  {name}": share for name, share in result.refused_by_evasion.items()},
            **{f"  {label}": share for label, share in result.refused_by_label.items()},
        }
        lines += ["", title, *(f"  {name:20s} {share}" for name, share in shares.items())]
    lines += ["", "lists refuse | lists catch | scores catch | both catch", *_local(lexicon, learned)]
    lines += ["", "development, gone wrong:", *mistakes(lexicon, development())]
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
