"""The lexicon alone: how many texts a core judges, and what 100,000 entries cost.

`make bench` measures it too; alone it is `python -m bench.lexicon`. Each figure is the median of three, measured in a
process of its own that does nothing else.
"""

import argparse
import gc
import json
import random
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path

from services.moderation.config import ModerationSettings
from services.moderation.domain import Direction
from services.moderation.layers.policy import LearnedPolicy
from services.moderation.learned.features import Featurizer
from services.moderation.learned.judging import LearnedLayer
from services.moderation.learned.model import SHIPPED, Screener, read_weights
from services.moderation.lexicon.automaton import Automaton, Role, Sought
from services.moderation.lexicon.entries import Entry, Evasion, Tier
from services.moderation.lexicon.judging import CONTEXT_CHARACTERS, judge
from services.moderation.lexicon.lexicon import Lexicon
from services.moderation.lexicon.screening import screen
from services.moderation.lexicon.spelling import shipped_speller
from services.moderation.lists.domain import compiled, read_list
from services.moderation.lists.formats import form_of_file

_ROUNDS = 3
_TEXTS = 2_000
_TEXT_CHARACTERS = 100
_WINDOW_CHARACTERS = 20
_ANSWERS = 100
_ENTRIES = 100_000

# Texts a second a core, seconds, and MB.
_TARGETS = {"without normalisation": 60_000, "every normalisation": 20_000}
_LOAD_S, _LOAD_MB = 2.0, 200.0
_LEARNED_US = 150.0

# In falling order of use in ordinary prose; weights fall as 1/rank does (Zipf).
_COMMON = (
    "的一是不了在人有我他这个们中来上大为和国地到以说时要就出会可也你对生能而子那得于着下自之年过发后作里用道行所然家种事成方"
    "多经么去法学如都同现当没动面起看定天分还进好小部其些主样理心她本前开但因只从想实日军者意无力它与长把机十民第公此已工使情"
    "明性知全三又关点正业外将两高间由问很最重并物手应战向头文体政美相见被利什二等产或新己制身果加西斯月话合回特代内信表化老给"
    "世位次度门任常先海通教儿原东声提立及比员解水名真论处走义各入几口认条平系气题活尔更别打女变四神总何电数安少报才结反受目太"
)


@dataclass(frozen=True, slots=True)
class Measured:
    """Texts of 100 characters a second, microseconds a window, what the learned layer adds, and what loading took."""

    texts_per_s: dict[str, float]
    window_us: float
    learned_us: float
    learned_window_us: float
    load_s: float
    load_mb: float


def measure() -> Measured:
    """Measure in a fresh process, whose memory nothing else has touched."""
    argv = [sys.executable, "-m", "bench.lexicon", "--json"]
    done = subprocess.run(argv, check=True, capture_output=True, text=True)
    return Measured(**json.loads(done.stdout))


def render(measured: Measured) -> str:
    """A table of it."""
    rows = [
        f"  {name:44s} {rate:>9,.0f} texts/s" + (f"  (target {_TARGETS[name]:,})" if name in _TARGETS else "")
        for name, rate in measured.texts_per_s.items()
    ]
    return "\n".join(
        [
            f"the lexicon, texts of {_TEXT_CHARACTERS} characters, one core",
            *rows,
            f"  {'a streamed window of 20, with its context':44s} {measured.window_us:>9.0f} µs",
            f"  {'the learned layer, a text':44s} {measured.learned_us:>9.0f} µs  (target {_LEARNED_US:g})",
            f"  {'the learned layer, a window of 100 at once':44s} {measured.learned_window_us:>9.0f} µs",
            f"  {_ENTRIES:,} entries: {measured.load_s:.2f} s (target {_LOAD_S:g}), "
            f"{measured.load_mb:.0f} MB (target {_LOAD_MB:g})",
        ]
    )


