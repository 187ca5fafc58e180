"""Changes of single entries and of lists: nothing that is wrong is stored, and no change is lost to another."""

import asyncio
from pathlib import Path

import pytest

from services.moderation.errors import EntryNotFoundError, InvalidListError
from services.moderation.lexicon.entries import Entry, Evasion, Tier
from services.moderation.lists.domain import ADDED, Signature
from services.moderation.lists.editing import ListEditor
from services.moderation.lists.formats import Form, Format, read
from services.moderation.lists.store import ListStore
from services.runtime.errors import UnavailableError
from tests.integration.moderation.audit.conftest import no_connections
from tests.integration.moderation.lists.conftest import Kept, Pool, Replica, Silence, replica

BY = Signature("clerk", "because")
TXT = Form(Format.TXT, 20006)


@pytest.fixture
def editor(one: Replica) -> ListEditor:
    return one.editor


async def added(store: ListStore) -> list[Entry]:
    """The entries of the list of single entries."""
    stored = await store.get(ADDED)
    return read(stored.content, stored.form, list_name="")


async def test_entries_are_kept_with_all_that_was_said_of_them(editor: ListEditor, store: ListStore) -> None:
    entries = [
        Entry('甲"词,', 20008, Tier.REVIEW, frozenset({Evasion.PINYIN}), ("出售", "代购"), 5),
        Entry("乙词", tier=Tier.ALLOW),
    ]
    assert await editor.add(entries, BY) == 1
    assert await added(store) == entries


async def test_the_same_word_again_takes_the_others_place(editor: ListEditor, store: ListStore) -> None:
    await editor.add([Entry("坏词", 20006), Entry("别的词")], BY)
    assert await editor.add([Entry("坏 词", 20008)], BY) == 2
    assert await added(store) == [Entry("坏 词", 20008), Entry("别的词")]


async def test_adding_what_is_there_changes_nothing(editor: ListEditor, store: ListStore) -> None:
    await editor.add([Entry("坏词")], BY)
    assert await editor.add([Entry("坏词"), Entry("坏词")], BY) == 1
    assert [version.number for version in await store.versions(limit=10)] == [1]


@pytest.mark.parametrize("again", ["文件词典", "文 件 词典", "文件詞典"])
async def test_a_phrase_that_is_allowed_already_changes_nothing(
    editor: ListEditor, store: ListStore, again: str
) -> None:
    assert await editor.allow("文件词典", "clerk", "a dictionary") == 1
    assert await editor.allow(again, "another", "an appeal") == 1
    assert await added(store) == [Entry("文件词典", tier=Tier.ALLOW)]


async def test_a_word_that_was_refused_can_be_allowed(editor: ListEditor, store: ListStore) -> None:
    await editor.add([Entry("坏词")], BY)
    assert await editor.allow("坏词", "clerk", "it was not bad") == 2
    assert await added(store) == [Entry("坏词", tier=Tier.ALLOW)]


async def test_a_wrong_entry_is_named_and_nothing_is_stored(editor: ListEditor, store: ListStore) -> None:
    with pytest.raises(InvalidListError) as caught:
        await editor.add([Entry("好词"), Entry("坏.*词"), Entry("，。")], BY)
    assert list(caught.value.fields) == ["entries[1]", "entries[2]"]
    with pytest.raises(InvalidListError):
        await editor.allow("。", "clerk", "")
    assert await store.version() == 0


async def test_removing_a_word_removes_all_its_entries(editor: ListEditor, store: ListStore) -> None:
    await editor.add([Entry("坏词"), Entry("坏词", near=("出售",)), Entry("别的词")], BY)
    assert await editor.remove(["坏 词"], BY) == 2
    assert await added(store) == [Entry("别的词")]


async def test_one_word_that_is_not_there_keeps_the_others(editor: ListEditor, store: ListStore) -> None:
    await editor.add([Entry("坏词")], BY)
    with pytest.raises(EntryNotFoundError) as caught:
        await editor.remove(["坏词", "没有的词"], BY)
    assert list(caught.value.fields) == ["words[1]"]
    assert await added(store) == [Entry("坏词")]


async def test_what_two_replicas_add_at_once_is_all_there(
    pool: Pool, folder: Path, one: Replica, store: ListStore
) -> None:
    async with replica(pool, folder, Silence()) as other:
        editors = (one.editor, other.editor)
        words = [f"第{number}词" for number in range(20)]
        versions = await asyncio.gather(
            *(editors[number % 2].add([Entry(word)], BY) for number, word in enumerate(words))
        )
    assert sorted(versions) == list(range(1, 21))
    assert {entry.word for entry in await added(store)} == set(words)


async def test_a_list_is_tried_on_texts_that_were_kept_and_replaces_only_itself(
    pool: Pool, folder: Path, store: ListStore
) -> None:
    async with replica(pool, folder, Silence(), kept=Kept(["旧的词在此", "文件词在此"])) as one:
        await one.editor.put("mine", TXT, "旧的词".encode(), [], BY)
        await one.library.refresh()
        report = await one.editor.put("mine", TXT, "新的词".encode(), ["新的词在此"], None)
    trial = report.trial
    # What the file refuses stays refused: only this list would change.
    assert (trial.texts, trial.refused_before, trial.refused_after) == (3, 2, 2)
    assert {(change.excerpt, change.refused) for change in trial.changes} == {
        ("新的词在此", True),
        ("旧的词在此", False),
    }
    assert (report.version, report.added, report.removed) == (0, 1, 1)
    assert (await store.get("mine")).content == "旧的词".encode()


async def test_without_a_database_a_change_is_refused_for_now(
    editor: ListEditor, store: ListStore, postgres_url: str, database_url: str
) -> None:
    async with no_connections(postgres_url, database_url):
        with pytest.raises(UnavailableError):
            await editor.add([Entry("坏词")], BY)
        with pytest.raises(UnavailableError):
            await store.put("mine", TXT, b"x1", 1, BY)
    assert await editor.add([Entry("坏词")], BY) == 1
