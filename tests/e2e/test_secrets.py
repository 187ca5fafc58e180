"""A secret in every place that can have one, everything going wrong, and no secret anywhere else afterwards."""

import asyncio
import secrets
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from bench.simulator_process import SimulatorProcess
from sandbox.mesh import Mesh
from sandbox.ports import free_ports
from sandbox.processes import PartError, minimal_env
from tests.e2e.planted import command_lines, entries, files, leaks, planted, rows
from tests.fakes.collector import Collector

pytestmark = pytest.mark.xdist_group("mesh")

SERVICES = ("gateway", "chat", "moderation", "billing")
# What a person wrote is kept where conversations are, and nowhere else.
CONVERSATIONS = {"chat.messages", "chat.conversations"}
FORBIDDEN = ("鹊桥违禁词示例", "微信违规示例")


class Visitor:
    """Asks for everything, and remembers what is said of failures."""

    def __init__(self, http: aiohttp.ClientSession, url: str) -> None:
        self._http = http
        self._url = url
        self.told: list[tuple[str, bytes]] = []
        self.statuses: set[int] = set()

    async def send(self, method: str, path: str, token: str = "", body: object = None, **more: Any) -> Any:
        """Send one request; answers the JSON, or None where there is none."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        url = path if "://" in path else self._url + path
        try:
            async with self._http.request(method, url, json=body, headers=headers, **more) as answer:
                text = await answer.read()
                self.statuses.add(answer.status)
                said = repr(answer.headers).encode() + (text if answer.status >= 400 else b"")
                self.told.append((f"{method} {path} {answer.status}", said))
                return await answer.json() if answer.content_type == "application/json" else None
        except (aiohttp.ClientError, TimeoutError):
            return None

    async def ask(self, token: str, question: str, **more: object) -> None:
        """Ask the model."""
        body = {"model": "simulated", "messages": [{"role": "user", "content": question}], **more}
        await self.send("POST", "/v1/chat/completions", token, body)


async def converse(visitor: Visitor, token: str, question: str) -> None:
    """Everything that can happen to a question."""
    for manner in ("text=好", "status=401", "status=500", "cut_after=1 deltas=4", "bad_json deltas=2"):
        await visitor.ask(token, f"{question} [[sim {manner}]]", stream=manner.startswith("cut"))
    for word in FORBIDDEN:
        await visitor.ask(token, question + word)
    await visitor.ask(token, question, conversation_id="talk", title=question)
    await visitor.ask(token, question, model=question)
    await visitor.ask(token, question, max_tokens=question)
    await visitor.send("POST", "/v1/chat/completions", token, {question: question})
    await visitor.send("POST", "/v1/moderations", token, {"input": [question, question + FORBIDDEN[0]]})
    await visitor.send("POST", "/sec-check", token, {"content": question + FORBIDDEN[0]})


async def be_refused(visitor: Visitor, secret: Mapping[str, str]) -> None:
    """Show secrets where they do not fit."""
    for value in secret.values():
        short = value[:200].replace("\n", " ")
        await visitor.send("GET", "/v1/me", short)
        await visitor.send("POST", "/v1/auth/refresh", body={"refresh_token": short})
    for path in ("wechatpay", "wechatpay_v2", "virtual_payment"):
        await visitor.send("POST", f"/v1/callbacks/{path}", body={"sign": secret["WECHATPAY_V2_KEY"]})


async def shop(visitor: Visitor, token: str, wechat: str) -> None:
    """Buy over every channel, and once while WeChat Pay does not want to."""
    for channel in ("jsapi", "native", "jsapi_v2", "virtual"):
        order = await visitor.send("POST", "/v1/orders", token, {"package_id": "small", "channel": channel})
        await visitor.send("POST", f"{wechat}/sandbox/pay/{order['id']}", body={"how": "normal"})
    await visitor.send("PUT", f"{wechat}/sandbox/settings", body={"api_faults": ["server_error"] * 6})
    for channel in ("native", "jsapi_v2"):
        await visitor.send("POST", "/v1/orders", token, {"package_id": "small", "channel": channel})


async def failed_starts(mesh: Mesh) -> list[tuple[str, bytes]]:
    """What services say whose stores are not there."""
    (closed,) = free_ports(1)
    said = []

    async def start(name: str) -> None:
        env = mesh._service_env(name)
        for variable in ("DATABASE_URL", "REDIS_URL"):
            if variable in env:
                address, _, rest = env[variable].rpartition(":")
                env[variable] = f"{address}:{closed}/{rest.partition('/')[2]}"
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", f"services.{name}"),
            env=env | {"PORT": "0", "METRICS_PORT": "0"},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        try:
            printed, _ = await asyncio.wait_for(process.communicate(), 30)
        finally:
            if process.returncode is None:
                process.kill()
        assert process.returncode != 0
        assert printed
        said.append((f"failed start of {name}", printed))

    await asyncio.gather(*map(start, SERVICES))
    return said


async def failed_command(mesh: Mesh) -> tuple[str, bytes]:
    """What the command line says when it cannot."""
    grant = ("credit", "grant", "--user", "somebody", "--request-id", "x", "--reason", "x")
    await mesh.queqiao(*grant, "--yuan", "1")
    with pytest.raises(PartError) as caught:
        await mesh.queqiao(*grant, "--yuan", "2")
    return "command line", str(caught.value).encode()


async def test_no_secret_leaves_the_place_that_it_is_for(simulator: SimulatorProcess, mesh_folder: Path) -> None:
    question = f"私密-{secrets.token_hex(8)}"
    given = {"OPENAI_BASE_URL": simulator.url, "OPENAI_API_KEY": f"sk-{secrets.token_hex(16)}", "LOG_LEVEL": "DEBUG"}
    async with Collector() as collector:
        given["OTEL_EXPORTER_OTLP_ENDPOINT"] = collector.url
        async with (
            Mesh(mesh_folder, given=minimal_env() | given, port=0) as mesh,
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(20)) as http,
        ):
            visitor = Visitor(http, mesh.url)
            secret = planted(given | mesh.env) | {"API key": mesh.api_key}
            session = await visitor.send("POST", "/v1/auth/wechat", body={"code": "somebody"})
            secret |= {"access token": session["access_token"], "refresh token": session["refresh_token"]}
            issued = await visitor.send("POST", "/v1/api_keys", session["access_token"], {"name": "mine"})
            secret["issued key"] = issued["key"]
            # They try for ten seconds.
            starts = asyncio.create_task(failed_starts(mesh))
            await converse(visitor, session["access_token"], question)
            await converse(visitor, mesh.api_key, question)
            await shop(visitor, session["access_token"], mesh.env["WECHATPAY_BASE_URL"])
            await be_refused(visitor, secret)
            pids = [mesh.process(name).pid for name in SERVICES]
            kept = [*await rows(mesh.env["DATABASE_URL"]), *await entries(mesh.env["REDIS_URL"])]
            seen = [*command_lines(pids), await failed_command(mesh)]
            for part in ("Redis", "PostgreSQL"):
                mesh.process(part).kill()
                await visitor.ask(session["access_token"], f"{question} [[sim text=好]]")
                await visitor.send("GET", "/v1/wallet", mesh.api_key)
                await visitor.send("POST", "/v1/auth/wechat", body={"code": "another"})
            seen += await starts
            for name in SERVICES:
                async with http.get(f"http://127.0.0.1:{mesh.env[f'{name.upper()}_METRICS_PORT']}/metrics") as answer:
                    seen.append((f"metrics of {name}", await answer.read()))
            public = f"{mesh.url}/openapi.json", f"{mesh.url}/readyz"
            for url in public:
                async with http.get(url) as answer:
                    seen.append((url, await answer.read()))
    logs = list(files(mesh_folder / "logs"))
    spans = [(f"spans {number}", content) for number, content in enumerate(collector.received)]
    # That there was something to find, and that it would have been found.
    assert {name for name, _ in logs} >= {f"{service}.log" for service in SERVICES}
    assert len(collector.spans) > 100
    assert visitor.statuses >= {200, 201, 400, 401, 403, 404, 502}
    assert any(status >= 500 and status != 502 for status in visitor.statuses)
    assert leaks({"question": question}, kept)
    assert leaks(secret, [("itself", "\n".join(secret.values()).encode())])

    # Whoever names a model that there is not reads the name again; nobody else does.
    told = [(place, said) for place, said in visitor.told if not place.endswith("404")]
    assert leaks(secret | {"question": question}, [*logs, *spans, *seen, *told]) == []
    assert leaks(secret, [*kept, *visitor.told]) == []
    asked = [(place, content) for place, content in kept if place not in CONVERSATIONS and "Redis" not in place]
    assert leaks({"question": question}, asked) == []
