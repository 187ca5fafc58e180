"""Pods, and what points at them: selectors, ports, probes, commands, drains, and what a pod may do."""

import importlib.util
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

import typer
from queqiao.billing.v1 import billing_pb2
from queqiao.chat.v1 import chat_pb2
from queqiao.moderation.v1 import moderation_pb2
from typer.main import get_command

from k8s.checks.objects import Object, Pod, named, of_kind, pods, selects
from services.cli.__main__ import app
from services.gateway.health.readiness import Readiness
from services.gateway.health.routes import HealthRoutes
from services.runtime.config import ServiceSettings

_GRPC = {
    f"{file.package}.{name}"
    for file in (chat_pb2.DESCRIPTOR, moderation_pb2.DESCRIPTOR, billing_pb2.DESCRIPTOR)
    for name in file.services_by_name
}
_HTTP = {operation.path for operation in HealthRoutes(Readiness({})).operations()}

_PROBES = ("startupProbe", "livenessProbe", "readinessProbe")
# What closing takes beyond the drain.
_MARGIN_S = 10
# How long name servers say of a headless service what they were told before (CoreDNS' default).
_NAMES_KEPT_S = 30


def problems(objects: Sequence[Object]) -> Iterator[str]:
    """Everything that points at nothing, or is not as the code has it."""
    found = pods(objects)
    yield from _selectors(objects, found)
    yield from _routes(objects)
    for pod in found:
        for container in pod.containers:
            yield from (f"{pod.owner}: {problem}" for problem in _container(pod, container))
        yield from (f"{pod.owner}: {problem}" for problem in _restrictions(pod))


def _selectors(objects: Sequence[Object], found: Sequence[Pod]) -> Iterator[str]:
    for service in of_kind(objects, "Service"):
        chosen = [pod for pod in found if selects({"matchLabels": service["spec"]["selector"]}, pod.labels)]
        if len(chosen) != 1:
            yield f"{named(service)} selects {len(chosen)} workloads, not one."
        for port in service["spec"]["ports"]:
            for pod in chosen:
                if port["targetPort"] not in (*pod.ports, *pod.ports.values()):
                    yield f"{named(service)} leads to the port {port['targetPort']}, which {pod.owner} does not have."
    for each in of_kind(objects, "PodDisruptionBudget", "NetworkPolicy"):
        selector = each["spec"].get("selector", each["spec"].get("podSelector"))
        operated = "cnpg.io/cluster" in str(selector) or selector == {"matchLabels": {"app": "redis"}}
        if not operated and not any(selects(selector, pod.labels) for pod in found):
            yield f"{named(each)} selects no pod."
    for monitor in of_kind(objects, "ServiceMonitor"):
        services = [
            each
            for each in of_kind(objects, "Service")
            if selects(monitor["spec"]["selector"], each["metadata"].get("labels", {}))
        ]
        names = {port["name"] for each in services for port in each["spec"]["ports"]}
        for endpoint in monitor["spec"]["endpoints"]:
            if endpoint["port"] not in names:
                yield f"{named(monitor)} scrapes the port {endpoint['port']}, which no Service has."


def _routes(objects: Sequence[Object]) -> Iterator[str]:
    services = {each["metadata"]["name"]: each for each in of_kind(objects, "Service")}
    for route in of_kind(objects, "HTTPRoute", "Ingress"):
        for name, port in _backends(route):
            ports = services[name]["spec"]["ports"] if name in services else ()
            if port not in {value for each in ports for value in (each["name"], each["port"])}:
                yield f"{named(route)} leads to {name}:{port}, which is no Service's port."


def _backends(route: Object) -> Iterator[tuple[str, Any]]:
    for rule in route["spec"]["rules"]:
        for ref in rule.get("backendRefs", ()):
            yield ref["name"], ref["port"]
        for path in rule.get("http", {}).get("paths", ()):
            backend = path["backend"]["service"]
            yield backend["name"], next(iter(backend["port"].values()))


def _container(pod: Pod, container: Object) -> Iterator[str]:
    for kind in _PROBES:
        if pod.service and kind not in container:
            yield f"there is no {kind}."
        yield from (f"{kind}: {problem}" for problem in _probe(pod, container.get(kind, {})))
    if container["image"].partition(":")[0].endswith("queqiao"):
        yield from _command(container)


