"""Four Deployments on one machine: pods on loopback addresses of their own, behind an nginx.

Linux only: elsewhere the loopback has one address.
"""

import asyncio
import itertools
import secrets
import ssl
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType

import trustme

from k8s.rolling.manifest import Plan
from k8s.rolling.names import CACHE_S, DOMAIN, Endpoints, NameServer, target
from k8s.rolling.pod import RunningPod
from k8s.rolling.runner import Processes, Runner
from sandbox import nginx, parts
from sandbox.ports import HOST, free_ports
from sandbox.processes import minimal_env
from sandbox.state import State
from sandbox.supervisor import Supervisor
from sandbox.variables import NEEDS, SHARED

# What stands on others comes up after them.
LAYERS: Sequence[Sequence[str]] = (("billing", "moderation"), ("chat",), ("gateway",))
SERVICES: Sequence[str] = [service for layer in LAYERS for service in layer]

_OUTSIDE: Sequence[parts.Start] = (
    parts.start_postgres,
    parts.start_redis,
    parts.start_model,
    parts.start_wechat,
    parts.start_moderations,
)

# How fast the edge's controller hears of endpoints: it watches the API server and asks no name server.
_EDGE_CACHE_S = 1


class Cluster:
    """What one machine has of a cluster while the context is open.

    After entering: `url` is the edge's address, `trust` what a client of it must believe.
    """

    def __init__(
        self,
        plans: Mapping[str, Plan],
        folder: Path,
        *,
        given: Mapping[str, str],
        replicas: int = 2,
        runner: Runner | None = None,
    ) -> None:
        """Plan a cluster.

        Args:
            plans: The four services' Deployments.
            folder: Where state and logs go.
            given: Variables that replace parts of the outside, such as OPENAI_BASE_URL, and options of services that
                the manifests do not have.
            replicas: How many pods each service has.
            runner: What pods are; None for processes.
        """
        self.url = ""
        self.trust = ssl.create_default_context()
        self.endpoints = Endpoints()
        self._plans = plans
        self._state = State(folder)
        self._given = given
        self._replicas = replicas
        self._runner = runner or Processes()
        self._outside: dict[str, str] = {}
        self._names = ""
        self._pods: dict[str, list[RunningPod]] = {service: [] for service in plans}
        # A network of our own within the loopback: nobody else listens on a manifest's ports there.
        network = f"127.{secrets.randbelow(200) + 20}.{secrets.randbelow(256)}"
        self._addresses = (f"{network}.{number}" for number in range(1, 255))
        self._numbers = itertools.count(1)
        self._open = AsyncExitStack()

    async def __aenter__(self) -> "Cluster":
        """Start everything, or nothing.

        Raises:
            PartError: Something is in the way; everything that was started is stopped.
        """
        try:
            await self._start()
        except BaseException:
            await self._open.aclose()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop everything."""
        await self._open.aclose()

    async def _start(self) -> None:
        self._open.enter_context(self._state.open())
        supervisor = Supervisor()
        self._open.push_async_callback(supervisor.stop)
        ports = free_ports(len(_OUTSIDE))
        starts = (
            start(self._given, self._state, supervisor, port) for start, port in zip(_OUTSIDE, ports, strict=True)
        )
        for part in await asyncio.gather(*starts):
            self._outside.update(part.env)
        self._outside |= {name: self._state.secret(name) for name in ("SESSION_SECRET", "AUDIT_SECRET")}
        transport, self._names = await NameServer(self.endpoints, cache_s=CACHE_S).listen()
        self._open.callback(transport.close)
        self._open.push_async_callback(self._end_pods)
        for layer in LAYERS:
            new = (self._new_pod(service) for service in layer for _ in range(self._replicas))
            await asyncio.gather(*new)
        await self._start_edge()

    async def _start_edge(self) -> None:
        transport, names = await NameServer(self.endpoints, cache_s=_EDGE_CACHE_S).listen()
        self._open.callback(transport.close)
        folder = self._state.folder / "edge"
        (pages := folder / "pages").mkdir(parents=True)
        authority = trustme.CA()
        certificate, key = folder / "edge.pem", folder / "edge.key"
        issued = authority.issue_cert(HOST)
        issued.cert_chain_pems[0].write_to_path(certificate)
        issued.private_key_pem.write_to_path(key)
        authority.configure_trust(self.trust)
        gateway = f"gateway.{DOMAIN}:{self._plans['gateway'].port} resolve"
        resolver = f"resolver {names} ipv6=off;"
        edge = await nginx.start(
            folder, gateway=gateway, certificate=certificate, key=key, pages=pages, settings=resolver
        )
        self._open.push_async_callback(edge.process.stop, grace_s=5)
        self.url = f"https://{HOST}:{edge.https_port}"

    async def _new_pod(self, service: str) -> None:
        plan, name, address = self._plans[service], f"{service}-{next(self._numbers)}", next(self._addresses)
        env = self._env(plan) | {"HOST": address, "SERVICE_INSTANCE": name}
        log = self._state.log(name)
        pod = await RunningPod.start(plan, name, address, env, runner=self._runner, log=log, endpoints=self.endpoints)
        self._pods[service].append(pod)

    def _env(self, plan: Plan) -> dict[str, str]:
        """What the manifests say; secrets and whoever is outside as they are here; names asked of our name server."""
        known = {**self._given, **self._outside}
        # Nothing is bought: payments want a public address.
        needs = {*NEEDS[plan.service], *SHARED}.difference(parts.PAYMENT_VARIABLES)
        here = {name: known[name] for name in needs if known.get(name)}
        written = {name: target(value, self._names, self._plans) for name, value in plan.variables.items()}
        return minimal_env() | written | here

    async def roll(self, service: str) -> "asyncio.Future[list[float]]":
        """Replace every pod of a service by a new one, as its strategy has it, until the old ones are deleted.

        Answers who waits for their end: the seconds that each took from its SIGTERM.

        Raises:
            PartError: A new pod did not come up.
        """
        old, surge = tuple(self._pods[service]), self._plans[service].surge
        going: list[asyncio.Task[float]] = []
        for first in range(0, len(old), surge):
            batch = old[first : first + surge]
            await asyncio.gather(*(self._new_pod(service) for _ in batch))
            going += [asyncio.create_task(self._delete(service, pod)) for pod in batch]
        return asyncio.gather(*going)

    async def _delete(self, service: str, pod: RunningPod) -> float:
        drained_s = await pod.delete()
        self._pods[service].remove(pod)
        return drained_s

    async def _end_pods(self) -> None:
        for layer in reversed(LAYERS):
            await asyncio.gather(*(pod.end() for service in layer for pod in self._pods[service]))
