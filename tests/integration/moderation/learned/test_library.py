"""Weights are taken up while texts are judged, and what is wrong with new ones changes nothing."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from services.moderation.errors import VersionNotFoundError
from services.moderation.learned.library import WeightsLibrary
from services.moderation.learned.metrics import WeightsMetrics
from services.moderation.learned.model import SHIPPED, read_weights
from services.moderation.learned.store import WeightsStore
from services.moderation.lists.domain import Signature
from services.runtime.errors import StartupError
from tests.integration.moderation.learned.conftest import FEATURIZER

BY = Signature("clerk", "a test")
VERSION = read_weights(SHIPPED.read_bytes()).version


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.01)


async def test_stored_weights_are_taken_up_and_earlier_ones_restored(
    library: WeightsLibrary, store: WeightsStore, other_weights: bytes
) -> None:
    assert (library.current.version, library.info.stored_version) == (VERSION, 0)
    assert await store.put(other_weights, BY) == 1
    assert await store.put(other_weights, BY) == 1
    await until(lambda: library.current.version == read_weights(other_weights).version)
    assert await store.restore(0, BY) == 2
    await until(lambda: library.info.stored_version == 2)
    assert library.current.version == VERSION
    assert await store.restore(1, BY) == 3
    await until(lambda: library.current.version == read_weights(other_weights).version)
    assert [(each.number, each.change) for each in await store.versions(limit=2)] == [
        (3, "restore 1"),
        (2, "restore 0"),
    ]
    with pytest.raises(VersionNotFoundError):
        await store.restore(9, BY)


async def test_a_broken_file_is_refused_with_a_sentence_and_the_weights_in_force_stay(
    library: WeightsLibrary, file: Path
) -> None:
    file.write_bytes(SHIPPED.read_bytes()[:-5])
    await until(lambda: library.problem != "")
    assert "damaged" in library.problem
    assert library.current.version == VERSION
    # It is still said when nobody has touched the file since.
    await library.refresh()
    assert "damaged" in library.problem
    file.write_bytes(SHIPPED.read_bytes())
    await until(lambda: library.problem == "")
    assert library.current.version == VERSION


async def test_a_missing_file_at_the_start_is_one_sentence(store: WeightsStore, tmp_path: Path) -> None:
    library = WeightsLibrary(tmp_path / "none", store, FEATURIZER, WeightsMetrics(CollectorRegistry()))
    with pytest.raises(StartupError, match="SCREENER_WEIGHTS"):
        await library.load()


async def test_reloading_under_load_drops_nothing(
    library: WeightsLibrary, store: WeightsStore, other_weights: bytes
) -> None:
    judged: set[str] = set()
    stopping = asyncio.Event()

    async def judge() -> int:
        count = 0
        while not stopping.is_set():
            screener = library.current
            scores = screener.scores("宝妈手机兼职，每天结算，想了解的私聊")
            assert [score.label for score in scores] == list(screener.weights.labels)
            judged.add(screener.version)
            count += 1
            await asyncio.sleep(0)
        return count

    judging = [asyncio.create_task(judge()) for _ in range(4)]
    for number in range(1, 7):
        await (store.put(other_weights, BY) if number % 2 else store.restore(0, BY))
        await until(lambda number=number: library.info.stored_version == number)  # type: ignore[misc]  # a default
    stopping.set()
    counts = await asyncio.gather(*judging)
    assert min(counts) > 0
    assert judged == {VERSION, read_weights(other_weights).version}
