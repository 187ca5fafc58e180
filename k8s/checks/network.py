"""Who may speak to whom: what the policies allow, and what the architecture draws."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from k8s.checks.objects import ROOT, Object, Pod, of_kind, pods, selects
from k8s.configuration import COMMANDS, SERVICES, variables

# What policies can name that is no pod of ours.
OUTSIDE, POSTGRES, REDIS = "the internet", "PostgreSQL", "Redis"
_STORES = {5432: POSTGRES, 6379: REDIS}
_HTTPS = 443

_NODE = r'"?([a-z_]+)"?(?:[\[\(][^-]*?[\]\)])*'
_ARROW = re.compile(r'\s+--(?:\s+"[^"]*"\s+--)?[->]\s*|\s+--\s+"[^"]*"\s+-->\s*|\s+-->\s+|\s+---\s+')


@dataclass(frozen=True, order=True, slots=True)
class Edge:
    """One may speak to another."""

    source: str
    target: str


def drawn() -> set[Edge]:
    """The edges between services in the picture of docs/architecture.md."""
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    picture = text.partition("```mermaid")[2].partition("```")[0]
    found = set()
    for line in picture.splitlines():
        nodes = [re.split(r"[\[\(]", part.strip())[0] for part in _ARROW.split(line)]
        found |= {Edge(a, b) for a, b in pairwise(nodes) if {a, b} <= SERVICES.keys()}
    return found


def read() -> set[Edge]:
    """The edges that the services' settings have a `…_TARGET` for."""
    return {
        Edge(service, name.removesuffix("_TARGET").lower())
        for service, settings in SERVICES.items()
        for name in variables(settings)
        if name.endswith("_TARGET")
    }


def problems(objects: Sequence[Object]) -> Iterator[str]:
    """Edges that are missing, and edges that nobody needs."""
    if drawn() != read():
        more, less = _listed(drawn() - read()), _listed(read() - drawn())
        yield f"docs/architecture.md draws too many edges: {more}; and too few: {less}."
    allowed, wanted = set(allowed_edges(objects)), set(wanted_edges(objects))
    yield from (f"{edge.source} cannot speak to {edge.target}." for edge in sorted(wanted - allowed))
    yield from (f"{edge.source} may speak to {edge.target}, and has no reason to." for edge in sorted(allowed - wanted))
    yield from _entrances(objects)


def wanted_edges(objects: Sequence[Object]) -> Iterator[Edge]:
    """What the architecture, and what a pod is given, asks for."""
    found = pods(objects)
    names = {pod.name for pod in found}
    for pod in found:
        if pod.service:
            yield from (edge for edge in drawn() if edge.source == pod.service)
            yield Edge(pod.name, OUTSIDE)
            yield Edge(pod.name, _place(POSTGRES, names))
            if "REDIS_URL" in variables(SERVICES[pod.service]):
                yield Edge(pod.name, _place(REDIS, names))
            if "collector" in names:
                yield Edge(pod.name, "collector")
        elif pod.labels.get("app.kubernetes.io/component") == "migration":
            yield Edge(pod.name, _place(POSTGRES, names))
        elif pod.labels.get("app.kubernetes.io/component") == "schedule":
            targets = {
                name for settings in COMMANDS.values() for name in variables(settings) if name.endswith("_TARGET")
            }
            yield from (Edge(pod.name, name.removesuffix("_TARGET").lower()) for name in targets)
    if "llama" in names:
        yield Edge("chat", "llama")


def _place(store: str, names: set[str]) -> str:
    """Where a store is: a pod of ours, or something that an operator or a provider runs."""
    own = {POSTGRES: "postgres", REDIS: "redis"}[store]
    return own if own in names else store


def allowed_edges(objects: Sequence[Object]) -> Iterator[Edge]:
    """What the policies let pass: from pod to pod both ends must agree."""
    policies, found = of_kind(objects, "NetworkPolicy"), pods(objects)
    for source in found:
        rules = _rules(policies, source, "Egress", "egress")
        for target in found:
            ports = {port for rule in rules for port in _ports_to(rule, "to", target, target)}
            entries = _rules(policies, target, "Ingress", "ingress")
            if any(port in set(_ports_to(rule, "from", source, target)) for rule in entries for port in ports):
                yield Edge(source.name, target.name)
        yield from (Edge(source.name, place) for rule in rules for place in _places(rule))


def _rules(policies: Sequence[Object], pod: Pod, kind: str, field: str) -> list[Object]:
    return [
        rule
        for policy in policies
        if kind in policy["spec"]["policyTypes"] and selects(policy["spec"]["podSelector"], pod.labels)
        for rule in policy["spec"].get(field, ())
    ]


def _ports_to(rule: Object, field: str, other: Pod, listener: Pod) -> Iterator[int]:
    """The ports of the listener that a rule opens for the other end."""
    peers = rule.get(field)
    matches = peers is None or any(
        "namespaceSelector" not in peer and "ipBlock" not in peer and selects(peer["podSelector"], other.labels)
        for peer in peers
    )
    if matches:
        for port in rule.get("ports", ()):
            value = listener.ports.get(port["port"]) if isinstance(port["port"], str) else port["port"]
            if isinstance(value, int) and value in listener.ports.values():
                yield value


def _places(rule: Object) -> Iterator[str]:
    """What a rule lets out to that is no pod of ours: stores of others, and the internet."""
    for peer in rule.get("to", ()):
        for port in rule.get("ports", ()):
            if "ipBlock" in peer and port["port"] == _HTTPS:
                yield OUTSIDE
            elif (
                "ipBlock" in peer
                or "cnpg.io/cluster" in str(peer)
                or peer == {"podSelector": {"matchLabels": {"app": "redis"}}}
            ):
                yield _STORES.get(port["port"], f"port {port['port']}")


def _entrances(objects: Sequence[Object]) -> Iterator[str]:
    """From other namespaces and from outside: HTTP to the gateway, and metrics."""
    policies = of_kind(objects, "NetworkPolicy")
    if not any(
        policy["spec"]["podSelector"] == {} and set(policy["spec"]["policyTypes"]) == {"Ingress", "Egress"}
        for policy in policies
    ):
        yield "no policy denies what no other allows."
    for pod in (pod for pod in pods(objects) if pod.service):
        for rule in _rules(policies, pod, "Ingress", "ingress"):
            outside = [
                peer for peer in rule.get("from", [{}]) if "namespaceSelector" in peer or "ipBlock" in peer or not peer
            ]
            ports = {port["port"] for port in rule.get("ports", ({"port": "every port"},))}
            fine = {"metrics", "http"} if pod.service == "gateway" else {"metrics"}
            if outside and not ports <= fine:
                yield f"{pod.owner} can be reached from outside on {', '.join(sorted(map(str, ports - fine)))}."


def _listed(edges: set[Edge]) -> str:
    return ", ".join(f"{edge.source} → {edge.target}" for edge in sorted(edges)) or "none"
