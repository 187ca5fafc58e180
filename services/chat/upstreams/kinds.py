"""What kinds of providers there are, and which further parameters each takes: `kinds.toml`. Pure but for reading it."""

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

GENERIC = "generic"


class _Kind(msgspec.Struct, forbid_unknown_fields=True):
    takes: list[str]
    hosts: list[str] = []


class _File(msgspec.Struct, forbid_unknown_fields=True):
    harmless: list[str]
    kinds: dict[str, _Kind]


@dataclass(frozen=True, slots=True)
class Kinds:
    """The kinds of providers by name, and the parameters that may be left out where nobody takes them."""

    takes: dict[str, frozenset[str]]
    hosts: dict[str, str]
    harmless: frozenset[str]

    def of_address(self, base_url: str) -> str:
        """The kind of the provider at this address; `generic` when the address tells nothing."""
        return self.hosts.get(urlsplit(base_url).hostname or "", GENERIC)


@cache
def kinds() -> Kinds:
    """The file, read once."""
    file = msgspec.convert(tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8")), _File)
    return Kinds(
        takes={name: frozenset(kind.takes) for name, kind in file.kinds.items()},
        hosts={host: name for name, kind in file.kinds.items() for host in kind.hosts},
        harmless=frozenset(file.harmless),
    )
