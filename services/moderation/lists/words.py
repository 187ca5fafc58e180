"""Reading word lists.

A list is a UTF-8 text file named `LABEL-anything.txt`, where LABEL is the WeChat label code of its words (20001
politics, 20002 porn, 20003 abuse, 20006 crime, 20008 fraud, 20012 vulgar, 21000 other). One word a line; empty lines
and lines that begin with # are comments.
"""

from collections.abc import Iterator
from pathlib import Path

from services.moderation.lexicon.folding import Folder
from services.moderation.lexicon.lexicon import Word, fold_word
from services.runtime.errors import StartupError

LABELS = (10001, 20001, 20002, 20003, 20006, 20008, 20012, 20013, 21000)

_WORD_CHARACTERS_MAX = 64


def read_words(path: Path) -> list[Word]:
    """Every word of a list, or of every list in a folder.

    Raises:
        StartupError: Something is wrong with a list; the sentence names file and line.
    """
    files = [path] if path.is_file() else sorted(path.glob("*.txt"))
    if not files:
        raise StartupError(f"{path} has no word list (LABEL-anything.txt): check LEXICON_PATH.")
    words: dict[tuple[bool, str], tuple[Word, str]] = {}
    folder = Folder()
    for file in files:
        label = _label(file)
        for number, text in _lines(file):
            where = f"{file.name}:{number}"
            if len(text) > _WORD_CHARACTERS_MAX:
                raise StartupError(f"{where}: the entry is longer than {_WORD_CHARACTERS_MAX} characters.")
            if not folder.compact(text):
                raise StartupError(f"{where}: nothing is left of this entry once spaces and punctuation are ignored.")
            key = fold_word(folder, text)
            if key in words:
                raise StartupError(f"{where}: the same word stands at {words[key][1]}.")
            words[key] = (Word(text, label), where)
    return [word for word, _ in words.values()]


def _label(file: Path) -> int:
    code = file.name.split("-", 1)[0]
    if not code.isdecimal() or int(code) not in LABELS:
        known = ", ".join(map(str, LABELS))
        raise StartupError(f"{file.name}: a list's name begins with a label code, one of {known}.")
    return int(code)


def _lines(file: Path) -> Iterator[tuple[int, str]]:
    try:
        data = file.read_bytes()
    except OSError as error:
        raise StartupError(f"{file} cannot be read ({error.strerror}): check LEXICON_PATH.") from None
    for number, line in enumerate(data.splitlines(), start=1):
        try:
            text = line.decode("utf-8-sig" if number == 1 else "utf-8").strip()
        except UnicodeDecodeError:
            raise StartupError(f"{file.name}:{number}: the line is not UTF-8; save the file as UTF-8.") from None
        if text and not text.startswith("#"):
            yield number, text
