"""What things are called in Redis. Pure."""

from services.chat.streams.domain import TurnKey


def stream(key: TurnKey) -> str:
    """Where a turn's events are."""
    return f"chat:turn:{member(key)}"


def turns(replica: str) -> str:
    """Where the names of the turns are that a replica writes."""
    return f"chat:turns:{replica}"


def stops(replica: str) -> str:
    """Where the words are by which a replica is asked to stop turns: the name of a turn, and what tells words apart."""
    return f"chat:stops:{replica}"


def member(key: TurnKey) -> str:
    """A turn's name in these lists; neither part of it has a slash."""
    return f"{key.user_id}/{key.request_id}"


def named(member: bytes) -> TurnKey:
    """The turn of that name, or that such a word is about."""
    user_id, request_id, *_ = member.decode().split("/")
    return TurnKey(user_id, request_id)


def follows(key: TurnKey) -> str:
    """What is there while somebody follows a turn at another replica."""
    return f"chat:follows:{member(key)}"
