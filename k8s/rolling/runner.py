"""What runs a pod's command: a process of this machine, or a container of the built image."""

import asyncio
import secrets
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from k8s.rolling.manifest import Plan
from sandbox import containers

# The image's entry point.
_ENTRY_POINT = Path(sys.executable).with_name("queqiao")


class Runner(Protocol):
    """Runs pods; each is a child of ours that ends with its pod, and hands a SIGTERM on to it."""

    def command(self, plan: Plan, name: str, env: Mapping[str, str]) -> Sequence[str]:
        """What starts a pod of this name, as a child with these variables."""

    async def remove(self, name: str) -> None:
        """End without a word whatever of the pod a SIGKILL of the child would leave, if it is there."""


class Processes:
    """Pods are processes of this environment."""

    def __str__(self) -> str:
        """What is said of it."""
        return "processes"

    def command(self, plan: Plan, name: str, env: Mapping[str, str]) -> Sequence[str]:
        """The command itself."""
        return (str(_ENTRY_POINT), *plan.arguments)

    async def remove(self, name: str) -> None:
        """The child is all there is."""


class Containers:
    """Pods are containers of an image, on the host's network, read-only and without capabilities."""

    def __init__(self, image: str) -> None:
        """Run this image.

        Raises:
            PartError: Nothing runs containers here.
        """
        self._image = image
        self._runner = containers.runner()
        # Whoever else rolls on this machine has containers of the same pods' names.
        self._prefix = f"queqiao-roll-{secrets.token_hex(3)}"

    def __str__(self) -> str:
        """What is said of it."""
        return f"containers of {self._image}"

    def command(self, plan: Plan, name: str, env: Mapping[str, str]) -> Sequence[str]:
        """The runner, which stays in the foreground and ends as the container does."""
        named = ("--name", f"{self._prefix}-{name}")
        return containers.command(self._runner, self._image, plan.arguments, env=env, options=named)

    async def remove(self, name: str) -> None:
        """Remove the container, running or not."""
        removing = await asyncio.create_subprocess_exec(
            *self._runner,
            *("rm", "--force", "--volumes", f"{self._prefix}-{name}"),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        await removing.wait()


async def chosen(image: str) -> Runner:
    """Containers where they can run and the image is built, else processes."""
    return Containers(image) if await containers.has(image) else Processes()
