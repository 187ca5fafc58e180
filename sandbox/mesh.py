"""The whole mesh: the outside, then the four services, each a process of its own."""

import asyncio
import json
import sys
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, TypeVar

from sandbox import model, parts
from sandbox.ports import HOST, cannot_listen, free_ports
from sandbox.probe import grpc_serving, http_get, http_ok
from sandbox.processes import PartError, Process, minimal_env
from sandbox.state import State
from sandbox.supervisor import Supervisor
from sandbox.variables import NEEDS, REFERENCE, SHARED
from sandbox.workers import Workers

ResultT = TypeVar("ResultT")

# In which order services stop: the edge first, what it stands on last.
_LAYERS = {"billing": 1, "moderation": 1, "chat": 2, "gateway": 3}

_OUTSIDE: dict[str, parts.Start] = {
    "postgres": parts.start_postgres,
    "redis": parts.start_redis,
    "model": parts.start_model,
    "wechat": parts.start_wechat,
    "moderations": parts.start_moderations,
}

# Where `npm run dev` serves the client's pages.
_PAGE_PORT = 5173

# How long running answers may hold up a stop, unless DRAIN_S says otherwise: somebody is waiting for the prompt.
_DRAIN_S = "3"

# As in the image: the thread that asyncio waits for reads gRPC's sockets itself.
_GRPC_EXPERIMENTS = "-event_engine_client,-event_engine_listener"

# pydantic looks for plugins in what every installed package says of itself, and there is none.
_PYDANTIC_PLUGINS_OFF = "__all__"

# What a part may take to stop in good order before it is killed: at least so long, and longer than it may drain.
_STOP_GRACE_S = 8.0
_STOP_MARGIN_S = 5.0

DEVELOPER = "developer"
_DEVELOPER_CREDIT_YUAN = "10"

# Told the title of each part that has come up.
Progress = Callable[[str], None]


