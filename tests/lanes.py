"""Which tests stay together when `make test` spreads them over lanes.

pytest-xdist 3.8 writes the group of a test into a field of its that pytest 9.2 no longer reads, so `--dist loadgroup`
makes every test a group of its own. This schedules by file, and by the group that a file names for all of its tests.
"""

import re
from functools import cache
from pathlib import Path

from xdist.scheduler import LoadScopeScheduling

_ROOT = Path(__file__).parents[1]
_GROUP = re.compile(r'^pytestmark = pytest\.mark\.xdist_group\("(\w+)"\)$', re.MULTILINE)
_ALONE = "pytest.mark.alone"


class Lanes(LoadScopeScheduling):  # type: ignore[misc]  # xdist's scheduler is untyped
    """Keeps the tests of a file, and all files of a group, in one lane."""

    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid.partition("::")[0])


@cache
def group_of(file: str) -> str:
    """The group that a file names, else the file itself; `file` is relative to the repository."""
    named = _GROUP.search((_ROOT / file).read_text(encoding="utf-8"))
    return named[1] if named else file


def has_alone(path: Path) -> bool:
    """Whether a file of tests, or one below a folder, names a test that runs by itself."""
    files = [file for file in (path, *path.rglob("test_*.py")) if file.match("test_*.py")]
    return any(_ALONE in file.read_text(encoding="utf-8") for file in files)
