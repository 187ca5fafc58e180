"""How somebody who was erased is known when they come back: by a keyed digest of their openid. Pure.

It names nobody: whoever has the database and not the secret cannot tell whether it is an openid's that they know.
"""

import hmac
from collections.abc import Sequence

from services.runtime.sealing import derived_key

_PURPOSE = "queqiao gateway: openids of erased users"


class OpenidMarks:
    """Marks openids."""

    def __init__(self, secret: str, *, previous: Sequence[str] = ()) -> None:
        """Mark with this secret; what previous ones marked is still known."""
        self._keys = [derived_key(each, _PURPOSE) for each in (secret, *previous)]

    def of(self, openid: str) -> list[bytes]:
        """Every mark that the openid may have; the first is the one to keep."""
        return [hmac.digest(key, openid.encode(), "sha256") for key in self._keys]
