"""`make clean`: remove a mesh's state, wherever it is."""

import os
import shutil
import sys
from pathlib import Path

from sandbox import postgres
from sandbox.processes import PartError
from sandbox.state import State


def main() -> None:
    """Remove the state folder and what PostgreSQL keeps outside of it; refuse while a mesh runs from it."""
    state = State(Path(os.environ.get("QUEQIAO_RUN_DIR", ".run")).resolve())
    if not state.folder.exists():
        return
    try:
        with state.open():
            for folder in (*postgres.folders_outside(state.folder), *postgres.copied_binaries(), state.folder):
                shutil.rmtree(folder)
    except PartError as error:
        print(error, file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
