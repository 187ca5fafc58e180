"""Where word lists are from: files, and the database. Each keeps what it read last that had nothing wrong in it."""

import asyncio
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from services.moderation.errors import InvalidListError
from services.moderation.lists.domain import StoredList, WordList, read_list
from services.moderation.lists.formats import BYTES_MAX, form_of_file, places
from services.moderation.lists.store import ListStore

_SUFFIXES = (".txt", ".csv")

# Of a file: its name, when it was changed (in nanoseconds), and its size in bytes.
_Stamp = tuple[str, int, int]


class Files:
    """The lists at a path: a file, or every .txt and .csv of a folder but hidden ones."""

    def __init__(self, path: Path) -> None:
        """Read from there; nothing is read yet."""
        self._path = path
        self._stamps: list[_Stamp] | None = None
        self._mistake: InvalidListError | None = None
        self.lists: tuple[WordList, ...] = ()

    async def read(self) -> None:
        """Read all files again if the name, time or size of any is new.

        Raises:
            InvalidListError: Something is wrong with them; `fields` has a sentence for each place ("a.txt:12").
        """
        try:
            stamps = await asyncio.to_thread(_stamps, self._path)
            if stamps != self._stamps:
                self._stamps, self._mistake = stamps, None
                self.lists = await asyncio.to_thread(_read_files, self._path)
        except InvalidListError as error:
            self._mistake = error
        except OSError as error:
            self._stamps = None
            raise _invalid({str(self._path): f"cannot be read ({error.strerror}): check LEXICON_PATH"}) from None
        if self._mistake is not None:
            raise self._mistake.with_traceback(None)


class Stored:
    """The stored lists, and the version that they are of."""

    def __init__(self, store: ListStore) -> None:
        """Read from there; nothing is read yet."""
        self._store = store
        self._seen_version: int | None = None
        self._mistake: InvalidListError | None = None
        self.version = 0
        self.lists: tuple[WordList, ...] = ()

    async def read(self) -> None:
        """Read all lists again if there is a new version.

        Raises:
            InvalidListError: Something is wrong with them; `fields` has a sentence for each place ("name:12").
            UnavailableError: The database does not answer.
        """
        if self._seen_version is None or await self._store.version() != self._seen_version:
            stored = await self._store.in_force()
            self._seen_version, self._mistake = stored.version, None
            try:
                self.lists = await asyncio.to_thread(_read_stored, stored.lists)
                self.version = stored.version
            except InvalidListError as error:
                self._mistake = error
        if self._mistake is not None:
            raise self._mistake.with_traceback(None)


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    return sorted(
        file for file in path.iterdir() if file.suffix in _SUFFIXES and not file.name.startswith(".") and file.is_file()
    )


def _stamps(path: Path) -> list[_Stamp]:
    stats = ((file.name, file.stat()) for file in _files(path))
    return [(name, stat.st_mtime_ns, stat.st_size) for name, stat in stats]


def _read_files(path: Path) -> tuple[WordList, ...]:
    files = _files(path)
    if not files:
        raise _invalid({str(path): "has no word list, such as 20006-crime.txt: check LEXICON_PATH"})
    lists: list[WordList] = []
    wrong: dict[str, str] = {}
    for file in files:
        try:
            lists.append(_read_file(file))
        except InvalidListError as error:
            wrong |= places(error, file.name)
    if wrong:
        raise _invalid(wrong)
    return tuple(lists)


def _read_file(file: Path) -> WordList:
    form = form_of_file(file.name)
    with file.open("rb") as opened:
        # A byte more than is allowed tells that there are too many.
        return read_list(file.name, form, opened.read(BYTES_MAX + 1))


def _read_stored(stored: Iterable[StoredList]) -> tuple[WordList, ...]:
    lists: list[WordList] = []
    wrong: dict[str, str] = {}
    for one in stored:
        try:
            read = read_list(one.name, one.form, one.content)
            lists.append(replace(read, stored=True, author=one.author, updated_at=one.updated_at))
        except InvalidListError as error:
            wrong |= places(error, one.name)
    if wrong:
        raise _invalid(wrong)
    return tuple(lists)


def _invalid(wrong: dict[str, str]) -> InvalidListError:
    place, why = next(iter(wrong.items()))
    more = f" ({len(wrong) - 1} more lines are wrong)" if len(wrong) > 1 else ""
    return InvalidListError(f"{place}: {why}.{more}", fields=wrong)
