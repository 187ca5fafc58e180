"""The lexicon in force: fresh on every replica, and never worse than before."""

import asyncio
from pathlib import Path

import pytest

from services.moderation.lexicon.entries import Entry
from services.moderation.lexicon.judging import judge
from services.moderation.lists.domain import Signature
from services.moderation.lists.formats import Form, Format
from services.moderation.lists.notices import PostgresNotices
from services.moderation.lists.store import ListStore
from services.runtime.errors import StartupError
from tests.integration.moderation.audit.conftest import no_connections
from tests.integration.moderation.lists.conftest import Pool, Replica, Silence, replica

BY = Signature("clerk", "")
TXT = Form(Format.TXT, 20006)


async def test_files_and_stored_lists_are_in_force_together(one: Replica) -> None:
    await one.editor.add([Entry("库里词")], BY)
    await one.until(lambda: one.refuses("库里词"))
    assert one.refuses("文件词")
    assert (one.library.info.stored_version, len(one.library.current)) == (1, 2)


async def test_every_replica_takes_up_a_change_within_two_seconds(
    pool: Pool, folder: Path, database_url: str, one: Replica
) -> None:
    async with replica(pool, folder, PostgresNotices(database_url)) as other:
        await one.editor.add([Entry("库里词")], BY)
        for each in (one, other):
            await each.until(lambda each=each: each.refuses("库里词"), timeout_s=2)  # type: ignore[misc]  # bound in time
        assert one.library.current.version == other.library.current.version
        await other.editor.remove(["库里词"], BY)
        for each in (one, other):
            await each.until(lambda each=each: not each.refuses("库里词"), timeout_s=2)  # type: ignore[misc]  # as above


async def test_lost_news_are_caught_up_with(pool: Pool, folder: Path, store: ListStore) -> None:
    async with replica(pool, folder, Silence(), look_every_s=0.1) as deaf:
        await store.put("l", TXT, "库里词".encode(), 1, BY)
        await deaf.until(lambda: deaf.refuses("库里词"), timeout_s=2)


async def test_a_changed_file_is_taken_up(pool: Pool, folder: Path) -> None:
    async with replica(pool, folder, Silence(), look_every_s=0.05) as one:
        (folder / "20008-more.txt").write_text("新的词\n", encoding="utf-8")
        await one.until(lambda: one.refuses("新的词"))
        (folder / "20008-more.txt").unlink()
        await one.until(lambda: not one.refuses("新的词"))


async def test_a_bad_file_is_a_problem_and_the_old_lexicon_stays(pool: Pool, folder: Path) -> None:
    async with replica(pool, folder, Silence(), look_every_s=0.05) as one:
        (folder / "20006-files.txt").write_text("好词\n。。。\n", encoding="utf-8")
        await one.until(lambda: "20006-files.txt:2" in one.library.problem)
        assert one.refuses("文件词")
        assert not one.refuses("好词")
        assert one.registry.get_sample_value("queqiao_lexicon_problem") == 1
        (folder / "20006-files.txt").write_text("好词\n", encoding="utf-8")
        await one.until(lambda: one.refuses("好词"))
        await one.until(lambda: one.library.problem == "")
        assert one.registry.get_sample_value("queqiao_lexicon_problem") == 0


async def test_bad_files_at_the_start_are_named_line_by_line(pool: Pool, folder: Path) -> None:
    (folder / "20008-a.txt").write_text("好词\n好 词\n", encoding="utf-8")
    (folder / "words.txt").write_text("x\n", encoding="utf-8")
    with pytest.raises(StartupError, match=r"20008-a\.txt:2: the same word.*\nwords\.txt"):
        async with replica(pool, folder, Silence()):
            pass
    with pytest.raises(StartupError, match="check LEXICON_PATH"):
        async with replica(pool, folder / "missing", Silence()):
            pass


async def test_without_a_database_the_files_serve_and_the_lists_come_back_with_it(
    pool: Pool, folder: Path, postgres_url: str, database_url: str, store: ListStore
) -> None:
    await store.put("l", TXT, "库里词".encode(), 1, BY)
    async with no_connections(postgres_url, database_url):
        serving = replica(pool, folder, PostgresNotices(database_url, reopen_after_s=0.05), look_every_s=0.1)
        one = await serving.__aenter__()
        assert one.refuses("文件词")
        assert not one.refuses("库里词")
        assert one.library.problem
    await one.until(lambda: one.refuses("库里词"))
    await one.until(lambda: not one.library.problem)
    async with no_connections(postgres_url, database_url):
        await one.until(lambda: bool(one.library.problem))
        assert one.refuses("库里词")
    await one.until(lambda: not one.library.problem)
    await serving.__aexit__(None, None, None)


async def test_twenty_reloads_under_load_drop_nothing_and_each_text_is_judged_by_one_version(
    pool: Pool, folder: Path, database_url: str
) -> None:
    async with replica(pool, folder, PostgresNotices(database_url)) as one:
        versions, judged, stopping = set(), 0, asyncio.Event()

        async def judging() -> None:
            nonlocal judged
            while not stopping.is_set():
                lexicon = one.library.current
                # A version has both of its words or neither: what is judged is never half of one and half of another.
                number = lexicon.version
                assert (judge(lexicon, "左边词").refused is None) == (judge(lexicon, "右边词").refused is None)
                assert judge(lexicon, "文件词").refused is not None
                versions.add(number)
                judged += 1
                await asyncio.sleep(0)

        async with asyncio.TaskGroup() as tasks:
            for _ in range(4):
                tasks.create_task(judging())
            for number in range(1, 21):
                both = [Entry("左边词"), Entry("右边词")]
                if number % 2:
                    await one.editor.add(both, BY)
                else:
                    await one.editor.remove([entry.word for entry in both], BY)
                await one.until(lambda number=number: one.library.info.stored_version == number)  # type: ignore[misc]  # bound in time
            stopping.set()
        assert len(versions) >= 20
        assert judged > 100


async def test_a_stored_list_comes_before_a_file_of_the_same_word(one: Replica) -> None:
    await one.editor.allow("文件词典", "clerk", "a dictionary")
    await one.until(lambda: not one.refuses("文件词典"))
    assert one.refuses("文件词")
