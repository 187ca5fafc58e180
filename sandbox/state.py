"""The state folder of a mesh: what survives a restart, and who holds it now."""

import fcntl
import json
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from sandbox.processes import PartError


@dataclass(frozen=True)
class State:
    """A folder with data, logs and secrets of one mesh."""

    folder: Path

    @property
    def api_key_file(self) -> Path:
        """The developer's key."""
        return self.folder / "api_key"

    @property
    def env_file(self) -> Path:
        """The mesh's addresses and credentials, for the command line `queqiao`."""
        return self.folder / "mesh.env"

    def log(self, name: str) -> Path:
        """Where a part's log goes."""
        return self.folder / "logs" / f"{name}.log"

    def open(self) -> IO[str]:
        """Make the folder and hold it until the returned file is closed.

        Raises:
            PartError: Another launcher holds it, or it cannot be made.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            lock = (self.folder / "lock").open("w")
        except OSError as error:
            raise PartError(f"The state folder {self.folder} cannot be used: {error.strerror}.") from None
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.close()
            raise PartError(
                f"A mesh is already running from {self.folder}: stop it, or set QUEQIAO_RUN_DIR to another folder."
            ) from None
        return lock

    def secret(self, name: str) -> str:
        """A random secret (43 characters), made at first and kept."""
        file = self.folder / "secrets.json"
        known: dict[str, str] = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
        if name not in known:
            known[name] = secrets.token_urlsafe(32)
            self.write_private(file, json.dumps(known, indent=1))
        return known[name]

    @staticmethod
    def write_private(file: Path, text: str) -> None:
        """Write a file that only its owner may read, whole or not at all."""
        fresh = file.with_name(f".{file.name}.new")
        fresh.unlink(missing_ok=True)
        fresh.touch(mode=0o600)
        fresh.write_text(text, encoding="utf-8")
        fresh.replace(file)
