"""Mutual TLS between services: certificates from files, read again when they are replaced.

Each service shows a certificate that the mesh's own authority has signed, and believes only such. Certificates are
replaced by replacing the files (cert-manager, Vault, a cron job): servers take the new ones for the next connection,
clients open a new one within seconds, and no process is restarted.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc

from services.runtime.config import MeshSettings
from services.runtime.errors import ConfigurationError

# How often a client looks whether the files have changed, and how long calls of an old connection may take to end.
_LOOK_S = 5.0
_GRACE_S = 600.0


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """A certificate with its chain, its private key, and the authorities that peers' certificates are signed by."""

    certificate: Path
    key: Path
    authorities: Path

    def read(self) -> tuple[bytes, bytes, bytes]:
        """Certificate, key, authorities.

        Raises:
            ConfigurationError: One of them cannot be read.
        """
        try:
            return self.certificate.read_bytes(), self.key.read_bytes(), self.authorities.read_bytes()
        except OSError as error:
            raise ConfigurationError(
                f"{error.filename} cannot be read ({error.strerror}): check the TLS_…_FILE."
            ) from None

    def stamp(self) -> tuple[int, ...]:
        """What changes when a file is replaced."""
        try:
            return tuple(file.stat().st_mtime_ns for file in (self.certificate, self.key, self.authorities))
        except OSError:
            # They are just being replaced.
            return ()


def tls_files(settings: MeshSettings) -> TlsFiles | None:
    """The files that are named, or None when there are none."""
    certificate, key, authorities = settings.tls_cert_file, settings.tls_key_file, settings.tls_ca_file
    if certificate is None or key is None or authorities is None:
        return None
    return TlsFiles(certificate, key, authorities)


def server_credentials(files: TlsFiles) -> grpc.ServerCredentials:
    """Credentials of a server that takes new certificates for each new connection.

    Raises:
        ConfigurationError: The files cannot be read.
    """

    def configuration() -> grpc.ServerCertificateConfiguration:
        certificate, key, authorities = files.read()
        return grpc.ssl_server_certificate_configuration([(key, certificate)], root_certificates=authorities)

    seen = files.stamp()

    def replaced() -> grpc.ServerCertificateConfiguration | None:
        nonlocal seen
        stamp = files.stamp()
        if not stamp or stamp == seen:
            return None
        try:
            fresh = configuration()
        except ConfigurationError:
            return None
        seen = stamp
        return fresh

    # None says that nothing has changed, which the published types do not know.
    return grpc.dynamic_ssl_server_credentials(
        configuration(),
        replaced,  # type: ignore[arg-type]
        require_client_authentication=True,
    )


class RotatingChannel:
    """A channel that is opened anew when its certificates are replaced; calls of the old one end by themselves."""

    def __init__(self, files: TlsFiles, opened: Callable[[grpc.ChannelCredentials], grpc.aio.Channel]) -> None:
        """Open channels with these files.

        Raises:
            ConfigurationError: They cannot be read.
        """
        self._files = files
        self._opened = opened
        self._stamp = files.stamp()
        self._looked = time.monotonic()
        self._channel = self._open()
        self._closing: set[asyncio.Task[None]] = set()

    def current(self) -> grpc.aio.Channel:
        """The channel for the next call."""
        if time.monotonic() - self._looked >= _LOOK_S:
            self._looked = time.monotonic()
            stamp = self._files.stamp()
            if stamp and stamp != self._stamp:
                self._replace(stamp)
        return self._channel

    def unary_unary(self, *arguments: Any, **named: Any) -> "_Call":
        """As grpc.aio.Channel's."""
        return _Call(self, "unary_unary", arguments, named)

    def unary_stream(self, *arguments: Any, **named: Any) -> "_Call":
        """As grpc.aio.Channel's."""
        return _Call(self, "unary_stream", arguments, named)

    def stream_unary(self, *arguments: Any, **named: Any) -> "_Call":
        """As grpc.aio.Channel's."""
        return _Call(self, "stream_unary", arguments, named)

    def stream_stream(self, *arguments: Any, **named: Any) -> "_Call":
        """As grpc.aio.Channel's."""
        return _Call(self, "stream_stream", arguments, named)

    async def close(self) -> None:
        """Close all."""
        for task in self._closing:
            task.cancel()
        await asyncio.gather(*self._closing, return_exceptions=True)
        await self._channel.close()

    def _open(self) -> grpc.aio.Channel:
        certificate, key, authorities = self._files.read()
        return self._opened(grpc.ssl_channel_credentials(authorities, key, certificate))

    def _replace(self, stamp: tuple[int, ...]) -> None:
        try:
            fresh = self._open()
        except ConfigurationError:
            # Half of the files are there: the next look finds them whole.
            return
        self._stamp = stamp
        task = asyncio.create_task(_closed(self._channel))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)
        self._channel = fresh


class _Call:
    """A method of the service, of whichever channel is the current one."""

    def __init__(self, owner: RotatingChannel, kind: str, arguments: Sequence[Any], named: dict[str, Any]) -> None:
        self._owner = owner
        self._kind = kind
        self._arguments = arguments
        self._named = named
        self._channel: grpc.aio.Channel | None = None
        self._callable: Any = None

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        channel = self._owner.current()
        if channel is not self._channel:
            self._channel = channel
            self._callable = getattr(channel, self._kind)(*self._arguments, **self._named)
        return self._callable(*arguments, **named)


async def _closed(channel: grpc.aio.Channel) -> None:
    try:
        await channel.close(grace=_GRACE_S)
    finally:
        await channel.close()
