"""Configuration from the environment: the only place that reads it."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, TypeVar

from dotenv import load_dotenv
from pydantic import Field, FilePath, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from services.runtime.errors import ConfigurationError, StartupError

_LOOPBACK = ("127.0.0.1", "::1", "localhost")


Pooled = Annotated[
    bool,
    Field(
        description="Whether PostgreSQL is behind a pooler that lends connections for one transaction, as PgBouncer."
    ),
]


class MeshSettings(BaseSettings):
    """What all that calls a service can be told; a field's name in upper case is its environment variable."""

    model_config = SettingsConfigDict(env_ignore_empty=True, extra="ignore", frozen=True)

    tls_cert_file: FilePath | None = Field(
        default=None, description="This process' certificate with its chain, PEM: mutual TLS between services."
    )
    tls_key_file: FilePath | None = Field(default=None, description="The certificate's private key, PEM.")
    tls_ca_file: FilePath | None = Field(
        default=None, description="The authorities that sign the certificates of this mesh's services, PEM."
    )

    # A check of several variables stands at the last of them, when the others are read, so that all mistakes are told.
    @field_validator("tls_ca_file")
    @classmethod
    def _all_or_none(cls, file: Path | None, given: ValidationInfo) -> Path | None:
        others = [given.data[name] for name in ("tls_cert_file", "tls_key_file") if name in given.data]
        if any((other is None) != (file is None) for other in others):
            raise ValueError("mutual TLS needs TLS_CERT_FILE, TLS_KEY_FILE and TLS_CA_FILE, all of them or none")
        return file


class ServiceSettings(MeshSettings):
    """What every service can be told."""

    host: str = Field(default="127.0.0.1", description="Address to listen on; 0.0.0.0 in a container.")
    port: int = Field(ge=0, le=65535, description="Port of the service itself.")
    metrics_port: int | None = Field(
        default=None, ge=0, le=65535, description="Port of Prometheus metrics. Absent: no metrics are served."
    )
    database_pooled: Pooled = False
    log_level: str = Field(default="INFO", pattern="^(DEBUG|INFO|WARNING|ERROR)$", description="Least level logged.")
    otel_exporter_otlp_endpoint: str | None = Field(
        default=None, description="OTLP/gRPC collector, as http://host:4317. Absent: tracing is off and free."
    )
    service_instance: str = Field(default="local", description="Name of this replica, for logs and traces.")
    drain_s: float = Field(
        default=30.0,
        ge=0,
        description="Seconds that running calls may take to finish once the service is stopped.",
    )


class GrpcServiceSettings(ServiceSettings):
    """What every service that serves gRPC can be told."""

    grpc_plaintext: bool = Field(
        default=False,
        description="Speak gRPC in the clear beyond the loopback: the network is private.",
    )

    @field_validator("grpc_plaintext")
    @classmethod
    def _private(cls, plaintext: bool, given: ValidationInfo) -> bool:
        beyond = given.data.get("host", _LOOPBACK[0]) not in _LOOPBACK
        if beyond and not plaintext and given.data.get("tls_cert_file", True) is None:
            raise ValueError(
                "others could listen to what is spoken in the clear: set TLS_CERT_FILE, TLS_KEY_FILE and TLS_CA_FILE, "
                "or GRPC_PLAINTEXT=true where a service mesh encrypts the network"
            )
        return plaintext


def is_told(value: object) -> bool:
    """Whether a variable has a value that says something."""
    return bool(value.get_secret_value() if isinstance(value, SecretStr) else value)


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


SettingsT = TypeVar("SettingsT", bound=MeshSettings)


def load(settings_class: type[SettingsT]) -> SettingsT:
    """Read the environment.

    Raises:
        ConfigurationError: Variables are missing or wrong; each is named with its purpose, and never with its value.
    """
    try:
        return settings_class.model_validate({})
    except ValidationError as error:
        problems = []
        for problem in error.errors(include_input=False, include_url=False, include_context=False):
            name = str(problem["loc"][0]) if problem["loc"] else "environment"
            field = settings_class.model_fields.get(name)
            purpose = f" ({field.description})" if field and field.description else ""
            wrong = f"is wrong: {problem['msg'].removeprefix('Value error, ')}"
            problems.append(f"{name.upper()} {'is not set' if problem['type'] == 'missing' else wrong}{purpose}")
        raise ConfigurationError("; ".join(problems)) from None