def _measured() -> Measured:
    chance = random.Random(1)  # the same texts each time
    # As a service's process does (services/runtime/process.py).
    gc.set_threshold(50_000, 50, 50)
    speller = shipped_speller()
    speller.folder.base("热身")
    load_s, load_mb, many = _load(chance)
    prose = [_prose(chance) for _ in range(_TEXTS)]
    shipped = _shipped()
    everything = Lexicon(_entry(chance, frozenset(Evasion)) for _ in range(3_000))
    disguised = [f"{text[:40]}🔫{text[40:60]}{text[59:80]}a$５{text[80:]}" for text in prose]
    plain = Automaton(
        Sought(speller.plain(entry.word), entry, Role.WORD) for entry in (_entry(chance) for _ in range(_ENTRIES))
    )
    rates = {
        "without normalisation": _rate(plain.hits, prose),
        "the lists that ship": _rate(lambda text: judge(shipped, text), prose),
        "100,000 entries": _rate(lambda text: judge(many, text), prose),
        "every normalisation": _rate(lambda text: judge(everything, text), prose),
        "every normalisation, disguised texts": _rate(lambda text: judge(everything, text), disguised),
    }
    windows = [("".join(chance.choices(prose, k=3))[:CONTEXT_CHARACTERS], text[:_WINDOW_CHARACTERS]) for text in prose]
    window_rate = _rate(lambda window: screen(shipped, window[1], preceding=window[0], last=False), windows)
    learned = LearnedLayer(_ShippedScreener(), LearnedPolicy())
    text_rate = _rate(lambda text: learned.judge(shipped, text, Direction.INPUT), prose)
    # Of these windows one in three ends a sentence, as in an answer of short ones.
    ended = [(before, f"{text}。" if number % 3 == 0 else text, False) for number, (before, text) in enumerate(windows)]
    # So many answers are written at once.
    calls = [ended[start : start + _ANSWERS] for start in range(0, len(ended), _ANSWERS)]
    learned_rate = _ANSWERS * _rate(lambda call: learned.judge_windows(shipped, call), calls)
    return Measured(rates, 1e6 / window_rate, 1e6 / text_rate, 1e6 / learned_rate, load_s, load_mb)


class _ShippedScreener:
    """The port `Screeners`: the weights that ship."""

    def __init__(self) -> None:
        self.current = Screener(read_weights(SHIPPED.read_bytes()), Featurizer.shipped())


def _load(chance: random.Random) -> tuple[float, float, Lexicon]:
    entries = [_entry(chance) for _ in range(_ENTRIES)]
    before = _peak_mb()
    seconds = []
    for _ in range(_ROUNDS):
        begin = time.perf_counter()
        Lexicon(entries)
        seconds.append(time.perf_counter() - begin)
    # Only one at a time was there.
    grown_mb = _peak_mb() - before
    return statistics.median(seconds), grown_mb, Lexicon(entries)


def _rate(work: Callable[..., object], items: Sequence[object]) -> float:
    rates = []
    for _ in range(_ROUNDS):
        begin = time.process_time()
        for item in items:
            work(item)
        rates.append(len(items) / (time.process_time() - begin))
    return statistics.median(rates)


def _entry(chance: random.Random, also: frozenset[Evasion] = frozenset()) -> Entry:
    word = "".join(chr(0x4E00 + chance.randrange(6_000)) for _ in range(chance.randint(2, 6)))
    return Entry(word, tier=chance.choice((Tier.BLOCK, Tier.REVIEW, Tier.LOG)), also=also)


def _prose(chance: random.Random) -> str:
    """Characters as often as they are in prose, and none beside itself."""
    weights = [1 / rank for rank in range(1, len(_COMMON) + 1)]
    drawn = chance.choices(_COMMON, weights, k=4 * _TEXT_CHARACTERS)
    apart = [first for first, second in pairwise(drawn) if first != second]
    return "".join(apart[:_TEXT_CHARACTERS])


def _shipped() -> Lexicon:
    folder: Path = ModerationSettings.model_fields["lexicon_path"].default
    files = sorted(file for file in folder.iterdir() if file.suffix in (".txt", ".csv"))
    return compiled((read_list(file.name, form_of_file(file.name), file.read_bytes()) for file in files), 0)


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.lexicon", description=__doc__)
    parser.add_argument("--json", action="store_true", help="measure in this very process, and print figures alone")
    if parser.parse_args().json:
        print(json.dumps(asdict(_measured())))
    else:
        print(render(measure()))


if __name__ == "__main__":
    main()
