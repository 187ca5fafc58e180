"""`python -m tests.precision`: what the lists that ship refuse, and what they should not."""

import sys

from tests.precision.corpus import development, held_out, unseen
from tests.precision.evaluation import evaluate, mistakes, shipped


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
    lines += ["", "development, gone wrong:", *mistakes(lexicon, development())]
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
