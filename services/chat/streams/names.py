"""What things are called in Redis. Pure.

A script touches a turn's events and its writer's list of turns together, so both are in one slot of a cluster. They are
not all in the same one: turns are dealt to a number of shares by their names, and a writer has a list in each.
"""

from zlib import crc32

from services.chat.streams.domain import TurnKey

# Enough that a cluster's nodes get about the same, few enough to ask for all lists of a writer at once.
_SHARES = 64

# The replicas by the second of their last beat. Their lists of words are beside it: each beat touches both.
REPLICAS = "{chat:replicas}"


def stream(key: TurnKey) -> str:
    """Where a turn's events are."""
    return f"{_share(key)}:turn:{member(key)}"


def follows(key: TurnKey) -> str:
    """What is there while somebody follows a turn at another replica."""
    return f"{_share(key)}:follows:{member(key)}"


def turns(replica: str, key: TurnKey) -> str:
    """Where the name of a turn is that a replica writes."""
    return f"{_share(key)}:turns:{replica}"


def all_turns(replica: str) -> list[str]:
    """Where the names of all turns are that a replica writes."""
    return [f"{_tag(number)}:turns:{replica}" for number in range(_SHARES)]


def streams_of(user_id: str) -> str:
    """What the events of a user's turns are called; it may find those of others, too."""
    return f"{{chat:*}}:turn:{user_id}/*"


def of_stream(stream: bytes) -> TurnKey:
    """The turn whose events are there."""
    return named(stream.partition(b"}:turn:")[2])


def stops(replica: str) -> str:
    """Where the words are by which a replica is asked to stop turns: the name of a turn, and what tells words apart."""
    return f"{REPLICAS}:stops:{replica}"


def member(key: TurnKey) -> str:
    """A turn's name in these lists; neither part of it has a slash."""
    return f"{key.user_id}/{key.request_id}"


def named(member: bytes) -> TurnKey:
    """The turn of that name, or that such a word is about."""
    user_id, request_id, *_ = member.decode().split("/")
    return TurnKey(user_id, request_id)


def _share(key: TurnKey) -> str:
    # The same in every process, which Python's own hash is not.
    return _tag(crc32(member(key).encode()) % _SHARES)


def _tag(number: int) -> str:
    """What is in braces decides about the slot."""
    return f"{{chat:{number:02}}}"
