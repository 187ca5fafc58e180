"""`queqiao screener …` against the service and its real database."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs
from typer.testing import CliRunner

from services.moderation.audit.records import JudgedText
from services.moderation.commands.screener import app
from services.moderation.domain import Action, Layer
from services.moderation.learned.library import WeightsLibrary
from services.moderation.learned.model import SHIPPED, read_weights
from services.runtime.errors import ServiceError
from tests.integration.moderation.learned.conftest import Consent, Kept

Queqiao = Callable[..., Awaitable[tuple[int, str]]]


@pytest.fixture
def queqiao(target: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Queqiao]:
    """Run a command, which has an event loop of its own, beside ours: its exit status, and what it said."""
    monkeypatch.setenv("MODERATION_TARGET", target)

    async def run(*arguments: str) -> tuple[int, str]:
        result = await asyncio.to_thread(
            CliRunner().invoke, app, ["screener", *arguments], env={"COLUMNS": "300", "LOGNAME": "clerk"}
        )
        # What `main` makes one sentence of; everything else is a bug.
        if isinstance(result.exception, ServiceError):
            return 1, result.exception.message
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return result.exit_code, result.output

    # A command's output is read from this process's standard output, where the service would log as well.
    with capture_logs():
        yield run


async def test_weights_are_tried_out_stored_listed_and_restored(
    queqiao: Queqiao, library: WeightsLibrary, kept: Kept, other_weights: bytes, tmp_path: Path
) -> None:
    kept.judged = [JudgedText("琉璃瓦片换云朵", Action.REFUSED, Layer.WECHAT, 20008, appealed=False)]
    file = tmp_path / "new.weights"
    file.write_bytes(other_weights)
    status, said = await queqiao("load", str(file), "--dry-run")
    assert status == 0
    assert "Of 1 texts that the audit keeps 0 are referred or refused now, 1 with these weights" in said
    assert "Nothing is changed" in said
    _, said = await queqiao("load", str(file), "--reason", "seen today")
    assert "version 1" in said
    async with asyncio.timeout(5):
        while library.info.stored_version != 1:
            await asyncio.sleep(0.01)
    assert "a test" in (await queqiao("show"))[1]
    _, said = await queqiao("restore", "0")
    assert "in version 2" in said
    _, said = await queqiao("versions")
    assert "seen today" in said
    assert "restore 0" in said


async def test_broken_weights_are_refused_with_a_sentence(queqiao: Queqiao, tmp_path: Path) -> None:
    file = tmp_path / "broken.weights"
    file.write_bytes(SHIPPED.read_bytes()[:-1])
    status, said = await queqiao("load", str(file))
    assert status == 1
    assert "damaged" in said


# The whole corpus is trained: some twenty seconds of a core, which on a busy machine are minutes.
@pytest.mark.timeout(400)
async def test_training_learns_from_the_audit_and_compares_before_anything_is_stored(
    queqiao: Queqiao, kept: Kept, tmp_path: Path
) -> None:
    kept.judged = [
        JudgedText(f"琉璃瓦片换云朵，第{number}号窗口", Action.REFUSED, Layer.WECHAT, 20008, appealed=False)
        for number in range(40)
    ]
    kept.judged.append(JudgedText("一段政治", Action.REFUSED, Layer.OPENAI, 20001, appealed=False))
    out = tmp_path / "trained.weights"
    status, said = await queqiao("train", "--from-audit", "--dry-run", "--out", str(out))
    assert status == 0
    assert re.search(r"flagged at 0\.83 +in force +trained now", said)
    assert "1 have a label that the corpus does not know" in said
    assert "Of 41 texts that the audit keeps 0 are referred or refused now, 40 with these weights" in said
    assert "Nothing is changed" in said
    assert read_weights(out.read_bytes()).version != read_weights(SHIPPED.read_bytes()).version


class TestWithoutConsent:
    """What the owner has not agreed to."""

    @pytest.fixture
    def consent(self) -> Consent:
        return Consent(given=False)

    async def test_kept_texts_are_not_handed_out(self, queqiao: Queqiao) -> None:
        status, said = await queqiao("train", "--from-audit", "--dry-run")
        assert status == 1
        assert "SCREENER_LEARNS_FROM_AUDIT" in said