class Mesh:
    """A mesh that runs while the context is open.

    After entering: `url` is the gateway's address, `api_key` a developer's key with credit, `env` every address and
    credential.
    """

    def __init__(
        self,
        folder: Path,
        *,
        given: Mapping[str, str],
        host: str = HOST,
        port: int = 8080,
        progress: Progress = lambda title: None,
        restarted: Progress | None = None,
    ) -> None:
        """Plan a mesh.

        Args:
            folder: Where its state lives.
            given: The environment that it is told: variables that replace parts, and options of the services.
            host: Where the gateway listens.
            port: The gateway's port; 0 for a free one.
            progress: Told the title of each part as it comes up.
            restarted: Told, in a sentence, of each part that died and is started again; None to start none again.
        """
        self.state = State(folder.resolve())
        self.env: dict[str, str] = {}
        self.api_key = ""
        self._host = host
        self._workers = Workers.of(given)
        names = _listeners(self._workers)
        # All at once: none of the inner ones may be the gateway's.
        free, *inner = free_ports(1 + len(names))
        self._port = port or free
        # Where WeChat finds us, unless the owner says where that is.
        callbacks = {
            "PAYMENT_NOTIFY_BASE_URL": self.url,
            "WECHAT_MESSAGE_PUSH_URL": f"{self.url}/v1/payments/virtual-payment/notify",
        }
        self._given = callbacks | {name: value for name, value in given.items() if value}
        self._ports = dict(zip(names, inner, strict=True))
        self._progress = progress
        self._supervisor = Supervisor(restarted, stop_grace_s=_stop_grace_s(self._given.get("DRAIN_S") or _DRAIN_S))
        self._lock: IO[str] | None = None

    @property
    def url(self) -> str:
        """The gateway's address."""
        return f"http://{self._host if self._host != '0.0.0.0' else HOST}:{self._port}"  # noqa: S104  # a comparison

    @property
    def local_model(self) -> str | None:
        """The name of the sandbox's own model; None when others may answer."""
        if self._given.get("OPENAI_BASE_URL") or self._given.get("UPSTREAMS_FILE"):
            return None
        file = self._given.get("LOCAL_MODEL")
        return model.name_of(Path(file) if file else None)

    def process(self, name: str) -> Process:
        """A running service or part, by the name its sentences use."""
        return self._supervisor.process(name)

    async def given_up(self) -> PartError:
        """Wait until a part dies that is not started again."""
        return await self._supervisor.given_up()

    async def __aenter__(self) -> "Mesh":
        """Start everything, or nothing.

        Raises:
            PartError: Something is in the way; everything that was started is stopped.
        """
        if obstacle := cannot_listen(self._host, self._port):
            raise PartError(obstacle)
        self._lock = self.state.open()
        try:
            await self._start()
        except BaseException as error:
            await self._stop()
            if isinstance(error, OSError):
                raise PartError(f"{error.strerror or error}: check {self.state.folder} and its disk's room.") from None
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop everything."""
        await self._stop()

    async def _start(self) -> None:
        """The steps of a start, one after the other: a further one is a method, and its line here."""
        await self._start_outside()
        self._tell_addresses()
        await _all(self._service(service) for service in _LAYERS)
        self._write_env()
        self.api_key = await self._developer_key()

    async def _start_outside(self) -> None:
        for part in await _all(self._part(name, start) for name, start in _OUTSIDE.items()):
            self.env.update(part.env)

    def _tell_addresses(self) -> None:
        """What services must know of each other, and the secrets that they share."""
        self.env["SESSION_SECRET"] = self.state.secret("session")
        self.env["AUDIT_SECRET"] = self._given.get("AUDIT_SECRET") or self.state.secret("audit")
        for service in ("billing", "moderation", "chat"):
            ports = [self._ports[worker] for worker in self._workers.names(service)]
            self.env[f"{service.upper()}_TARGET"] = self._workers.target(ports)

    def _write_env(self) -> None:
        """Tell commands, and whoever else wants to reach the mesh, how."""
        lines = "".join(f"{name}={value}\n" for name, value in sorted(self.env.items()))
        self.state.write_private(self.state.env_file, lines)

    async def _part(self, name: str, start: parts.Start) -> parts.Part:
        part = await start(self._given, self.state, self._supervisor, self._ports[name])
        self._progress(part.title)
        return part

    async def _service(self, name: str) -> None:
        await _all(self._worker(name, worker) for worker in self._workers.names(name))
        self._progress(name)

    async def _worker(self, service: str, name: str) -> None:
        """One process of a service; those of the gateway share its port, each other has one of its own."""
        env = self._service_env(service)
        if name != service:
            env |= {"METRICS_PORT": str(self._ports[f"{name} metrics"]), "SERVICE_INSTANCE": f"{name}-laptop"}
            if service != "gateway":
                env["PORT"] = str(self._ports[name])
        self.env[f"{name.replace(' ', '_').upper()}_METRICS_PORT"] = env["METRICS_PORT"]
        await self._launch(service, name, env)

    async def replica(self, service: str, name: str, **changes: str) -> str:
        """Start another replica of a service, as `name`; answers its target, or its URL for the gateway.

        Args:
            service: Which.
            name: What it is called here: its log, and `process(name)`.
            changes: Variables that differ from those of the first replica.

        Raises:
            PartError: It did not come up.
        """
        port, metrics_port = free_ports(2)
        own = {"HOST": HOST, "PORT": str(port), "METRICS_PORT": str(metrics_port), "SERVICE_INSTANCE": name}
        await self._launch(service, name, self._service_env(service) | own | changes)
        return f"http://{HOST}:{port}" if service == "gateway" else f"{HOST}:{port}"

    def service_argv(self, service: str, env: Mapping[str, str]) -> list[str]:
        """The command that runs a service with these variables."""
        return [sys.executable, "-m", f"services.{service}"]

    async def _launch(self, service: str, name: str, env: Mapping[str, str]) -> None:
        process = await Process.start(name, self.service_argv(service, env), log=self.state.log(name), env=env)
        self._supervisor.adopt(_LAYERS[service], process)
        host = env["HOST"] if env["HOST"] != "0.0.0.0" else HOST  # noqa: S104  # a comparison
        if service == "gateway":
            await self._supervisor.ready(process, lambda: http_ok(f"http://{host}:{env['PORT']}/readyz"))
        else:
            await self._supervisor.ready(process, lambda: grpc_serving(f"{host}:{env['PORT']}", env))

    def _service_env(self, name: str) -> dict[str, str]:
        known = {**self._given, **self.env}
        needs = (*NEEDS[name], *SHARED, *(self._upstream_variables() if name == "chat" else ()))
        env = minimal_env() | {key: known[key] for key in needs if known.get(key)}
        env.setdefault("DRAIN_S", _DRAIN_S)
        env.setdefault("GRPC_EXPERIMENTS", _GRPC_EXPERIMENTS)
        env["PYDANTIC_DISABLE_PLUGINS"] = _PYDANTIC_PLUGINS_OFF
        env |= {"METRICS_PORT": str(self._ports[f"{name} metrics"]), "SERVICE_INSTANCE": f"{name}-laptop"}
        if name == "gateway":
            # The pages of a laptop: another port of it is another origin.
            env.setdefault("CORS_ORIGINS", ",".join(f"http://{host}:{_PAGE_PORT}" for host in ("localhost", HOST)))
            shared = {"PORT_SHARED": "true"} if self._workers.count > 1 else {}
            return env | {"HOST": self._host, "PORT": str(self._port)} | shared
        return env | {"HOST": HOST, "PORT": str(self._ports[name])}

    def _upstream_variables(self) -> Sequence[str]:
        """The variables that `UPSTREAMS_FILE` refers to; whether it makes sense is for the service to say."""
        file = Path(self._given.get("UPSTREAMS_FILE", ""))
        return REFERENCE.findall(file.read_text(encoding="utf-8", errors="replace")) if file.is_file() else ()

    async def _developer_key(self) -> str:
        """The key of earlier runs while it works, else a new one with credit."""
        file = self.state.api_key_file
        if file.exists():
            key = file.read_text(encoding="utf-8").strip()
            if await http_ok(f"{self.url}/v1/me", {"Authorization": f"Bearer {key}"}):
                return key
        issue = ("keys", "issue", "--user", DEVELOPER, "--name", "laptop")
        key = await self.queqiao(*issue, "--secret-only")
        user = await self._user_of(key)
        grant = ("credit", "grant", "--user", user, "--yuan", _DEVELOPER_CREDIT_YUAN)
        await self.queqiao(*grant, "--request-id", "laptop-credit", "--reason", "credit of a laptop's developer")
        self.state.write_private(file, key)
        return key

    async def _user_of(self, key: str) -> str:
        said = await http_get(f"{self.url}/v1/me", {"Authorization": f"Bearer {key}"})
        if said is None:
            raise PartError("The gateway does not take the key that it has just issued: look into its log.")
        user: str = json.loads(said)["user"]["id"]
        return user

    async def queqiao(self, *arguments: str) -> str:
        """Run the command line in this mesh; answers what it printed.

        Raises:
            PartError: The command failed; the sentence is the command's own.
        """
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "services.cli", *arguments),
            env=minimal_env() | self.env,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            printed, complaint = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
        if process.returncode != 0:
            raise PartError(f"The command line failed: {complaint.decode().strip()}")
        return printed.decode().strip()

    async def _stop(self) -> None:
        await self._supervisor.stop()
        if self._lock is not None:
            self._lock.close()
            self._lock = None


def _stop_grace_s(drain_s: str) -> float:
    try:
        return max(_STOP_GRACE_S, float(drain_s) + _STOP_MARGIN_S)
    except ValueError:
        # The services say what is wrong with it.
        return _STOP_GRACE_S


def _listeners(workers: Workers) -> Sequence[str]:
    """What listens on a port that nobody chose."""
    processes = [name for service in _LAYERS for name in workers.names(service)]
    inner = [name for service in _LAYERS if service != "gateway" for name in workers.names(service)]
    return (*_OUTSIDE, *inner, *(f"{name} metrics" for name in processes))


async def _all(work: Iterable[Coroutine[None, None, ResultT]]) -> list[ResultT]:
    """Run together; the first failure cancels the rest and is raised alone."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(item) for item in work]
    except* (PartError, OSError) as failures:
        raise failures.exceptions[0] from None
    return [task.result() for task in tasks]
