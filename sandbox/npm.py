"""npm as a command, of whatever Node there is: `python -m sandbox.npm --prefix miniprogram run lint`."""

import asyncio
import os
import sys
from pathlib import Path

from sandbox.processes import PartError
from sandbox.web_client import Node, find_node


async def run(node: Node, *arguments: str) -> None:
    """Run npm to its end.

    Raises:
        PartError: It failed; what it said stands on the terminal.
    """
    process = await asyncio.create_subprocess_exec(*node.npm, *arguments, env=_env(node), stdout=sys.stderr)
    if await process.wait() != 0:
        raise PartError(f"npm {' '.join(arguments)} failed.")


def main() -> None:
    """Become npm; exit status 1 and one sentence without a Node."""
    node = asyncio.run(find_node())
    if node is None:
        sys.exit("Node.js 20 or newer is missing: install it, or run `make check` once, which brings one.")
    os.execve(node.npm[0], [*node.npm, *sys.argv[1:]], _env(node))  # noqa: S606  # the npm that was found


def _env(node: Node) -> dict[str, str]:
    """Ours, with the folder of that Node first: npm's scripts look for `node` there."""
    return {**os.environ, "PATH": f"{Path(node.node).parent}{os.pathsep}{os.environ.get('PATH', '')}"}


if __name__ == "__main__":
    main()
