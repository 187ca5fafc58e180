"""Word lists, where they are from, and what changes them. Pure."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from services.moderation.lexicon.entries import Entry
from services.moderation.lexicon.lexicon import Lexicon
from services.moderation.lists.formats import Form, read

# The stored list that single entries are added to and removed from.
ADDED = "added"

_VERSION_DIGITS = 12


@dataclass(frozen=True, slots=True)
class StoredList:
    """A list as it is stored; `author` stored it at `updated_at`."""

    name: str
    form: Form
    content: bytes = field(repr=False)
    entries: int
    author: str
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class StoredLists:
    """All stored lists in force, by name, and the version that made them so: 0 when none was ever stored."""

    version: int
    lists: tuple[StoredList, ...]


@dataclass(frozen=True, slots=True)
class Signature:
    """Who changes something, and why."""

    author: str
    reason: str


@dataclass(frozen=True, slots=True)
class Version:
    """A change of the stored lists."""

    number: int
    change: str
    author: str
    reason: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class WordList:
    """A list that was read.

    `sha256` is that of its content and form: two lists that agree in it have the same entries. `author` and
    `updated_at` are those of a stored list.
    """

    name: str
    sha256: bytes
    entries: tuple[Entry, ...] = field(repr=False, compare=False)
    stored: bool = False
    author: str = ""
    updated_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Info:
    """What is in force in a replica, and since when."""

    version: str
    stored_version: int
    entries: int
    loaded_at: datetime
    lists: tuple[WordList, ...]


def read_list(name: str, form: Form, content: bytes) -> WordList:
    """A list from its content.

    Raises:
        InvalidListError: Something is wrong with it.
    """
    entries = tuple(read(content, form, list_name=name))
    return WordList(name, _sha256(name.encode(), repr(form).encode(), content), entries)


def compiled(lists: Iterable[WordList], stored_version: int) -> Lexicon:
    """The lexicon of these lists; of equal entries the first counts, and stored lists come before files.

    So an operator can change what a file says of a word; and what was added one by one comes before everything.
    """
    ordered = sorted(lists, key=lambda one: (not one.stored, one.name != ADDED, one.name))
    contents = _sha256(*(one.sha256 for one in ordered)).hex()
    entries = (entry for one in ordered for entry in one.entries)
    return Lexicon(entries, version=f"{stored_version}-{contents[:_VERSION_DIGITS]}")


def _sha256(*parts: bytes) -> bytes:
    """Of the parts' own hashes, so that no part can be taken for the end of the one before it."""
    return hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts)).digest()
