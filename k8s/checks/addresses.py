"""Where services listen and whom they call: ports and names that several objects must say alike."""

from collections.abc import Iterator, Mapping, Sequence
from urllib.parse import urlsplit

from k8s.checks.configuration import provided, told
from k8s.checks.objects import Object, Pod, of_kind, pods


def problems(objects: Sequence[Object]) -> Iterator[str]:
    """Ports that nobody listens on, addresses that lead nowhere, and names that no certificate has."""
    maps = {each["metadata"]["name"]: each.get("data", {}) for each in of_kind(objects, "ConfigMap")}
    services = {each["metadata"]["name"]: each for each in of_kind(objects, "Service")}
    certificates = {each["spec"]["secretName"]: each["spec"] for each in of_kind(objects, "Certificate")}
    for pod in pods(objects):
        values = told(pod, maps, provided(objects))
        yield from (f"{pod.owner}: {problem}" for problem in _listens(pod, values))
        for name, value in values.items():
            if name.endswith("_TARGET"):
                yield from (f"{pod.owner}: {name} {problem}" for problem in _leads(value, services))
                if "TLS_CERT_FILE" in values:
                    yield from (f"{pod.owner}: {name} {problem}" for problem in _certified(value, certificates))
        if pod.service and "TLS_CERT_FILE" in values:
            yield from (f"{pod.owner}: {problem}" for problem in _probed(pod, certificates))


def _listens(pod: Pod, values: Mapping[str, str]) -> Iterator[str]:
    if pod.service is None:
        return
    for variable, names in (("PORT", ("http", "grpc")), ("METRICS_PORT", ("metrics",))):
        ports = {str(pod.ports[name]) for name in names if name in pod.ports}
        if values.get(variable) not in ports:
            yield f"it listens on {variable}={values.get(variable)}, and its port is {''.join(ports) or 'none'}."


def _leads(target: str, services: Mapping[str, Object]) -> Iterator[str]:
    address = urlsplit(target.replace("dns:///", "dns://"))
    name, _, rest = (address.hostname or "").partition(".")
    service = services.get(name)
    if service is None or address.port not in {port["port"] for port in service["spec"]["ports"]}:
        yield f"leads to {target}, which is no Service's port."
    elif rest != f"{service['metadata']['namespace']}.svc.cluster.local":
        yield f"leads to {target}, and the Service is in the namespace {service['metadata']['namespace']}."
    elif service["spec"].get("clusterIP") != "None":
        yield f"leads to {target}, which hides its replicas: it is not headless."


def _certified(target: str, certificates: Mapping[str, Object]) -> Iterator[str]:
    host = urlsplit(target.replace("dns:///", "dns://")).hostname or ""
    certificate = certificates.get(f"tls-{host.partition('.')[0]}", {})
    if host not in certificate.get("dnsNames", ()) or "server auth" not in certificate.get("usages", ()):
        yield f"calls {host}, and no certificate of a server has that name."


def _probed(pod: Pod, certificates: Mapping[str, Object]) -> Iterator[str]:
    """A probe inside the pod asks for localhost, in TLS; Kubernetes' own cannot."""
    container = pod.containers[0]
    if any("grpc" in container.get(kind, {}) for kind in ("startupProbe", "livenessProbe", "readinessProbe")):
        yield "Kubernetes' gRPC probes speak no TLS."
    if "grpc" in pod.ports and "localhost" not in certificates.get(f"tls-{pod.service}", {}).get("dnsNames", ()):
        yield "its certificate has no name localhost, which its probe asks for."
