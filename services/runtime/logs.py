"""JSON logs, one line an event, with the trace they belong to and no secrets."""

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any

import msgspec
import structlog

_SECRETS = re.compile(
    r"\b(?:sk|rt)-[A-Za-z0-9_-]{8,}"  # keys of providers and ours, and refresh tokens
    r"|(?<=Bearer )[^\s\"]+"
    r"|\beyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+"  # a JSON Web Token, which begins with {"
    r"|(?<=://)[^/@\s:\"]*:[^/@\s\"]+(?=@)"  # the password of a URL, with its user if it has one
    r"|(?<=access_token=)[^&\s\"]+"  # WeChat's, which stands in addresses
)


def configure_logging(service: str, instance: str, level: str) -> None:
    """Send this process's logs, and those of its libraries from WARNING up, to standard output as JSON."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
            structlog.processors.format_exc_info,
            _Constant(service=service, instance=instance),
            _render,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level]),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stdout),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(_LibraryFormatter(service, instance))
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)


def redact(text: str) -> str:
    """Replace what looks like a key, a token or a password."""
    return _SECRETS.sub("[redacted]", text)


def _render(_logger: object, _method: str, event: MutableMapping[str, Any]) -> str:
    return redact(msgspec.json.encode(event, enc_hook=str).decode())


class _Constant:
    """Adds the same fields to every event."""

    def __init__(self, **fields: str) -> None:
        self._fields = fields

    def __call__(self, _logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        event.update(self._fields)
        return event


class _LibraryFormatter(logging.Formatter):
    """What a library logs, in our shape."""

    def __init__(self, service: str, instance: str) -> None:
        super().__init__()
        self._fields = {"service": service, "instance": instance}

    def format(self, record: logging.LogRecord) -> str:
        event: dict[str, Any] = {
            "event": record.getMessage(),
            "level": record.levelname.lower(),
            "logger": record.name,
            **self._fields,
        }
        if record.exc_info:
            event["exception"] = self.formatException(record.exc_info)
        return redact(msgspec.json.encode(event, enc_hook=str).decode())
