"""A conversation's title, made from its first question. Pure."""

import re

_CHARACTERS_MAX = 30

# Code, and the marks of Markdown, are no part of a title.
_CODE = re.compile(r"```.*?(?:```|\Z)", re.DOTALL)
_MARKS = re.compile(r"^[#>*+\-\s]+|[`*_~]+", re.MULTILINE)
_BLANKS = re.compile(r"[\s\x00-\x1f\x7f]+")
_SENTENCE = re.compile(r".+?(?:[。！？!?]|[.;；](?=\s|$)|$)")

# Where a title may be cut without breaking a word.
_PAUSE = re.compile(r"[\s，、,;；:：]")


def title(question: str) -> str:
    """The first sentence, on one line, at most 30 characters; "" when there is nothing to name it by."""
    words = _MARKS.sub(" ", _CODE.sub(" ", question))
    text = _BLANKS.sub(" ", words).strip() or _BLANKS.sub(" ", question).strip()
    sentence = _SENTENCE.match(text)
    text = (sentence.group() if sentence else text).rstrip(" 。.;；").strip()
    if len(text) <= _CHARACTERS_MAX:
        return text
    head = text[: _CHARACTERS_MAX - 1]
    pauses = [pause.start() for pause in _PAUSE.finditer(head)]
    # A pause in the first half would leave too little of it.
    end = pauses[-1] if pauses and pauses[-1] >= _CHARACTERS_MAX // 2 else len(head)
    return head[:end].rstrip() + "…"
