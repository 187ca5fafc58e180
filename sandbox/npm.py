"""npm as a command, of whatever Node there is: `python -m sandbox.npm --prefix miniprogram run lint`."""

import asyncio
import os
import sys
from pathlib import Path

from sandbox.web_client import find_node


def main() -> None:
    """Become npm; exit status 1 and one sentence without a Node."""
    node = asyncio.run(find_node())
    if node is None:
        sys.exit("Node.js 20 or newer is missing: install it, or run `make check` once, which brings one.")
    path = f"{Path(node.node).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    os.execve(node.npm[0], [*node.npm, *sys.argv[1:]], {**os.environ, "PATH": path})  # noqa: S606  # the npm we found


if __name__ == "__main__":
    main()
