"""What would be applied fits together, and each kind of mistake is caught: every one is planted here."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from k8s.checks import schemas
from k8s.checks.__main__ import problems
from k8s.checks.network import Edge, allowed_edges, drawn
from k8s.checks.objects import OVERLAYS, Object, RenderError, render
from k8s.checks.scaling import problems as scaling_problems
from tests.unit.k8s.conftest import Rendered


def one(objects: Sequence[Object], kind: str, name: str) -> Any:
    """The object of this name; generated names end with a hash."""
    return next(
        each
        for each in objects
        if each["kind"] == kind
        and (each["metadata"]["name"] == name or each["metadata"]["name"].startswith(f"{name}-"))
    )


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_an_overlay_fits_together(rendered: Rendered, overlay: str) -> None:
    assert list(problems(rendered(overlay))) == []


def test_built_in_objects_fit_their_schemas(rendered: Rendered) -> None:
    # `make check` looks at all of them; here one overlay shows that it looks.
    objects = [each for each in rendered("dev") if each["kind"] in ("Deployment", "NetworkPolicy")]
    assert list(schemas.problems(objects, set())) == []
    plant(one(objects, "Deployment", "chat"), "CONTAINER readinessprobe", {})
    objects.append({"apiVersion": "apps/v9", "kind": "Deployment", "metadata": {"name": "late"}})
    found = list(schemas.problems(objects, set()))
    assert any("Deployment chat" in problem and "readinessprobe" in problem for problem in found)
    assert any("apps/v9" in problem for problem in found)


DEFINITION = """
kind: List
items:
  - kind: CustomResourceDefinition
    spec:
      group: keda.sh
      names: {kind: ScaledObject}
      versions:
        - name: v1alpha1
          schema:
            openAPIV3Schema:
              type: object
              properties:
                apiVersion: {type: string}
                kind: {type: string}
                metadata: {type: object}
                spec:
                  type: object
                  properties:
                    scaleTargetRef: {type: object, properties: {name: {type: string}}}
                    minReplicaCount: {type: integer}
                    maxReplicaCount: {x-kubernetes-int-or-string: true, anyOf: [{type: integer}, {type: string}]}
                    fallback: {type: object, x-kubernetes-preserve-unknown-fields: true}
                    advanced: {type: object, x-kubernetes-preserve-unknown-fields: true}
                    triggers: {type: array, items: {type: object, additionalProperties: true}}
