"""Rendered objects, and what is asked of them again and again."""

import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

Object = dict[str, Any]
Labels = Mapping[str, str]

ROOT = Path(__file__).parents[2]
OVERLAYS = ("dev", "staging", "prod", "aws")


class RenderError(Exception):
    """An overlay cannot be rendered."""


def render(overlay: str, kubectl: Path) -> list[Object]:
    """What would be applied.

    Raises:
        RenderError: kustomize refuses it; the message is its own.
    """
    command = (str(kubectl), "kustomize", str(ROOT / "k8s" / "overlays" / overlay))
    ran = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)  # noqa: S603  # our own command
    if ran.returncode:
        raise RenderError(f"{overlay}: {ran.stderr.strip()}")
    return [each for each in yaml.load_all(ran.stdout, Loader=yaml.CSafeLoader) if each]  # it is the safe one


def named(each: Object) -> str:
    """How messages call an object."""
    return f"{each['kind']} {each['metadata']['name']}"


def of_kind(objects: Sequence[Object], *kinds: str) -> list[Object]:
    """Those of these kinds."""
    return [each for each in objects if each["kind"] in kinds]


@dataclass(frozen=True, slots=True)
class Pod:
    """The pods of one workload: what they are like."""

    owner: str
    name: str
    labels: Labels
    spec: Object

    @property
    def containers(self) -> list[Object]:
        """All containers."""
        found: list[Object] = [*self.spec.get("initContainers", ()), *self.spec["containers"]]
        return found

    @property
    def ports(self) -> dict[str, int]:
        """What its containers listen on, by name."""
        return {
            port["name"]: port["containerPort"] for container in self.containers for port in container.get("ports", ())
        }

    @property
    def service(self) -> str | None:
        """Which of our services it runs; None for what is none."""
        for container in self.containers:
            match container.get("args"):
                case ["serve", str(service)]:
                    return service
        return None


def pods(objects: Sequence[Object]) -> list[Pod]:
    """The pods of every workload."""
    return [
        Pod(named(each), each["metadata"]["name"], template["metadata"].get("labels", {}), template["spec"])
        for each in objects
        for template in _templates(each)
    ]


def _templates(each: Object) -> Iterator[Object]:
    match each:
        case {"kind": "Deployment" | "StatefulSet" | "DaemonSet" | "Job", "spec": {"template": template}}:
            yield template
        case {"kind": "CronJob", "spec": {"jobTemplate": {"spec": {"template": template}}}}:
            yield template


def selects(selector: Object, labels: Labels) -> bool:
    """Whether a label selector matches; an empty one matches all."""
    if any(labels.get(key) != value for key, value in selector.get("matchLabels", {}).items()):
        return False
    return all(_holds(expression, labels) for expression in selector.get("matchExpressions", ()))


def _holds(expression: Object, labels: Labels) -> bool:
    value, values = labels.get(expression["key"]), expression.get("values", ())
    match expression["operator"]:
        case "In":
            return value in values
        case "NotIn":
            return value not in values
        case "Exists":
            return value is not None
        case _:
            return value is None
