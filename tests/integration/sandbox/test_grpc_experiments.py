"""How gRPC reads its sockets: the same in the image and on a laptop, and as this version of it understands."""

import os
import re
import subprocess
import sys
from pathlib import Path

from sandbox.mesh import Mesh

_ROOT = Path(__file__).parents[3]
_CALL = """
import asyncio, grpc
async def serve():
    server = grpc.aio.server()
    server.add_insecure_port("127.0.0.1:0")
    await server.start()
    await server.stop(0)
asyncio.run(serve())
"""


def in_the_image() -> str:
    (found,) = re.findall(r"GRPC_EXPERIMENTS=(\S+)", (_ROOT / "Dockerfile").read_text("utf-8"))
    return str(found)


def test_a_laptop_reads_as_the_image_does_unless_it_is_told_otherwise(tmp_path: Path) -> None:
    assert Mesh(tmp_path, given={}, port=8099)._service_env("gateway")["GRPC_EXPERIMENTS"] == in_the_image()
    other = Mesh(tmp_path, given={"GRPC_EXPERIMENTS": "event_engine_client"}, port=8099)
    assert other._service_env("gateway")["GRPC_EXPERIMENTS"] == "event_engine_client"


def test_grpc_knows_what_it_is_told() -> None:
    said = {name: _stderr_with(name) for name in (in_the_image(), "no_such_experiment")}
    assert "Unknown experiment" in said["no_such_experiment"]
    assert "Unknown experiment" not in said[in_the_image()]


def _stderr_with(experiments: str) -> str:
    env = os.environ | {"GRPC_EXPERIMENTS": experiments}
    ran = subprocess.run([sys.executable, "-c", _CALL], env=env, capture_output=True, text=True, check=True, timeout=60)
    return ran.stderr
