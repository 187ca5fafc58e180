"""An answer in passages, as remote layers of moderation judge it. Pure."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from services.chat.verdicts import OutputPlan

_SENTENCE_END = re.compile(r"[。！？；!?;…\n]")

# Text without any end of a sentence is cut at so many times the length of a passage.
_LENGTHS_MAX = 2


@dataclass(frozen=True, slots=True)
class Passage:
    """A part of an answer to judge: `text`, of which the first characters are the end of the part before it.

    `start` is where that begins in the answer which is new in it; `referred` says that the lexicon refers a part of it.
    """

    text: str
    start: int
    referred: bool = False


class Passages:
    """Cuts an answer into passages; where, does not depend on how the answer arrives.

    A passage ends with the first sentence that makes it long enough. When the plan is to send referred ones alone, the
    others are left out.
    """

    def __init__(self, plan: OutputPlan) -> None:
        """Cut by this plan."""
        self._plan = plan
        self._overlap = ""
        self._text = ""
        self._start = 0
        self._referred = False

    @property
    def undecided_characters(self) -> int:
        """How much at the end of the answer belongs to a passage that is still to be sent."""
        return len(self._text) if self._referred or not self._plan.referred_only else 0

    def add(self, text: str, *, referred: bool) -> Iterator[Passage]:
        """Take in more of the answer; gives the passages that it completes. `referred` is said of all of `text`."""
        self._text += text
        self._referred |= referred
        while (end := self._end()) is not None:
            rest, self._text = self._text[end:], self._text[:end]
            yield from self.finish()
            self._text, self._referred = rest, referred and bool(rest)

    def finish(self) -> Iterator[Passage]:
        """Whatever is left is a passage."""
        if self.undecided_characters:
            yield Passage(self._overlap + self._text, self._start, self._referred)
        self._start += len(self._text)
        seen = self._overlap + self._text
        self._overlap = seen[max(0, len(seen) - self._plan.overlap_characters) :]
        self._text, self._referred = "", False

    def _end(self) -> int | None:
        enough = self._plan.passage_characters
        too_much = enough * _LENGTHS_MAX
        sentence = _SENTENCE_END.search(self._text, enough - 1, too_much)
        if sentence is not None:
            return sentence.end()
        return too_much if len(self._text) >= too_much else None
