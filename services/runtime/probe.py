"""`python -m services.runtime.probe SERVICE`: ask the gRPC service of this machine whether it serves.

For mutual TLS, which Kubernetes' own gRPC probes do not speak: it reads PORT and the certificates as the service does.
It imports little, because it is run every few seconds.
"""

import sys
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from services.runtime.config import ServiceSettings, load
from services.runtime.errors import StartupError
from services.runtime.tls import tls_files

_TIMEOUT_S = 3.0


def main(service: str = "") -> None:
    """Exit with status 0 when the service of this name, or the whole server, says that it serves; else say why not."""
    try:
        serves, what = _asked(service)
    except StartupError as error:
        serves, what = False, str(error)
    except grpc.RpcError as error:
        serves, what = False, f"no answer: {error.code().name}"
    print(what)  # noqa: T201  # the kubelet writes it down
    sys.exit(0 if serves else 1)


def _asked(service: str) -> tuple[bool, str]:
    settings = load(ServiceSettings)
    target, tls = f"localhost:{settings.port}", tls_files(settings)
    if tls is None:
        channel = grpc.insecure_channel(target)
    else:
        certificate, key, authorities = tls.read()
        channel = grpc.secure_channel(target, grpc.ssl_channel_credentials(authorities, key, certificate))
    with channel:
        # The published types know no methods of this stub.
        stub: Any = health_pb2_grpc.HealthStub(channel)
        answer = stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=_TIMEOUT_S)
    status = health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)
    return answer.status == health_pb2.HealthCheckResponse.SERVING, status


if __name__ == "__main__":
    main(*sys.argv[1:2])