def _probe(pod: Pod, probe: Any) -> Iterator[str]:
    match probe:
        case {"httpGet": {"path": path, "port": port}}:
            if port not in pod.ports:
                yield f"the port {port} is none of the pod's."
            if pod.service and path not in _HTTP:
                yield f"the gateway has no {path}."
        case {"grpc": {"port": port}}:
            if port != pod.ports.get("grpc"):
                yield f"gRPC is not served on {port}."
            yield from _grpc_service(pod, probe["grpc"].get("service", ""))
        case {"tcpSocket": {"port": port}}:
            if port not in pod.ports:
                yield f"the port {port} is none of the pod's."
        case {"exec": {"command": ["python", "-m", module, *arguments]}}:
            if importlib.util.find_spec(module) is None:
                yield f"there is no module {module}."
            yield from _grpc_service(pod, arguments[0] if arguments else "")


def _grpc_service(pod: Pod, service: str) -> Iterator[str]:
    if service and (service not in _GRPC or f".{pod.service}." not in service):
        yield f"{pod.service} serves no {service}."


def _command(container: Object) -> Iterator[str]:
    words = list(container.get("args", ()))
    if container.get("command") == ["/bin/sh", "-c"]:
        words = words[0].partition("queqiao ")[2].split()
    command: Any = _commands()
    context = typer.Context(command)
    while words and hasattr(command, "get_command"):
        word = words.pop(0)
        command = command.get_command(context, word)
        if command is None:
            yield f"queqiao has no command {word}."
            return
    options = {option for parameter in command.params for option in parameter.opts}
    yield from (
        f"{command.name} has no option {word}." for word in words if word.startswith("--") and word not in options
    )


@cache
def _commands() -> Any:
    return get_command(app)


def _restrictions(pod: Pod) -> Iterator[str]:
    """Pod security's `restricted`, and what we ask beyond it."""
    spec = pod.spec
    security = spec.get("securityContext", {})
    demands = {
        "runs as root": security.get("runAsNonRoot") is True and security.get("runAsUser", 0) > 0,
        "has no seccomp profile": security.get("seccompProfile", {}).get("type") == "RuntimeDefault",
        "has a token of the API server": spec.get("automountServiceAccountToken") is False,
        "shares something of its node": not {"hostNetwork", "hostPID", "hostIPC"} & spec.keys(),
    }
    for container in pod.containers:
        own = container.get("securityContext", {})
        resources = container.get("resources", {})
        demands |= {
            "may gain privileges": own.get("allowPrivilegeEscalation") is False,
            "can write to its image": own.get("readOnlyRootFilesystem") is True,
            "has capabilities": own.get("capabilities") == {"drop": ["ALL"]},
            "has no requests and limits": all(
                {"cpu", "memory"} <= resources.get(kind, {}).keys() for kind in ("requests", "limits")
            ),
        }
    yield from (f"it {wrong}." for wrong, fine in demands.items() if not fine)


def drains(pod: Pod, settings: ServiceSettings) -> Iterator[str]:
    """Whether a service's grace is long enough for its drain, and its drain for the longest turn."""
    pre_stop_s = pod.containers[0].get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
    needed_s = pre_stop_s + getattr(settings, "drain_notice_s", 0) + settings.drain_s + _MARGIN_S
    grace_s = pod.spec.get("terminationGracePeriodSeconds", 30)
    if not pre_stop_s:
        yield "it stops before its endpoints are forgotten: a preStop is missing."
    elif "grpc" in pod.ports and pre_stop_s <= _NAMES_KEPT_S:
        yield f"its preStop of {pre_stop_s} s is no longer than its callers' name servers remember: {_NAMES_KEPT_S} s."
    if grace_s < needed_s:
        yield f"its grace of {grace_s} s is shorter than preStop, drain and end: {needed_s:g} s."
    if (turn_s := getattr(settings, "turn_timeout_s", 0)) > settings.drain_s:
        yield f"its drain of {settings.drain_s:g} s is shorter than the longest turn: {turn_s:g} s."
