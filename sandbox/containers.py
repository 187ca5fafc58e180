"""`make images-test`: the mesh from its image, read-only and without capabilities: a page of it, and a question asked.

Stores, the model and WeChat are those of the sandbox; each service is a container of the image on the host's network.
"""

import asyncio
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import aiohttp

from k8s.images import image
from sandbox import parts
from sandbox.mesh import Mesh
from sandbox.processes import PartError, minimal_env

# As the manifests have it.
_LOCKED = (
    "--read-only",
    *("--cap-drop", "ALL"),
    *("--security-opt", "no-new-privileges"),
    *("--user", "10001:10001"),
    *("--tmpfs", "/tmp:size=64m"),  # noqa: S108  # the container's
)
# Nothing is bought: the merchant's keys are files of this machine's user alone. What is the host's own stays there.
_NOT_TOLD = frozenset((*parts.PAYMENT_VARIABLES, *minimal_env()))


def runner() -> Sequence[str]:
    """What runs containers on this machine, with what it must be told of it.

    Raises:
        PartError: There is nothing.
    """
    found = shutil.which("podman") or shutil.which("docker")
    if found is None:
        raise PartError("Nothing runs containers here: install podman or docker.")
    # What the runner itself is told; services' environments have nothing of it.
    conf = [f"CONTAINERS_CONF={file}"] if (file := os.environ.get("CONTAINERS_CONF")) else []
    return ("env", *conf, found)


async def has(name: str) -> bool:
    """Whether containers of this image can be run: it was built, or fetched."""
    try:
        asking = (*runner(), "image", "inspect", name)
    except PartError:
        return False
    quiet = asyncio.subprocess.DEVNULL
    asked = await asyncio.create_subprocess_exec(*asking, stdin=quiet, stdout=quiet, stderr=quiet)
    return await asked.wait() == 0


def command(
    runs: Sequence[str], name: str, arguments: Sequence[str], *, env: Mapping[str, str], options: Sequence[str] = ()
) -> list[str]:
    """Run an image in the foreground; variables are taken over by name, so no secret is on a command line.

    Args:
        runs: The `runner`.
        name: The image.
        arguments: What it is to do.
        env: The variables of this command, of which the container is told.
        options: More of the runner's options.
    """
    told = [word for key in sorted(env.keys() - _NOT_TOLD) for word in ("-e", key)]
    return [*runs, "run", "--rm", "--network", "host", *_LOCKED, *options, *told, name, *arguments]


class ContainerMesh(Mesh):
    """A mesh whose services are containers."""

    def service_argv(self, service: str, env: Mapping[str, str]) -> list[str]:
        """Run the image."""
        return command(runner(), image(os.environ), ("serve", service), env=env)


async def _ask(mesh: Mesh) -> str:
    headers = {"Authorization": f"Bearer {mesh.api_key}"}
    body = {"messages": [{"role": "user", "content": "Say hello."}], "max_tokens": 24}
    async with (
        aiohttp.ClientSession() as http,
        http.post(f"{mesh.url}/v1/chat/completions", json=body, headers=headers) as answer,
    ):
        said = await answer.json()
        if answer.status != 200:
            raise PartError(f"The mesh answered {answer.status}: {said}")
        text: str = said["choices"][0]["message"]["content"]
        return text


async def _demand_client(mesh: Mesh) -> None:
    """The page at `/` is the client's, which loads its own scripts, not the plain one of an image without it."""
    async with aiohttp.ClientSession() as http, http.get(f"{mesh.url}/") as answer:
        page = await answer.text()
        if answer.status != 200 or 'src="/assets/' not in page:
            raise PartError(f"The mesh does not serve the client: {answer.status}, {page[:300]!r}")


async def _run() -> None:
    begin = time.monotonic()

    def ready(title: str) -> None:
        print(f"  {title:<32} {time.monotonic() - begin:5.1f} s")

    with tempfile.TemporaryDirectory() as folder:
        async with ContainerMesh(Path(folder), given=os.environ, port=0, progress=ready) as mesh:
            await _demand_client(mesh)
            print(f"  the answer: {await _ask(mesh)!r} {time.monotonic() - begin:5.1f} s")
    print("The mesh ran from its image, read-only and without capabilities.")


def main() -> None:
    """Try the image; exit status 1 and one sentence when it does not serve."""
    try:
        asyncio.run(_run())
    except PartError as error:
        sys.exit(f"✗ {error}")


if __name__ == "__main__":
    main()
