"""Imports are not looked through for garbage."""

import gc
import subprocess
import sys
from collections.abc import Iterator

import pytest

from services.runtime.importing import importing


@pytest.fixture(autouse=True)
def thawed() -> Iterator[None]:
    gc.unfreeze()
    yield
    # Frozen is how collecting left what this run has imported.
    gc.freeze()


def test_the_collector_rests_meanwhile_and_leaves_alone_what_is_there_by_then() -> None:
    with importing():
        assert not gc.isenabled()
        kept: list[list[int]] = [[] for _ in range(1000)]
    assert gc.isenabled()
    frozen = gc.get_freeze_count()
    assert frozen > len(kept)


def test_an_import_that_fails_leaves_the_collector_at_work() -> None:
    with pytest.raises(ImportError), importing():
        raise ImportError
    assert gc.isenabled()


def test_optional_parts_of_libraries_are_left_out_and_can_be_imported_afterwards() -> None:
    script = """
import sys
from services.runtime.importing import importing
with importing():
    import httpx, redis, structlog
print(*(name for name in ("rich", "opentelemetry.sdk.metrics", "click", "psutil") if name in sys.modules))
import rich.console, opentelemetry.sdk.metrics
"""
    said = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    assert said.stdout.split() == []
