"""`WECHAT_SECRET=… python -m sandbox.wechat --port 8082 --appid wx…`."""

import argparse
import os

import uvicorn

from sandbox.ports import HOST
from sandbox.wechat.app import build


def main() -> None:
    """Serve until stopped."""
    parser = argparse.ArgumentParser(description="Stand in for the WeChat platform.")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--appid", required=True)
    arguments = parser.parse_args()
    app = build(arguments.appid, os.environ["WECHAT_SECRET"])
    uvicorn.run(app, host=HOST, port=arguments.port, log_level="warning")


if __name__ == "__main__":
    main()
