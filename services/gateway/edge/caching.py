"""Who on the way to a client may keep an answer (RFC 9111). Pure."""

from collections.abc import Iterable

# It belongs to one user or to one moment. What needs a login is never shared: the edge cannot tell who may see it,
# answers to questions are charged and screened for whoever asks, and clients ask for models to try a key out.
PRIVATE = "no-store"
# The same for everybody: the edge may answer with it for five minutes, and for a day while the gateway fails.
SHARED = "public, max-age=0, s-maxage=300, stale-if-error=86400"
# The same for everybody, in files that change with a release alone: browsers keep them for a day, too.
SHARED_FILE = "public, max-age=86400, s-maxage=300, stale-if-error=86400"


def with_caching(headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """The headers of an answer, which is private if they do not say otherwise."""
    found = list(headers)
    if not any(name == b"cache-control" for name, _ in found):
        found.append((b"cache-control", PRIVATE.encode()))
    return found
