"""`queqiao lexicon …` against the service and its real database."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs
from typer.testing import CliRunner

from services.moderation.commands.lexicon import app
from services.runtime.errors import ServiceError
from tests.integration.moderation.lists.conftest import Replica

Queqiao = Callable[..., Awaitable[tuple[int, str]]]


@pytest.fixture
def queqiao(target: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Queqiao]:
    """Run a command, which has an event loop of its own, beside ours: its exit status, and what it said."""
    monkeypatch.setenv("MODERATION_TARGET", target)

    async def run(*arguments: str) -> tuple[int, str]:
        result = await asyncio.to_thread(
            CliRunner().invoke, app, ["lexicon", *arguments], env={"COLUMNS": "300", "LOGNAME": "clerk"}
        )
        # What `main` makes one sentence of; everything else is a bug.
        if isinstance(result.exception, ServiceError):
            return 1, result.exception.message
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return result.exit_code, result.output

    # A command's output is read from this process's standard output, where the service would log as well.
    with capture_logs():
        yield run


async def test_words_are_added_explained_and_removed(queqiao: Queqiao, one: Replica) -> None:
    status, said = await queqiao("add", "新词", "--label", "20008", "--tier", "review", "--reason", "seen today")
    assert (status, "1" in said) == (0, True)
    await one.until(lambda: one.library.info.stored_version == 1)
    _, said = await queqiao("explain", "这是新 词")
    assert "新词" in said
    assert "review" in said
    _, said = await queqiao("versions")
    assert "clerk" in said
    assert "seen today" in said
    assert (await queqiao("remove", "新词"))[0] == 0
    assert (await queqiao("remove", "新词"))[0] == 1
    await one.until(lambda: one.library.info.stored_version == 2)
    assert "新词" not in (await queqiao("explain", "这是新 词"))[1].replace("这是新 词", "")


async def test_an_explanation_says_the_scores_and_the_n_grams_that_weighed(queqiao: Queqiao, one: Replica) -> None:
    _, said = await queqiao("explain", "宝妈手机兼职，每天结算，想了解的私聊")
    assert "referred" in said
    assert "私聊" in said


async def test_a_file_is_tried_out_loaded_printed_deleted_and_restored(
    queqiao: Queqiao, one: Replica, tmp_path: Path
) -> None:
    file, texts = tmp_path / "20008-mine.txt", tmp_path / "texts.txt"
    file.write_text("新词\n别的词\n", encoding="utf-8")
    texts.write_text("有新词\n平安\n", encoding="utf-8")
    status, said = await queqiao("load", str(file), "--dry-run", "--against", str(texts))
    assert status == 0
    assert "有新词" in said
    assert one.library.info.stored_version == 0
    assert (await queqiao("load", str(file)))[0] == 0
    await one.until(lambda: one.refuses("有新词"))
    status, said = await queqiao("show")
    assert (status, "20008-mine" in said) == (0, True)
    assert (await queqiao("get", "20008-mine"))[1] == "新词\n别的词\n"
    assert (await queqiao("delete", "20008-mine"))[0] == 0
    await one.until(lambda: not one.refuses("有新词"))
    assert (await queqiao("restore", "1"))[0] == 0
    await one.until(lambda: one.refuses("有新词"))


async def test_every_wrong_line_of_a_file_is_printed_and_nothing_changes(
    queqiao: Queqiao, one: Replica, tmp_path: Path
) -> None:
    file = tmp_path / "20008-mine.txt"
    file.write_text("新词\n。。。\n新 词\n", encoding="utf-8")
    status, said = await queqiao("load", str(file))
    assert status == 1
    assert ":2:" in said
    assert ":3:" in said
    assert one.library.info.stored_version == 0
    status, said = await queqiao("load", str(tmp_path / "missing.txt"))
    assert status != 0


async def test_a_phrase_is_allowed(queqiao: Queqiao, one: Replica) -> None:
    assert one.refuses("文件词典")
    assert (await queqiao("allow", "文件词典"))[0] == 0
    await one.until(lambda: not one.refuses("文件词典"))
