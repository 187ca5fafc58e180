"""What `make test` runs by itself is found by what files say, before any is imported."""

from pathlib import Path

import pytest

from tests.lanes import has_alone

_MARK = "pytest.mark." + "alone"


@pytest.mark.parametrize("marked", [f"pytestmark = {_MARK}", f"@{_MARK}\nasync def test_it() -> None: ..."])
def test_a_marked_test_is_found_in_its_file_and_from_every_folder_above(tmp_path: Path, marked: str) -> None:
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (file := tmp_path / "deep" / "er" / "test_marked.py").write_text(marked)
    assert all(has_alone(path) for path in (file, *file.parents[:3]))


def test_what_names_none_is_passed_over(tmp_path: Path) -> None:
    (file := tmp_path / "test_other.py").write_text("def test_it() -> None: ...")
    # No test stands in these, whatever they say.
    (tmp_path / "conftest.py").write_text(_MARK)
    (tmp_path / "test_picture.bin").write_bytes(b"\xff")
    assert not any(has_alone(path) for path in (file, tmp_path, *tmp_path.iterdir()))
