"""What a rendered overlay says of a service's pods, as far as one machine can do it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from k8s.checks.objects import Object, Pod, of_kind, pods
from sandbox.processes import PartError


@dataclass(frozen=True, slots=True)
class Probe:
    """How a pod is asked whether it is well: by a path of HTTP, or by a service's name of gRPC's health protocol."""

    port: int
    path: str | None
    grpc_service: str
    period_s: float
    timeout_s: float
    failures: int


@dataclass(frozen=True, slots=True)
class Plan:
    """A service's Deployment."""

    service: str
    arguments: Sequence[str]
    variables: Mapping[str, str]
    port: int
    startup: Probe
    readiness: Probe
    liveness: Probe
    pre_stop_s: float
    grace_s: float
    surge: int


def plans(objects: Sequence[Object]) -> dict[str, Plan]:
    """The plan of each service, by its name.

    Raises:
        PartError: A manifest wants what cannot be done without a cluster.
    """
    maps = {each["metadata"]["name"]: each.get("data", {}) for each in of_kind(objects, "ConfigMap")}
    updates = {each["metadata"]["name"]: each["spec"].get("strategy") for each in of_kind(objects, "Deployment")}
    return {pod.service: _plan(pod, pod.service, updates[pod.name], maps) for pod in pods(objects) if pod.service}


def _plan(pod: Pod, service: str, strategy: Object | None, maps: Mapping[str, Mapping[str, str]]) -> Plan:
    match strategy:
        case {"rollingUpdate": {"maxSurge": int(surge), "maxUnavailable": 0}} if surge > 0:
            pass
        case _:
            raise PartError(f"{pod.owner}: only a rolling update that keeps all replicas is done here.")
    container = pod.containers[0]
    match container:
        case {"lifecycle": {"preStop": {"sleep": {"seconds": int(pre_stop_s)}}}}:
            pass
        case _:
            raise PartError(f"{pod.owner}: it has no preStop that sleeps.")
    startup, readiness, liveness = (
        _probe(pod, container[f"{kind}Probe"]) for kind in ("startup", "readiness", "liveness")
    )
    return Plan(
        service,
        arguments=container["args"],
        variables=dict(_variables(container, maps)),
        port=readiness.port,
        startup=startup,
        readiness=readiness,
        liveness=liveness,
        pre_stop_s=pre_stop_s,
        grace_s=pod.spec["terminationGracePeriodSeconds"],
        surge=surge,
    )


def _variables(container: Object, maps: Mapping[str, Mapping[str, str]]) -> Iterator[tuple[str, str]]:
    """What is written in the manifests; secrets and the pod's own name are given to it elsewhere."""
    for source in container.get("envFrom", ()):
        if "configMapRef" in source:
            yield from maps[source["configMapRef"]["name"]].items()
    yield from ((entry["name"], entry["value"]) for entry in container.get("env", ()) if "value" in entry)


def _probe(pod: Pod, probe: Any) -> Probe:
    """The probe, with Kubernetes' defaults where it says nothing."""
    path: str | None = None
    service = ""
    match probe:
        case {"httpGet": {"path": str(path), "port": port}}:
            port = pod.ports.get(port, port)
        case {"grpc": {"port": port}}:
            service = probe["grpc"].get("service", "")
        case _:
            raise PartError(
                f"{pod.owner}: a probe that asks localhost needs a network of its pod's own: take an overlay without "
                "the component mtls, such as dev."
            )
    return Probe(
        port=port,
        path=path,
        grpc_service=service,
        period_s=probe.get("periodSeconds", 10),
        timeout_s=probe.get("timeoutSeconds", 1),
        failures=probe.get("failureThreshold", 3),
    )