"""


def test_objects_of_operators_fit_the_definitions_that_are_given(rendered: Rendered, tmp_path: Path) -> None:
    (tmp_path / "crds.yaml").write_text(DEFINITION)
    known = schemas.definitions(tmp_path / "crds.yaml")
    objects = [each for each in rendered("staging") if each["kind"] in ("ScaledObject", "HTTPRoute")]
    unknown = "HTTPRoute gateway: no definition of gateway.networking.k8s.io/v1 is given."
    assert list(schemas.problems(objects, set(), known)) == [unknown]
    assert list(schemas.problems(objects, set())) == []
    plant(one(objects, "ScaledObject", "chat"), "spec minReplicas", 2)
    plant(one(objects, "ScaledObject", "gateway"), "spec minReplicaCount", "two")
    found = list(schemas.problems(objects, set(), known))
    assert any("ScaledObject chat: spec" in problem and "minReplicas" in problem for problem in found)
    assert any("ScaledObject gateway: spec.minReplicaCount" in problem for problem in found)


# Kind, name, where in the object (CONTAINER is its first container; a + appends), what is written there (None removes),
# and what is said about it. Each is one change of the overlay prod.
MISTAKES: Sequence[tuple[str, str, str, Any, str]] = [
    # Selectors.
    ("Service", "chat", "spec selector app.kubernetes.io/name", "chta", "Service chat selects 0 workloads"),
    ("PodDisruptionBudget", "billing", "spec selector matchLabels a", "b", "Budget billing selects no pod"),
    # Ports.
    ("Service", "billing", "spec ports 0 targetPort", "rpc", "Service billing leads to the port rpc"),
    ("HTTPRoute", "gateway", "spec rules 0 backendRefs 0 port", 8080, "HTTPRoute gateway leads to gateway:8080"),
    ("ServiceMonitor", "queqiao", "spec endpoints 0 port", "prometheus", "scrapes the port prometheus"),
    ("Deployment", "chat", "CONTAINER ports 1", None, "Service chat leads to the port metrics"),
    # Probes.
    ("Deployment", "gateway", "CONTAINER readinessProbe httpGet path", "/ready", "the gateway has no /ready"),
    ("Deployment", "gateway", "CONTAINER livenessProbe httpGet port", "web", "the port web is none of the pod's"),
    ("Deployment", "chat", "CONTAINER startupProbe exec command 2", "services.probe", "no module services.probe"),
    ("Deployment", "chat", "CONTAINER readinessProbe exec command 3", "queqiao.chat.v1.Chats", "chat serves no queq"),
    ("Deployment", "billing", "CONTAINER livenessProbe", None, "Deployment billing: there is no livenessProbe"),
    # Commands.
    ("Deployment", "gateway", "CONTAINER args 0", "serves", "queqiao has no command serves"),
    ("CronJob", "reconcile", "CONTAINER args 0", "queqiao orders reconcile --date x", "reconcile has no option --date"),
    # The stop.
    ("Deployment", "chat", "spec template spec terminationGracePeriodSeconds", 30, "its grace of 30 s is shorter"),
    ("Deployment", "gateway", "CONTAINER lifecycle", None, "a preStop is missing"),
    ("Deployment", "chat", "CONTAINER lifecycle preStop sleep seconds", 15, "no longer than its callers' name servers"),
    ("ConfigMap", "chat", "data TURN_TIMEOUT_S", "600", "shorter than the longest turn: 600 s"),
    # What a pod may do.
    ("Deployment", "billing", "CONTAINER securityContext readOnlyRootFilesystem", False, "it can write to its image"),
    ("Deployment", "chat", "spec template spec securityContext runAsNonRoot", None, "Deployment chat: it runs as root"),
    ("Deployment", "chat", "CONTAINER securityContext capabilities add", ["NET_RAW"], "it has capabilities"),
    ("CronJob", "reconcile", "CONTAINER resources limits", None, "it has no requests and limits"),
    # Configuration.
    ("ConfigMap", "gateway", "data TURN_TIMEOUT", "5", "gateway does not read TURN_TIMEOUT"),
    ("ConfigMap", "gateway", "data CHAT_TARGET", None, "CHAT_TARGET: Field required"),
    ("ConfigMap", "chat", "data DRAIN_S", "a while", "DRAIN_S: Input should be a valid number"),
    ("ConfigMap", "commands", "data CHAT_ADDRESS", "x", "no command reads CHAT_ADDRESS"),
    ("Deployment", "chat", "CONTAINER envFrom 0 configMapRef name", "usual", "nothing provides the ConfigMap usual"),
    # Addresses.
    ("ConfigMap", "chat", "data PORT", "50052", "Deployment chat: it listens on PORT=50052, and its port is 50051"),
    ("Deployment", "billing", "CONTAINER ports 1 containerPort", 9465, "on METRICS_PORT=9464, and its port is 9465"),
    ("ConfigMap", "gateway", "data BILLING_TARGET", "dns:///billing.queqiao.svc.cluster.local:1", "no Service's"),
    ("ConfigMap", "commands", "data CHAT_TARGET", "dns:///chats.queqiao.svc.cluster.local:50051", "no Service's"),
    ("ConfigMap", "chat", "data BILLING_TARGET", "dns:///billing.qq.svc.cluster.local:50053", "the namespace queqiao"),
    ("Service", "chat", "spec clusterIP", None, "which hides its replicas"),
    ("Certificate", "billing", "spec dnsNames 0", None, "calls billing.queqiao.svc.cluster.local, and no certificate"),
    ("Certificate", "chat", "spec dnsNames 3", None, "no name localhost, which its probe asks for"),
    ("Deployment", "chat", "CONTAINER livenessProbe", {"grpc": {"port": 50051}}, "gRPC probes speak no TLS"),
    # Secrets, and other references.
    ("ExternalSecret", "queqiao-chat", "spec target name", "chat", "nothing provides the Secret queqiao-chat"),
    ("ExternalSecret", "queqiao-moderation", "spec data 0", None, "DATABASE_URL: Field required"),
    ("ExternalSecret", "queqiao-billing", "spec data 0", None, "the Secret queqiao-billing has no DATABASE_URL"),
    ("ExternalSecret", "queqiao-wechatpay", "spec data 2", None, "the Secret queqiao-wechatpay has no pub_key.pem"),
    ("ExternalSecret", "postgres-chat", "spec data 1", None, "provides password in the Secret postgres-chat"),
    ("Certificate", "billing", "spec secretName", "billing", "nothing provides the Secret tls-billing"),
    ("PriorityClass", "queqiao-money", "metadata name", "money", "there is no PriorityClass queqiao-money"),
    # Edges.
    ("NetworkPolicy", "chat", "spec egress 1", None, "chat cannot speak to billing"),
    ("NetworkPolicy", "billing", "spec ingress 0 from 0", None, "gateway cannot speak to billing"),
    ("NetworkPolicy", "to-postgres", "spec egress 0 ports 0 port", 5433, "gateway cannot speak to PostgreSQL"),
    ("NetworkPolicy", "outside", "spec podSelector", {}, "reconcile may speak to the internet, and has no reason to"),
    ("Job", "migrate-chat", "spec template metadata labels queqiao/commands", "true", "chat may speak to billing"),
    ("NetworkPolicy", "metrics", "spec ingress 0 ports +", {"port": "grpc"}, "can be reached from outside on grpc"),
    ("NetworkPolicy", "default-deny", "spec policyTypes", ["Ingress"], "no policy denies"),
    # Metrics.
    ("HorizontalPodAutoscaler", "chat", "spec metrics 0 pods metric name", "queqiao_turns", "chat does not export"),
    ("ConfigMap", "prometheus-adapter", "data config.yaml", "rules: []", "which no rule of prometheus-adapter offers"),
    ("HorizontalPodAutoscaler", "chat", "spec scaleTargetRef name", "chats", "scales chats, which is no Deployment"),
    ("Deployment", "gateway", "spec replicas", 2, "every apply resets them"),
]  # fmt: skip


def plant(each: Any, where: str, value: Any) -> None:
    """Write this there."""
    job = "spec jobTemplate " if each["kind"] == "CronJob" else ""
    *way, last = where.replace("CONTAINER", f"{job}spec template spec containers 0").split()
    for step in way:
        each = each[int(step)] if isinstance(each, list) else each[step]
    if last == "+":
        each.append(value)
    elif value is None:
        del each[int(last) if isinstance(each, list) else last]
    else:
        each[int(last) if isinstance(each, list) else last] = value


@pytest.mark.parametrize(("kind", "name", "where", "value", "complaint"), MISTAKES)
def test_a_mistake_is_caught(rendered: Rendered, kind: str, name: str, where: str, value: Any, complaint: str) -> None:
    objects = rendered("prod")
    plant(one(objects, kind, name), where, value)
    found = list(problems(objects))
    assert any(complaint in problem for problem in found), found


def test_a_metric_that_keda_asks_prometheus_for_must_be_exported(rendered: Rendered) -> None:
    objects = rendered("staging")
    trigger = one(objects, "ScaledObject", "gateway")["spec"]["triggers"][1]["metadata"]
    trigger["query"] = trigger["query"].replace("queue_depth", "queue_length")
    found = list(scaling_problems(objects))
    assert found == [
        "ScaledObject gateway asks for queqiao_admission_queue_length, which gateway does not export as a gauge."
    ]


def test_an_overlay_that_cannot_be_rendered_says_why(tmp_path: Path) -> None:
    kubectl = tmp_path / "kubectl"
    kubectl.write_text("#!/bin/sh\necho 'no such component' >&2\nexit 1\n")
    kubectl.chmod(0o755)
    with pytest.raises(RenderError, match="dev: no such component"):
        render("dev", kubectl)


def test_the_picture_is_read_and_the_policies_are_understood(rendered: Rendered) -> None:
    assert drawn() == {
        Edge("gateway", "chat"),
        Edge("gateway", "billing"),
        Edge("gateway", "moderation"),
        Edge("chat", "moderation"),
        Edge("chat", "billing"),
    }
    edges = set(allowed_edges(rendered("dev")))
    assert Edge("chat", "llama") in edges
    assert Edge("moderation", "billing") not in edges
    assert Edge("migrate-billing", "postgres") in edges
    assert Edge("migrate-billing", "the internet") not in edges
