"""`make images`: build the image of all services with whichever builder this machine has.

What follows the command's name goes to the builder, such as `--build-arg BASE=…`; IMAGE names the result.
"""

import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[1]

# Each understands the Dockerfile; the first that is found builds.
_BUILDERS: Mapping[str, Sequence[str]] = {
    "docker": ("docker", "build"),
    "podman": ("podman", "build"),
    "buildah": ("buildah", "bud", "--layers"),
}
_NONE = "No builder is installed: install docker, podman or buildah (Debian: apt-get install -y podman buildah)."


def version() -> str:
    """The version of the product, from the one place that says it."""
    found: str = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    return found


def image(env: Mapping[str, str]) -> str:
    """What the image is called."""
    return env.get("IMAGE") or f"localhost/queqiao:{version()}"


def context_paths() -> list[str]:
    """What of the repository the image is made of, and the recipe."""
    allowed = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    return ["Dockerfile", ".dockerignore", *(line[1:] for line in allowed if line.startswith("!"))]


def builder(path: str | None = None) -> Sequence[str]:
    """The command that builds; docker counts only where its daemon answers.

    Raises:
        LookupError: There is none.
    """
    for name, command in _BUILDERS.items():
        if (found := shutil.which(name, path=path)) and (name != "docker" or _answers(found)):
            return (found, *command[1:])
    raise LookupError(_NONE)


def _answers(docker: str) -> bool:
    asked = subprocess.run((docker, "version"), capture_output=True, check=False, timeout=30)  # noqa: S603  # found on PATH
    return asked.returncode == 0


def _revision() -> str:
    command = ("git", "-C", str(ROOT), "rev-parse", "HEAD")
    asked = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603  # our own command
    return asked.stdout.strip() or "unknown"


def main() -> None:
    """Build; exit status 1 and one sentence when nothing can."""
    name = image(os.environ)  # noqa: TID251  # a tool of ours, no service
    labels = ("--build-arg", f"VERSION={version()}", "--build-arg", f"REVISION={_revision()}")
    try:
        command = (*builder(), *labels, *sys.argv[1:], "-t", name, str(ROOT))
    except LookupError as error:
        sys.exit(str(error))
    sys.exit(subprocess.run(command, check=False).returncode)  # noqa: S603  # the builder that was found


if __name__ == "__main__":
    main()
