"""Every built-in object against Kubernetes' own schemas; other kinds must be of operators that we name."""

import json
from collections.abc import Iterator, Sequence

import kubernetes_validate

from k8s.checks.objects import Object, named

VERSION = "1.37"

# What operators bring. Their schemas are theirs: `kubectl apply --dry-run=server` checks these in a cluster with them.
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


def problems(objects: Sequence[Object], seen: set[str]) -> Iterator[str]:
    """What does not fit its schema; what was seen before is not looked at again."""
    for each in objects:
        text = json.dumps(each, sort_keys=True)
        if text in seen or each["apiVersion"].partition("/")[0] in OPERATORS:
            continue
        seen.add(text)
        try:
            kubernetes_validate.validate(each, VERSION, strict=True)
        except kubernetes_validate.ValidationError as error:
            yield f"{named(each)}: {'.'.join(map(str, error.path))}: {error.message[:200]}"
        except kubernetes_validate.SchemaNotFoundError:
            yield f"{named(each)}: neither Kubernetes {VERSION} nor an operator that we name has {each['apiVersion']}."
