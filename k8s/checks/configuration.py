"""What pods are told: every variable is one that is read, every one that is needed is there, every reference exists."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import ValidationError
from pydantic.fields import FieldInfo

from k8s.checks.objects import Object, Pod, named, of_kind, pods
from k8s.checks.workloads import drains
from k8s.configuration import COMMANDS, SERVICES, is_path, variables

# What stands in for the value of a secret.
_SECRET = "a-secret-of-more-than-thirty-two-characters"  # noqa: S105  # it is none
# What must look like something.
_ADDRESSES = {"REDIS_URL": "redis://redis.example.com:6379/0"}
_REFERENCE = re.compile(r'"env:([A-Za-z_][A-Za-z0-9_]*)"')
# What a client of ours reads by itself.
_CLIENTS = {"HTTPS_PROXY", "NO_PROXY"}

Keys = Mapping[str, Mapping[str, str]]


def problems(objects: Sequence[Object]) -> Iterator[str]:
    """What is told wrongly."""
    maps = {each["metadata"]["name"]: each.get("data", {}) for each in of_kind(objects, "ConfigMap")}
    secrets = provided(objects)
    for pod in pods(objects):
        yield from (f"{pod.owner}: {problem}" for problem in _references(pod, objects, maps, secrets))
        values = told(pod, maps, secrets)
        if pod.service:
            referred = {name for data in maps.values() for text in data.values() for name in _REFERENCE.findall(text)}
            yield from (f"{pod.owner}: {problem}" for problem in _service(pod, pod.service, values, referred))
        elif pod.labels.get("queqiao/commands"):
            known = {name for settings in COMMANDS.values() for name in variables(settings)}
            yield from (f"{pod.owner}: no command reads {name}." for name in sorted(values.keys() - known))
    yield from _operated(objects, secrets)


def provided(objects: Sequence[Object]) -> Keys:
    """Every Secret with its keys: ours, those that External Secrets copies, and certificates."""
    found: dict[str, Mapping[str, str]] = {}
    for each in objects:
        match each:
            case {"kind": "Secret", "metadata": {"name": name}}:
                found[name] = {**each.get("data", {}), **each.get("stringData", {})}
            case {"kind": "ExternalSecret", "spec": {"target": {"name": name}, "data": data}}:
                found[name] = {entry["secretKey"]: _SECRET for entry in data}
            case {"kind": "Certificate", "spec": {"secretName": name}}:
                found[name] = dict.fromkeys(("tls.crt", "tls.key", "ca.crt"), _SECRET)
    return found


def told(pod: Pod, maps: Keys, secrets: Keys) -> dict[str, str]:
    """The environment of a pod's first container; secrets are there, but not their values."""
    container = pod.containers[0]
    values: dict[str, str] = {}
    for source in container.get("envFrom", ()):
        match source:
            case {"configMapRef": {"name": name}}:
                values |= maps.get(name, {})
            case {"secretRef": {"name": name}}:
                values |= dict.fromkeys(secrets.get(name, {}), _SECRET)
    for entry in container.get("env", ()):
        values[entry["name"]] = entry.get("value", _SECRET)
    return values


def _service(pod: Pod, service: str, values: Mapping[str, str], referred: set[str]) -> Iterator[str]:
    read = variables(SERVICES[service])
    unread = values.keys() - read.keys() - referred - _CLIENTS
    yield from (f"{service} does not read {name}." for name in sorted(unread))
    ours = {name.lower(): _stand_in(name, read[name], value) for name, value in values.items() if name in read}
    try:
        settings = SERVICES[service].model_validate(ours)
    except ValidationError as error:
        for problem in error.errors(include_input=False, include_url=False):
            yield f"{str(problem['loc'][0]).upper()}: {problem['msg']}"
    else:
        yield from drains(pod, settings)


def _stand_in(name: str, field: FieldInfo, value: str) -> str:
    """The value, or a file that is here in the place of one that only a pod has, or what an unknown one looks like."""
    if value == _SECRET:
        return _ADDRESSES.get(name, value)
    return __file__ if is_path(field) else value


def _references(pod: Pod, objects: Sequence[Object], maps: Keys, secrets: Keys) -> Iterator[str]:
    for kind, name, key in _mentioned(pod):
        known = maps if kind == "ConfigMap" else secrets
        if name not in known:
            yield f"nothing provides the {kind} {name}."
        elif key is not None and key not in known[name]:
            yield f"the {kind} {name} has no {key}."
    names = {named(each) for each in objects}
    claims = [volume["persistentVolumeClaim"]["claimName"] for volume in _volumes(pod, "persistentVolumeClaim")]
    wanted = [f"PersistentVolumeClaim {claim}" for claim in claims]
    wanted += [f"PriorityClass {pod.spec['priorityClassName']}"] if "priorityClassName" in pod.spec else []
    wanted += [f"ServiceAccount {pod.spec['serviceAccountName']}"] if "serviceAccountName" in pod.spec else []
    yield from (f"there is no {name}." for name in wanted if name not in names)


def _mentioned(pod: Pod) -> Iterator[tuple[str, str, str | None]]:
    for container in pod.containers:
        for source in container.get("envFrom", ()):
            for ref, kind in (("configMapRef", "ConfigMap"), ("secretRef", "Secret")):
                if ref in source:
                    yield kind, source[ref]["name"], None
        for entry in container.get("env", ()):
            for ref, kind in (("configMapKeyRef", "ConfigMap"), ("secretKeyRef", "Secret")):
                if chosen := entry.get("valueFrom", {}).get(ref):
                    yield kind, chosen["name"], chosen["key"]
    for volume in _volumes(pod, "configMap"):
        yield "ConfigMap", volume["configMap"]["name"], None
    for volume in _volumes(pod, "secret"):
        items: list[Any] = volume["secret"].get("items", [{"key": None}])
        yield from (("Secret", volume["secret"]["secretName"], item["key"]) for item in items)


def _volumes(pod: Pod, kind: str) -> list[Object]:
    return [volume for volume in pod.spec.get("volumes", ()) if kind in volume]


def _operated(objects: Sequence[Object], secrets: Keys) -> Iterator[str]:
    """Secrets that operators' objects name."""
    for each in of_kind(objects, "Cluster", "Redis", "ObjectStore"):
        for name, key in _secrets_in(each["spec"]):
            if key not in secrets.get(name, {}):
                yield f"{named(each)}: nothing provides {key} in the Secret {name}."


def _secrets_in(value: Any) -> Iterator[tuple[str, str]]:
    match value:
        case {"passwordSecret": {"name": name}}:
            yield from ((name, key) for key in ("username", "password"))
        case {"name": str(name), "key": str(key)}:
            yield name, key
        case dict():
            for part in value.values():
                yield from _secrets_in(part)
        case list():
            for part in value:
                yield from _secrets_in(part)
