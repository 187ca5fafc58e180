"""Every built-in object against Kubernetes' own schemas, and operators' objects against theirs where they are given."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import yaml

from k8s.checks.objects import Object, named

VERSION = "1.37"

# What operators bring.
OPERATORS = (
    "barmancloud.cnpg.io",
    "cert-manager.io",
    "external-secrets.io",
    "gateway.networking.k8s.io",
    "karpenter.k8s.aws",
    "karpenter.sh",
    "keda.sh",
    "monitoring.coreos.com",
    "postgresql.cnpg.io",
    "redis.redis.opstreelabs.in",
)

# The schema of each apiVersion and kind.
Definitions = Mapping[tuple[str, str], Object]


def definitions(file: Path) -> Definitions:
    """What the CustomResourceDefinitions in a file say, as `kubectl get crd -o yaml` writes them."""
    documents = [each for each in yaml.safe_load_all(file.read_text(encoding="utf-8")) if each]
    found = [item for each in documents for item in each.get("items", [each])]
    return {
        (f"{each['spec']['group']}/{version['name']}", each["spec"]["names"]["kind"]): _strict(
            version["schema"]["openAPIV3Schema"]
        )
        for each in found
        if each["kind"] == "CustomResourceDefinition"
        for version in each["spec"]["versions"]
    }


def problems(objects: Sequence[Object], seen: set[str], known: Definitions | None = None) -> Iterator[str]:
    """What does not fit its schema; what was seen before is not looked at again.

    Args:
        objects: What would be applied.
        seen: What was looked at; what is looked at now is added.
        known: The schemas of operators' objects; None to believe these.
    """
    for each in objects:
        text = json.dumps(each, sort_keys=True)
        if text in seen:
            continue
        seen.add(text)
        if each["apiVersion"].partition("/")[0] not in OPERATORS:
            yield from _built_in(each)
        elif known is not None:
            yield from _operated(each, known)


def _built_in(each: Object) -> Iterator[str]:
    try:
        kubernetes_validate.validate(each, VERSION, strict=True)
    except kubernetes_validate.ValidationError as error:
        yield f"{named(each)}: {'.'.join(map(str, error.path))}: {error.message[:200]}"
    except kubernetes_validate.SchemaNotFoundError:
        yield f"{named(each)}: neither Kubernetes {VERSION} nor an operator that we name has {each['apiVersion']}."


def _operated(each: Object, known: Definitions) -> Iterator[str]:
    schema = known.get((each["apiVersion"], each["kind"]))
    if schema is None:
        yield f"{named(each)}: no definition of {each['apiVersion']} is given."
        return
    for error in jsonschema.Draft202012Validator(schema).iter_errors({**each, "metadata": {}}):
        yield f"{named(each)}: {'.'.join(map(str, error.absolute_path))}: {error.message[:200]}"


def _strict(schema: Any) -> Any:
    """The schema without Kubernetes' own keywords, and with every field that it does not name refused."""
    if isinstance(schema, list):
        return [_strict(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    if schema.get("x-kubernetes-int-or-string") is True:
        return {"type": ["integer", "string"]}
    own = {name: _strict(value) for name, value in schema.items()}
    open_ended = {"additionalProperties", "x-kubernetes-preserve-unknown-fields", "x-kubernetes-embedded-resource"}
    if schema.get("type") == "object" and schema.get("properties") and not open_ended & schema.keys():
        own["additionalProperties"] = False
    return own
