"""A service that is told nonsense says all of it at once, and starts nothing."""

import asyncio
import re
import sys
from collections.abc import AsyncIterator

import pytest

from k8s.configuration import SERVICES
from sandbox.processes import minimal_env

# What each service is told wrongly beside what all are.
WRONG = {
    "gateway": {"SESSION_SECRET": "short", "TRUSTED_PROXIES": "everybody", "PLATFORM_POLICY_FILE": "/nowhere.toml"},
    "chat": {
        "TURN_TIMEOUT_S": "0",
        "ANSWER_CACHE_CHARGE": "much",
        "OPENAI_KIND": "tea",
        "UPSTREAMS_FILE": "/nowhere.toml",
    },
    "moderation": {
        "AUDIT_KEEP_DAYS": "0",
        "POLICY_FILE": "/nowhere.toml",
        "AUDIT_SECRET": "short",
        "REDIS_URL": "redis+sentinel://:hunter2@host:26379",
    },
    "billing": {"BATCH_MAX": "many", "WECHATPAY_V2_SIGN_TYPE": "CRC", "WECHATPAY_PRIVATE_KEY_FILE": "/nowhere.pem"},
}
EVERYWHERE = {
    "PORT": "seventy",
    "METRICS_PORT": "70000",
    "LOG_LEVEL": "loud",
    "DRAIN_S": "-1",
    "TLS_KEY_FILE": "/no.key",
}


@pytest.fixture
async def visited() -> AsyncIterator[tuple[str, list[int]]]:
    """An address, and who came to it."""
    came: list[int] = []

    async def visit(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        came.append(1)
        writer.close()

    async with await asyncio.start_server(visit, "127.0.0.1", 0) as server:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}", came


async def run(service: str, env: dict[str, str]) -> tuple[int | None, str]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", f"services.{service}"), env=minimal_env() | env, stderr=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(60):
        _, complaint = await process.communicate()
    return process.returncode, complaint.decode()


# What belongs together and is told by half: what is told, and what is complained about.
HALVES = {
    "chat": ({"MODERATION_TARGET": "m:1", "BILLING_TARGET": "b:1"}, {"OPENAI_API_KEY"}),
    "moderation": (
        {"WECHAT_APPID": "wx0123456789abcdef", "AUDIT_KEEP_TEXTS": "true", "TLS_CERT_FILE": __file__},
        {"WECHAT_SECRET", "AUDIT_SECRET", "TLS_CA_FILE"},
    ),
    "billing": (
        {"HOST": "0.0.0.0", "WECHATPAY_MCHID": "1900000000", "VIRTUAL_PAYMENT_OFFER_ID": "offer"},  # noqa: S104
        {
            "GRPC_PLAINTEXT",
            "WECHAT_APPID",
            "WECHAT_SECRET",
            "PAYMENT_NOTIFY_BASE_URL",
            "WECHATPAY_CERT_SERIAL_NO",
            "WECHATPAY_PRIVATE_KEY_FILE",
            "WECHATPAY_APIV3_KEY",
            "VIRTUAL_PAYMENT_APP_KEY",
            "WECHAT_MESSAGE_TOKEN",
        },
    ),
}


@pytest.mark.parametrize("service", HALVES)
async def test_what_belongs_together_is_asked_for_before_anything_starts(
    service: str, visited: tuple[str, list[int]]
) -> None:
    address, came = visited
    told, names = HALVES[service]
    stores = {"DATABASE_URL": f"postgresql://u@{address}/d", "REDIS_URL": f"redis://{address}/0", "PORT": "0"}
    status, complaint = await run(service, stores | told)
    assert status == 2
    assert set(re.findall(r"([A-Z0-9_]+) is (?:wrong|not set)", complaint)) == names
    assert not came


@pytest.mark.parametrize("service", SERVICES)
async def test_all_mistakes_are_named_at_once_and_nothing_starts(service: str, visited: tuple[str, list[int]]) -> None:
    address, came = visited
    needed = {name.upper() for name, field in SERVICES[service].model_fields.items() if field.is_required()}
    good = {"DATABASE_URL": f"postgresql://u:hunter2@{address}/d", "REDIS_URL": f"redis://:hunter2@{address}/0"}
    wrong = EVERYWHERE | WRONG[service]
    status, complaint = await run(service, good | wrong)
    assert status == 2
    for name in wrong.keys() | needed - good.keys():
        assert f"{name} is " in complaint
    for name in good.keys() - wrong.keys():
        assert f"{name} is " not in complaint
    assert "hunter2" not in complaint
    assert "Traceback" not in complaint
    assert not came
