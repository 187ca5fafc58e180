"""The outside of the mesh: each part is the real thing that the environment names, or started here."""

import asyncio
import sys
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from pathlib import Path

from sandbox import model, postgres, redis
from sandbox.ports import HOST
from sandbox.probe import http_ok
from sandbox.processes import PartError, Process, minimal_env
from sandbox.state import State
from sandbox.supervisor import Supervisor
from sandbox.wechat.merchant import Merchant

# The outside stops after everything that uses it.
_LAYER = 0

_APPID = "wxqueqiaosandbox01"

# The accounts with WeChat Pay and virtual payment.
PAYMENT_VARIABLES = (
    "WECHATPAY_BASE_URL",
    "WECHATPAY_MCHID",
    "WECHATPAY_CERT_SERIAL_NO",
    "WECHATPAY_PRIVATE_KEY_FILE",
    "WECHATPAY_APIV3_KEY",
    "WECHATPAY_PUBLIC_KEY_ID",
    "WECHATPAY_PUBLIC_KEY_FILE",
    "WECHATPAY_V2_KEY",
    "WECHATPAY_V2_SIGN_TYPE",
    "WECHATPAY_V2_CERT_FILE",
    "WECHATPAY_V2_CERT_KEY_FILE",
    "VIRTUAL_PAYMENT_OFFER_ID",
    "VIRTUAL_PAYMENT_APP_KEY",
    "VIRTUAL_PAYMENT_SANDBOX",
    "WECHAT_MESSAGE_TOKEN",
    "WECHAT_MESSAGE_AES_KEY",
)
_ACCOUNT_VARIABLES = ("WECHAT_API_BASE_URL", "WECHAT_APPID", "WECHAT_SECRET")


@dataclass(frozen=True)
class Part:
    """One part of the outside, and the variables by which services reach it."""

    title: str
    env: Mapping[str, str]


Start = Callable[[Mapping[str, str], State, Supervisor, int], Coroutine[None, None, Part]]


async def start_postgres(given: Mapping[str, str], state: State, supervisor: Supervisor, port: int) -> Part:
    """`DATABASE_URL`."""
    if url := given.get("DATABASE_URL"):
        return Part("PostgreSQL (yours)", {"DATABASE_URL": url})
    password = state.secret("postgres")
    server = await asyncio.to_thread(postgres.Postgres.prepare, state.folder)
    process = supervisor.adopt(_LAYER, await server.start(port, password, state.log("postgres")))
    await supervisor.ready(process, lambda: postgres.answers(port, password), before=server.predecessor_gone)
    return Part("PostgreSQL 18", {"DATABASE_URL": postgres.url(port, password)})


async def start_redis(given: Mapping[str, str], state: State, supervisor: Supervisor, port: int) -> Part:
    """`REDIS_URL`."""
    if url := given.get("REDIS_URL"):
        return Part("Redis (yours)", {"REDIS_URL": url})
    password = state.secret("redis")
    url = redis.url(port, password)
    server = await redis.start(port, password, state.folder / "redis", state.log("redis"))
    await supervisor.ready(supervisor.adopt(_LAYER, server), lambda: redis.answers(url))
    return Part("Redis", {"REDIS_URL": url})


async def start_model(given: Mapping[str, str], state: State, supervisor: Supervisor, port: int) -> Part:
    """`OPENAI_BASE_URL` and `OPENAI_API_KEY`; of our own server, `LOCAL_MODEL`."""
    if url := given.get("OPENAI_BASE_URL"):
        if not given.get("OPENAI_API_KEY"):
            raise PartError("OPENAI_BASE_URL is set but OPENAI_API_KEY is not: set the provider's key as well.")
        return Part("Model (yours)", {"OPENAI_BASE_URL": url, "OPENAI_API_KEY": given["OPENAI_API_KEY"]})
    argv = [sys.executable, "-m", "sandbox.model", "--port", str(port)]
    file = Path(given["LOCAL_MODEL"]) if given.get("LOCAL_MODEL") else None
    if file is not None:
        if not file.is_file():
            raise PartError(f"LOCAL_MODEL is {file}, which is no file: name a GGUF file, or unset it.")
        argv += ["--weights", str(file)]
    process = await Process.start("The local model", argv, log=state.log("model"))
    await supervisor.ready(supervisor.adopt(_LAYER, process), lambda: http_ok(f"http://{HOST}:{port}/health"))
    env = {"OPENAI_BASE_URL": f"http://{HOST}:{port}/v1", "OPENAI_API_KEY": "sk-no-key-needed"}
    return Part(f"Model {model.name_of(file)}", env)


