"""Stored lists: versions without gaps, back to any of them, and two writers at once."""

import asyncio

import pytest

from services.moderation.errors import ListNotFoundError, VersionNotFoundError
from services.moderation.lists.domain import Signature
from services.moderation.lists.formats import Form, Format
from services.moderation.lists.store import ListStore

TXT = Form(Format.TXT, 20006)
BY = Signature("clerk", "because")


async def contents(store: ListStore) -> dict[str, bytes]:
    return {one.name: one.content for one in (await store.in_force()).lists}


async def test_a_database_without_lists_is_of_version_0(store: ListStore) -> None:
    assert await store.version() == 0
    assert await contents(store) == {}


async def test_each_change_is_a_version_signed_and_explained(store: ListStore) -> None:
    assert await store.put("a", TXT, b"one", 1, BY) == 1
    assert await store.put("b", TXT, b"two", 1, BY) == 2
    assert await store.delete("a", BY) == 3
    assert await contents(store) == {"b": b"two"}
    versions = await store.versions(limit=10)
    assert [version.number for version in versions] == [3, 2, 1]
    assert {(version.author, version.reason) for version in versions} == {("clerk", "because")}
    assert [version.number for version in await store.versions(before=3, limit=1)] == [2]


async def test_putting_what_is_there_changes_nothing(store: ListStore) -> None:
    await store.put("a", TXT, b"one", 1, BY)
    assert await store.put("a", TXT, b"one", 1, BY) == 1
    assert await store.put("a", Form(Format.TXT, 20008), b"one", 1, BY) == 2


async def test_an_earlier_state_comes_back_as_a_new_version(store: ListStore) -> None:
    await store.put("a", TXT, b"one", 1, BY)
    await store.put("a", TXT, b"two", 1, BY)
    await store.put("b", TXT, b"three", 1, BY)
    assert await store.restore(1, BY) == 4
    assert await contents(store) == {"a": b"one"}
    assert await store.restore(3, BY) == 5
    assert await contents(store) == {"a": b"two", "b": b"three"}
    for number in (6, 2**63):
        with pytest.raises(VersionNotFoundError):
            await store.restore(number, BY)


async def test_what_is_not_there_is_said_to_be_not_there(store: ListStore) -> None:
    with pytest.raises(ListNotFoundError):
        await store.get("a")
    with pytest.raises(ListNotFoundError):
        await store.delete("a", BY)
    assert await store.version() == 0


async def test_writers_at_once_make_versions_one_after_the_other(store: ListStore) -> None:
    numbers = await asyncio.gather(*(store.put(f"l{n % 3}", TXT, b"%d" % n, 1, BY) for n in range(30)))
    assert sorted(numbers) == list(range(1, 31))
    assert len(await contents(store)) == 3
    assert [version.number for version in await store.versions(limit=100)] == list(range(30, 0, -1))


async def test_an_edit_that_fails_changes_nothing(store: ListStore) -> None:
    async def fail(old: object) -> tuple[Form, bytes, int]:
        raise ListNotFoundError("no")

    with pytest.raises(ListNotFoundError):
        await store.edit("a", "edit", fail, BY)
    assert (await store.version(), await contents(store)) == (0, {})
