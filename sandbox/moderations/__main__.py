"""`OPENAI_MODERATION_API_KEY=… python -m sandbox.moderations --port 8084`."""

import argparse
import os

from services.runtime.importing import importing

with importing():
    import uvicorn

    from sandbox.moderations.app import build
    from sandbox.ports import HOST

# Callers who wait for an answer that never comes must not hold up a stop.
_STOP_S = 1


def main() -> None:
    """Serve until stopped."""
    parser = argparse.ArgumentParser(description="Stand in for OpenAI's moderation API.")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--delay-s", type=float, default=0.1, help="how long judging takes")
    arguments = parser.parse_args()
    app = build(os.environ["OPENAI_MODERATION_API_KEY"], delay_s=arguments.delay_s)
    uvicorn.run(app, host=HOST, port=arguments.port, log_level="warning", timeout_graceful_shutdown=_STOP_S)


if __name__ == "__main__":
    main()
