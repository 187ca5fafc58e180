"""Reads the corpus: sentences that were written, and grammars that say the same in further words.

A `.txt` has one sentence a line. A `.grammar` has lines `[slot] one|another|…`, which may be empty or hold slots
themselves, then lines with `{slot}` in them, of which sentences are drawn: `count 500` says how many. A `.taken` has
sentences of an openly licensed collection, one a line. A file is named `LABEL-anything`, or `innocent-anything`.
# begins a comment.
"""

import random
import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from services.moderation.domain import LABELS

CORPUS = Path(__file__).with_name("corpus")
TRAINED = CORPUS / "trained"
HELD_OUT = CORPUS / "held_out"
CALIBRATION = CORPUS / "calibration"

_SHARED = "shared.slots"
_SUFFIXES = (".txt", ".grammar", ".taken")
_SLOT = re.compile(r"\{(\w+)\}")
_DEFINITION = re.compile(r"\[(\w+)\] ?(.*)")
_DRAWS_PER_SENTENCE = 20
_HELD_OUT_EVERY = 5


@dataclass(frozen=True, slots=True)
class Sample:
    """A sentence and its label, 0 for an innocent one; `written` is False for what a grammar made, or was taken."""

    label: int
    text: str
    written: bool = True


def is_held_out(sample: Sample) -> bool:
    """Whether a text from elsewhere is kept for measuring: one in five, told by the text itself, always the same."""
    return zlib.crc32(sample.text.encode(errors="surrogatepass")) % _HELD_OUT_EVERY == 0


def read_samples(folder: Path) -> list[Sample]:
    """All sentences of a folder, each once, in the same order on every machine.

    Raises:
        ValueError: A file is named or written in another way; the sentence names it.
    """
    shared = _slots((folder / _SHARED).read_text(encoding="utf-8").splitlines()) if (folder / _SHARED).exists() else {}
    found: dict[str, Sample] = {}
    for file in sorted(folder.iterdir(), key=lambda file: (file.suffix != ".txt", file.name)):
        if file.suffix not in _SUFFIXES:
            continue
        label = _label(file.stem)
        lines = [line for line in file.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]
        sentences = _drawn(lines, shared, file.name) if file.suffix == ".grammar" else lines
        for text in sentences:
            known = found.setdefault(text, Sample(label, text, file.suffix == ".txt"))
            if known.label != label and known.written and file.suffix == ".txt":
                raise ValueError(f"{file.name}: {text!r} has another label elsewhere.")
    return list(found.values())


def questions() -> list[str]:
    """The innocent questions by which thresholds are set: nothing is fitted to them."""
    return [sample.text for sample in read_samples(CALIBRATION)]


def _label(stem: str) -> int:
    name = stem.partition("-")[0]
    if name == "innocent":
        return 0
    if not name.isdecimal() or int(name) not in LABELS:
        raise ValueError(f"{stem}: a file's name begins with a label or with innocent.")
    return int(name)


def _slots(lines: Sequence[str]) -> dict[str, list[str]]:
    slots: dict[str, list[str]] = {}
    for line in lines:
        if match := _DEFINITION.fullmatch(line):
            slots.setdefault(match[1], []).extend(match[2].split("|"))
    return slots


def _drawn(lines: Sequence[str], shared: Mapping[str, list[str]], name: str) -> Iterator[str]:
    chance = random.Random(name)  # noqa: S311  # the same sentences each time
    slots = {**shared, **_slots(lines)}
    templates = [line for line in lines if not _DEFINITION.fullmatch(line) and not line.startswith("count ")]
    count = next(int(line.removeprefix("count ")) for line in lines if line.startswith("count "))
    drawn: dict[str, None] = {}
    for _ in range(count * _DRAWS_PER_SENTENCE):
        if len(drawn) == count:
            break
        drawn.setdefault(_filled(chance.choice(templates), slots, chance, name))
    return iter(drawn)


def _filled(template: str, slots: Mapping[str, list[str]], chance: random.Random, name: str) -> str:
    while match := _SLOT.search(template):
        if match[1] not in slots:
            raise ValueError(f"{name}: there is no slot {match[1]}.")
        template = template[: match.start()] + chance.choice(slots[match[1]]) + template[match.end() :]
    return template
