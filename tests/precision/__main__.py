"""`python -m tests.precision`: what the lists that ship refuse, and what they should not."""

import sys

from services.moderation.learned.samples import HELD_OUT, read_samples
from services.moderation.lexicon.lexicon import Lexicon
from tests.precision.corpus import development, held_out, unseen
from tests.precision.evaluation import evaluate, local, mistakes, shipped, shipped_learned


def _local(lexicon: Lexicon) -> list[str]:
    learned = shipped_learned()
    held_out_corpus: dict[str, list[str]] = {}
    for sample in read_samples(HELD_OUT):
        held_out_corpus.setdefault(str(sample.label) if sample.label else "innocent", []).append(sample.text)
        if sample.label:
            held_out_corpus.setdefault("harmful", []).append(sample.text)
    texts = {
        **{f"the corpus's held-out part, {name}": each for name, each in sorted(held_out_corpus.items())},
        "unseen, innocent": unseen().innocent,
        "unseen, harmful": [text for _, text in unseen().harmful],
        "beside the lists, innocent": held_out().innocent,
    }
    rows = ((name, local(lexicon, learned, each)) for name, each in texts.items())
    return [f"  {name}: {f.refused} | {f.by_lists} | {f.by_scores} | {f.by_both}" for name, f in rows]


def main() -> None:
    """Print the report; sentences that went wrong are shown only of those that lists are made by."""
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
    lines += ["", "lists refuse | lists catch | scores catch | both catch", *_local(lexicon)]
    lines += ["", "development, gone wrong:", *mistakes(lexicon, development())]
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