async def start_wechat(given: Mapping[str, str], state: State, supervisor: Supervisor, port: int) -> Part:
    """`WECHAT_API_BASE_URL`, `WECHAT_APPID`, `WECHAT_SECRET`, and the merchant's as Merchant.env names them."""
    if given.get("WECHAT_APPID"):
        if not given.get("WECHAT_SECRET"):
            raise PartError("WECHAT_APPID is set but WECHAT_SECRET is not: set the mini-program's secret as well.")
        names = (*_ACCOUNT_VARIABLES, *PAYMENT_VARIABLES)
        return Part("WeChat (yours)", {name: given[name] for name in names if given.get(name)})
    if given.get("WECHAT_API_BASE_URL"):
        raise PartError("WECHAT_API_BASE_URL is set but WECHAT_APPID is not: set it and WECHAT_SECRET as well.")
    secret, folder = state.secret("wechat"), state.folder / "wechatpay"
    merchant = await asyncio.to_thread(Merchant.open, folder)
    argv = [sys.executable, "-m", "sandbox.wechat", "--port", str(port), "--appid", _APPID, "--pay", str(folder)]
    # The platform's console holds this address of the mini-program's server.
    argv += ["--message-push-url", given.get("WECHAT_MESSAGE_PUSH_URL", "")]
    if given.get("WECHAT_CLOUD_RUN", "").lower() in ("true", "1"):
        argv.append("--cloud-run")
    process = await Process.start(
        "The WeChat stand-in", argv, log=state.log("wechat"), env=minimal_env() | {"WECHAT_SECRET": secret}
    )
    url = f"http://{HOST}:{port}"
    await supervisor.ready(supervisor.adopt(_LAYER, process), lambda: http_ok(f"{url}/cgi-bin/token"))
    account = {"WECHAT_API_BASE_URL": url, "WECHAT_APPID": _APPID, "WECHAT_SECRET": secret}
    return Part("WeChat stand-in", account | merchant.env(url))


async def start_moderations(given: Mapping[str, str], state: State, supervisor: Supervisor, port: int) -> Part:
    """`OPENAI_MODERATION_BASE_URL` and `OPENAI_MODERATION_API_KEY`."""
    if given.get("OPENAI_MODERATION_API_KEY"):
        names = ("OPENAI_MODERATION_BASE_URL", "OPENAI_MODERATION_API_KEY")
        return Part("OpenAI moderation (yours)", {name: given[name] for name in names if given.get(name)})
    if given.get("OPENAI_MODERATION_BASE_URL"):
        raise PartError("OPENAI_MODERATION_BASE_URL is set but OPENAI_MODERATION_API_KEY is not: set the key as well.")
    key = state.secret("moderations")
    argv = [sys.executable, "-m", "sandbox.moderations", "--port", str(port)]
    process = await Process.start(
        "The stand-in for OpenAI's moderation",
        argv,
        log=state.log("moderations"),
        env=minimal_env() | {"OPENAI_MODERATION_API_KEY": key},
    )
    url = f"http://{HOST}:{port}"
    await supervisor.ready(supervisor.adopt(_LAYER, process), lambda: http_ok(f"{url}/health"))
    env = {"OPENAI_MODERATION_BASE_URL": f"{url}/v1", "OPENAI_MODERATION_API_KEY": key}
    return Part("OpenAI moderation stand-in", env)
