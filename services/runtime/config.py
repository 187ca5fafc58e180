"""Configuration from the environment: the only place that reads it."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

from dotenv import load_dotenv
from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from services.runtime.errors import StartupError


class ServiceSettings(BaseSettings):
    """What every service can be told; a field's name in upper case is its environment variable."""

    model_config = SettingsConfigDict(env_ignore_empty=True, extra="ignore", frozen=True)

    host: str = Field(default="127.0.0.1", description="Address to listen on; 0.0.0.0 in a container.")
    port: int = Field(ge=0, le=65535, description="Port of the service itself.")
    metrics_port: int | None = Field(
        default=None, ge=0, le=65535, description="Port of Prometheus metrics. Absent: no metrics are served."
    )
    log_level: str = Field(default="INFO", pattern="^(DEBUG|INFO|WARNING|ERROR)$", description="Least level logged.")
    otel_exporter_otlp_endpoint: str | None = Field(
        default=None, description="OTLP/gRPC collector, as http://host:4317. Absent: tracing is off and free."
    )
    service_instance: str = Field(default="local", description="Name of this replica, for logs and traces.")
    tls_cert_file: Path | None = Field(
        default=None, description="This service's certificate with its chain, PEM: mutual TLS between services."
    )
    tls_key_file: Path | None = Field(default=None, description="The certificate's private key, PEM.")
    tls_ca_file: Path | None = Field(
        default=None, description="The authorities that sign the certificates of this mesh's services, PEM."
    )
    grpc_plaintext: bool = Field(
        default=False,
        description="Speak gRPC in the clear beyond the loopback: the network is private.",
    )
    drain_s: float = Field(
        default=30.0,
        ge=0,
        description="Seconds that running calls may take to finish once the service is stopped.",
    )


def use_env_file(path: Path) -> None:
    """Add the variables of a file of NAME=value lines; what the environment already has wins.

    Raises:
        StartupError: The file cannot be read.
    """
    if not path.is_file():
        raise StartupError(f"There is no file {path}: name the file of addresses that the mesh wrote.")
    load_dotenv(path, override=False)


def environment() -> Mapping[str, str]:
    """All variables, for configuration files that refer to some by name."""
    return os.environ  # noqa: TID251  # this is that one place


SettingsT = TypeVar("SettingsT", bound=ServiceSettings)


def load(settings_class: type[SettingsT]) -> SettingsT:
    """Read the environment.

    Raises:
        StartupError: A variable is missing or wrong; the sentence names each, what it is for, and never its value.
    """
    try:
        return settings_class.model_validate({})
    except ValidationError as error:
        problems = []
        for problem in error.errors(include_input=False, include_url=False, include_context=False):
            name = str(problem["loc"][0]) if problem["loc"] else "environment"
            field = settings_class.model_fields.get(name)
            purpose = f" ({field.description})" if field and field.description else ""
            what = "is not set" if problem["type"] == "missing" else f"is wrong: {problem['msg']}"
            problems.append(f"{name.upper()} {what}{purpose}")
        raise StartupError("; ".join(problems)) from None
