"""Changes of the stored lists: whatever is stored was read and compiled before."""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from services.moderation.errors import EntryNotFoundError, InvalidListError, ListNotFoundError
from services.moderation.lexicon.entries import Entry, Tier
from services.moderation.lexicon.spelling import fold_key
from services.moderation.lists.columns import complaint
from services.moderation.lists.domain import ADDED, Signature, StoredList, WordList, read_list
from services.moderation.lists.formats import Form, Format, read, write
from services.moderation.lists.library import Library
from services.moderation.lists.ports import RetainedTexts
from services.moderation.lists.store import ListStore
from services.moderation.lists.trial import Trial, try_out

# Of refused texts that were kept, so many are tried.
_RETAINED_TEXTS = 2_000

_ADDED_FORM = Form(Format.CSV)

# From fold_key: entries by what they are to the matcher.
_Entries = dict[str, Entry]


@dataclass(frozen=True, slots=True)
class PutReport:
    """What was stored, or would be: `version` is 0 when nothing was to be."""

    version: int
    entries: int
    added: int
    removed: int
    trial: Trial


class ListEditor:
    """Changes stored lists; also the audit's port `Allowing`.

    Every method raises UnavailableError when the database does not answer.
    """

    def __init__(self, store: ListStore, library: Library, retained: RetainedTexts) -> None:
        """Change this store; try changes on the library's lexicon and on these texts."""
        self._store = store
        self._library = library
        self._retained = retained

    async def put(self, name: str, form: Form, content: bytes, texts: Sequence[str], by: Signature | None) -> PutReport:
        """Store a list and report what it does to texts; without a signature, only report.

        Raises:
            InvalidListError: Something is wrong with it; `fields` has a sentence for each wrong line ("line 12").
        """
        new = replace(await asyncio.to_thread(read_list, name, form, content), stored=True)
        after = await self._library.compiled_with(new)
        tried = [*texts, *await self._retained.recent(_RETAINED_TEXTS)]
        trial = await asyncio.to_thread(try_out, self._library.current, after, tried)
        added, removed = await self._difference(new)
        version = await self._store.put(name, form, content, len(new.entries), by) if by is not None else 0
        return PutReport(version, len(new.entries), added, removed, trial)

    async def add(self, entries: Sequence[Entry], by: Signature) -> int:
        """Add entries to the list ADDED, each in the place of one that is the same word; answers the version.

        What is there already changes nothing; then it answers the present version.

        Raises:
            InvalidListError: An entry is wrong, or the list is full; `fields` names it ("entries[0]").
        """
        _check(entries)
        new = _by_key(entries)
        return await self._edit(f"add {_count(new)}", lambda old: old | new, by)

    async def allow(self, phrase: str, author: str, reason: str) -> int:
        """Make a phrase innocent; answers the version, the present one when it is already, however it was written.

        Raises:
            InvalidListError: It can be no entry.
        """
        entry = Entry(phrase, tier=Tier.ALLOW)
        _check([entry])
        key = fold_key(entry)

        def allowing(old: _Entries) -> _Entries:
            known = old.get(key)
            return old if known is not None and known.tier is Tier.ALLOW else old | {key: entry}

        return await self._edit("add 1 entry", allowing, Signature(author, reason))

    async def remove(self, words: Sequence[str], by: Signature) -> int:
        """Remove all entries of these words from the list ADDED; answers the version that this made.

        Raises:
            EntryNotFoundError: A word is not there; nothing is changed.
        """

        def without(old: _Entries) -> _Entries:
            keys = set(map(_word_key, words))
            known = {_word_key(entry.word) for entry in old.values()}
            for index, word in enumerate(words):
                if _word_key(word) not in known:
                    raise EntryNotFoundError(
                        f'Word {index + 1} of the request is not in the list "{ADDED}"; nothing is removed.',
                        fields={f"words[{index}]": "is not there"},
                    )
            return {key: entry for key, entry in old.items() if _word_key(entry.word) not in keys}

        return await self._edit(f"remove {_count(words)}", without, by)

    async def _edit(self, change: str, edit: Callable[[_Entries], _Entries], by: Signature) -> int:
        def edited(old: StoredList | None) -> tuple[Form, bytes, int]:
            entries = edit(_by_key(read(old.content, old.form, list_name=ADDED)) if old is not None else {})
            content = write(entries.values())
            # What can be written can be read, unless it became too large.
            read(content, _ADDED_FORM, list_name=ADDED)
            return _ADDED_FORM, content, len(entries)

        return await self._store.edit(ADDED, change, lambda old: asyncio.to_thread(edited, old), by)

    async def _difference(self, new: WordList) -> tuple[int, int]:
        """How many entries the list of this name did not have before, and how many it has no more."""
        try:
            old = await self._store.get(new.name)
        except ListNotFoundError:
            return len(new.entries), 0
        return await asyncio.to_thread(_compare, old, new)


def _check(entries: Iterable[Entry]) -> None:
    wrong = {f"entries[{index}]": why for index, entry in enumerate(entries) if (why := complaint(entry))}
    if wrong:
        place, why = next(iter(wrong.items()))
        raise InvalidListError(f"{place}: {why}.", fields=wrong)


def _compare(old: StoredList, new: WordList) -> tuple[int, int]:
    before = set(read(old.content, old.form, list_name=new.name))
    after = set(new.entries)
    return len(after - before), len(before - after)


def _by_key(entries: Iterable[Entry]) -> _Entries:
    """Entries by what they are to the matcher; of equal ones the last counts."""
    return {fold_key(entry): entry for entry in entries}


def _word_key(word: str) -> str:
    return fold_key(Entry(word))


def _count(items: Mapping[str, Entry] | Sequence[str]) -> str:
    return "1 entry" if len(items) == 1 else f"{len(items)} entries"
