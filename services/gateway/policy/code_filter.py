"""Answers without their code, while they stream: what stands between fences becomes one sentence. Pure.

Source of what a fence is: CommonMark 0.31, 4.5: at least three backticks or tildes, indented by at most three blanks;
it is closed by at least as many of the same, alone on their line, or by the end of the text.
"""

import re

_OPENING = re.compile(r" {0,3}(?P<mark>`{3,}|~{3,})(?P<info>[^\n]*)")
# What may still become a fence, while its line is not whole.
_LINES = re.compile(r"[^\n]*\n|[^\n]+")

_MAYBE = re.compile(r" {0,3}(?:`*|~*)")


class CodeFilter:
    """Takes the text of one answer in pieces, cut anywhere, and gives what may be shown of it."""

    def __init__(self, notice: str) -> None:
        """Put this sentence in place of each block of code."""
        self._notice = notice
        # The fence that is open, "" none; and the line under way, as far as it cannot be judged yet.
        self._fence = ""
        self._line = ""
        self._begins_line = True

    def feed(self, text: str) -> str:
        """What may be shown now."""
        shown: list[str] = []
        for part in _LINES.findall(text):
            self._take(part, shown)
        return "".join(shown)

    def finish(self) -> str:
        """What may be shown when the text is whole."""
        shown: list[str] = []
        if self._line:
            self._judge(self._line, shown)
            self._line = ""
        return "".join(shown)

    def _take(self, part: str, shown: list[str]) -> None:
        if not self._begins_line:
            # The rest of a line that is no fence.
            shown.append(part)
            self._begins_line = part.endswith("\n")
            return
        self._line += part
        if self._line.endswith("\n"):
            line, self._line = self._line, ""
            self._judge(line, shown)
        elif not self._fence and not self._may_be_fence():
            shown.append(self._line)
            self._line, self._begins_line = "", False

    def _may_be_fence(self) -> bool:
        return _MAYBE.fullmatch(self._line) is not None or _OPENING.match(self._line) is not None

    def _judge(self, line: str, shown: list[str]) -> None:
        """A whole line: it opens a block, closes it, is inside, or is none of its business."""
        found = _OPENING.fullmatch(line.rstrip("\r\n"))
        if self._fence:
            if found and not found["info"].strip() and found["mark"].startswith(self._fence):
                self._fence = ""
            return
        # The info string of a fence of backticks has none itself: else it is code within a line.
        if found and not (found["mark"][0] == "`" and "`" in found["info"]):
            self._fence = found["mark"]
            shown.append(f"{self._notice}\n")
            return
        shown.append(line)
