"""Autoscalers: what they scale exists, and what they scale on is exported."""

import re
from collections.abc import Iterator, Sequence
from functools import cache

import yaml

from k8s.checks.objects import Object, named, of_kind
from k8s.monitoring.metrics import of_service

_METRIC = re.compile(r"\b(?:queqiao|grpc)_[a-z0-9_]+")


def problems(objects: Sequence[Object]) -> Iterator[str]:
    """What no autoscaler could read, or reach."""
    deployments = {each["metadata"]["name"]: each for each in of_kind(objects, "Deployment")}
    offered = _offered(objects)
    scaled = of_kind(objects, "HorizontalPodAutoscaler", "ScaledObject")
    for each in scaled:
        name = each["spec"]["scaleTargetRef"]["name"]
        if name not in deployments:
            yield f"{named(each)} scales {name}, which is no Deployment."
            continue
        if "replicas" in deployments[name]["spec"]:
            yield f"{named(each)}: {name} says how many replicas there are, so every apply resets them."
        exported = _gauges(name)
        for metric in _asked(each):
            if metric not in exported:
                yield f"{named(each)} asks for {metric}, which {name} does not export as a gauge."
            if each["kind"] == "HorizontalPodAutoscaler" and metric not in offered:
                yield f"{named(each)} asks for {metric}, which no rule of prometheus-adapter offers."
        if each["spec"].get("minReplicas", each["spec"].get("minReplicaCount", 1)) < 2:
            yield f"{named(each)} may leave a single replica."


@cache
def _gauges(service: str) -> frozenset[str]:
    """What a service exports that goes up and down."""
    return frozenset(metric.name for metric in of_service(service) if metric.type == "gauge")


def _asked(each: Object) -> Iterator[str]:
    for metric in each["spec"].get("metrics", ()):
        if metric["type"] == "Pods":
            yield metric["pods"]["metric"]["name"]
    for trigger in each["spec"].get("triggers", ()):
        yield from _METRIC.findall(trigger["metadata"].get("query", ""))


def _offered(objects: Sequence[Object]) -> set[str]:
    """What the adapter's rules make of our metrics."""
    return {
        rule["name"]["as"]
        for each in of_kind(objects, "ConfigMap")
        if each["metadata"]["name"] == "prometheus-adapter"
        for rule in yaml.safe_load(each["data"]["config.yaml"])["rules"]
        if rule["seriesQuery"].startswith(rule["name"]["as"] + "{")
    }
