"""`WECHAT_SECRET=… python -m sandbox.wechat --port 8082 --appid wx… --pay .run/wechatpay`."""

import argparse
import os
from pathlib import Path

from services.runtime.importing import importing

with importing():
    import uvicorn

    from sandbox.ports import HOST
    from sandbox.wechat.app import build
    from sandbox.wechat.misbehaviour import Settings

# Callers who wait for an answer that never comes must not hold up a stop.
_STOP_S = 1


def main() -> None:
    """Serve until stopped."""
    parser = argparse.ArgumentParser(description="Stand in for the WeChat platform and for WeChat Pay.")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--appid", required=True)
    parser.add_argument("--pay", type=Path, help="folder of the merchant's keys and trade; none: login alone")
    parser.add_argument("--auto-pay-after-s", type=float, help="pay orders by themselves after so many seconds")
    parser.add_argument("--clock-speed", type=float, default=60.0, help="retries come so many times faster")
    parser.add_argument("--message-push-url", default="", help="where messages of virtual payment are pushed to")
    parser.add_argument("--cloud-run", action="store_true", help="texts come from WeChat Cloud Run, without a token")
    arguments = parser.parse_args()
    settings = Settings(
        auto_pay_after_s=arguments.auto_pay_after_s,
        clock_speed=arguments.clock_speed,
        message_push_url=arguments.message_push_url,
    )
    app = build(arguments.appid, os.environ["WECHAT_SECRET"], arguments.pay, settings, cloud_run=arguments.cloud_run)
    uvicorn.run(app, host=HOST, port=arguments.port, log_level="warning", timeout_graceful_shutdown=_STOP_S)


if __name__ == "__main__":
    main()
