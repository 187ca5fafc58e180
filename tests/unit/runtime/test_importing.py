"""Imports are not looked through for garbage."""

import gc

import pytest

from services.runtime.importing import importing


@pytest.fixture(autouse=True)
def thawed() -> None:
    gc.unfreeze()


def test_the_collector_rests_meanwhile_and_leaves_alone_what_is_there_by_then() -> None:
    with importing():
        assert not gc.isenabled()
        kept: list[list[int]] = [[] for _ in range(1000)]
    assert gc.isenabled()
    frozen = gc.get_freeze_count()
    assert frozen > len(kept)
    gc.unfreeze()


def test_an_import_that_fails_leaves_the_collector_at_work() -> None:
    with pytest.raises(ImportError), importing():
        raise ImportError
    assert gc.isenabled()
    gc.unfreeze()
