"""Compiles the programs with the compiler of this machine, once for each version of their source."""

import hashlib
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

_SOURCES = Path(__file__).resolve().parent
_COMPILERS = ("cc", "gcc", "clang")
_FLAGS = ("-O2", "-Wall", "-Wextra")
_TIMEOUT_S = 60


@dataclass(frozen=True, slots=True)
class Programs:
    """The compiled programs; None where the slower ones in Python must do."""

    simulator: Path | None = None
    load: Path | None = None


def compiled(folder: Path, say: Callable[[str], None]) -> Programs:
    """The programs, compiled into `folder` unless they are there; none of them without Linux and a C compiler."""
    compiler = next(filter(None, map(shutil.which, _COMPILERS)), None)
    if compiler is None or not sys.platform.startswith("linux"):
        say("no C compiler, or no Linux: the provider and the generator in Python cost more than what they measure")
        return Programs()
    version = hashlib.sha256(b"".join(each.read_bytes() for each in sorted(_SOURCES.glob("*.[ch]")))).hexdigest()[:12]
    folder.mkdir(parents=True, exist_ok=True)
    built = []
    for name in ("simulator", "load"):
        program = folder / f"{name}-{version}"
        if not program.exists() and (complaint := _compile(compiler, name, program)):
            say(f"the programs in C cannot be compiled, so those in Python must do: {complaint}")
            return Programs()
        built.append(program)
    return Programs(*built)


def _compile(compiler: str, name: str, program: Path) -> str:
    """What the compiler complains of; empty when the program is there."""
    fresh = program.with_suffix(".fresh")
    command = (compiler, *_FLAGS, "-o", str(fresh), str(_SOURCES / f"{name}.c"), "-lm")
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_TIMEOUT_S)
    if done.returncode != 0:
        return done.stderr.strip() or f"{compiler} ended with {done.returncode}"
    fresh.rename(program)
    return ""
