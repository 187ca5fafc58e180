"""npm as a command, of whatever Node there is: `python -m sandbox.npm --prefix miniprogram run lint`."""

import asyncio
import os
import sys

from sandbox.node import Node, find_node
from sandbox.processes import PartError


async def run(node: Node, *arguments: str) -> None:
    """Run npm to its end.

    Raises:
        PartError: It failed; what it said stands on the terminal.
    """
    process = await asyncio.create_subprocess_exec(*node.npm, *arguments, env=node.env(), stdout=sys.stderr)
    if await process.wait() != 0:
        raise PartError(f"npm {' '.join(arguments)} failed.")


def main() -> None:
    """Become npm; exit status 1 and one sentence without a Node."""
    node = asyncio.run(find_node())
    if node is None:
        sys.exit("Node.js 20 or newer is missing: install it, or run `make check` once, which brings one.")
    os.execve(node.npm[0], [*node.npm, *sys.argv[1:]], os.environ | node.env())  # noqa: S606  # the npm that was found


if __name__ == "__main__":
    main()
