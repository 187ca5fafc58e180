"""How many processes each service has. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sandbox.ports import HOST
from sandbox.processes import PartError

_WORKERS_MAX = 64


@dataclass(frozen=True, slots=True)
class Workers:
    """The processes of a service: the first has its name, further ones a number as well."""

    count: int = 1

    @classmethod
    def of(cls, given: Mapping[str, str]) -> "Workers":
        """As many as `WORKERS` says, of each service.

        Raises:
            PartError: It says nothing that makes sense.
        """
        told = given.get("WORKERS") or "1"
        if not (told.isdecimal() and 1 <= int(told) <= _WORKERS_MAX):
            raise PartError(
                f"WORKERS is {told!r}: set how many processes each service shall have, 1 to {_WORKERS_MAX}."
            )
        return cls(int(told))

    def names(self, service: str) -> Sequence[str]:
        """What a service's processes are called."""
        return [service, *(f"{service} {number}" for number in range(2, self.count + 1))]

    def target(self, ports: Sequence[int]) -> str:
        """The address by which calls go to each of these ports in turn."""
        addresses = ",".join(f"{HOST}:{port}" for port in ports)
        return addresses if len(ports) == 1 else f"ipv4:{addresses}"
