"""Where servers that tests start keep their data: in memory where there is room for it.

PostgreSQL makes a database for nearly every test of storage: seven megabytes in three hundred files. That takes a few
milliseconds in memory, and a third of a second of system time on a disk.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from sandbox import postgres

# Linux's own; containers often give it 64 MB, other systems have none.
_MEMORY = Path("/dev/shm")  # noqa: S108  # the folder within is private by its random name and removed afterwards
_PREFIX = "queqiao-test-"

# What the servers of one lane may come to, with room to spare.
_ROOM_BYTES = 3 << 30


@contextmanager
def server_folder() -> Iterator[Path]:
    """An empty folder, removed at the end with what its PostgreSQL kept outside of it."""
    parent = _MEMORY if _has_room(_MEMORY) else Path(tempfile.gettempdir())
    _remove_orphans(parent)
    folder = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-", dir=parent))
    # Root's PostgreSQL runs as nobody, who must reach it.
    folder.chmod(0o711)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        shutil.rmtree(postgres.public_folder(folder), ignore_errors=True)


def _has_room(memory: Path) -> bool:
    return memory.is_dir() and os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > _ROOM_BYTES


def _remove_orphans(parent: Path) -> None:
    """Remove what a session that was killed left behind: in memory it would stay until the machine is restarted."""
    for folder in parent.glob(f"{_PREFIX}*-*"):
        owner = folder.name.removeprefix(_PREFIX).partition("-")[0]
        if owner.isdigit() and not psutil.pid_exists(int(owner)):
            shutil.rmtree(folder, ignore_errors=True)
