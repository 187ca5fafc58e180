"""What turns are called in Redis: what a script touches together is in one slot, and all turns are not."""

from redis.crc import key_slot

from services.chat.streams.domain import TurnKey
from services.chat.streams.names import REPLICAS, all_turns, follows, member, named, of_stream, stops, stream, turns

KEYS = [TurnKey(f"usr_{n % 50}", f"req_{n}") for n in range(2000)]


def slot(name: str) -> int:
    return key_slot(name.encode())


def test_a_turns_events_followers_and_its_place_in_its_writers_lists_are_in_one_slot() -> None:
    for key in KEYS:
        assert len({slot(name) for name in (stream(key), follows(key), turns("chat-0", key))}) == 1
        assert turns("chat-0", key) in all_turns("chat-0")
        assert turns("chat-0", key) not in all_turns("chat-1")


def test_what_a_beat_touches_is_in_one_slot() -> None:
    assert slot(REPLICAS) == slot(stops("chat-0")) == slot(stops("chat-1"))


def test_each_of_three_nodes_gets_a_fair_part_of_the_turns() -> None:
    nodes = [slot(stream(key)) * 3 // 16384 for key in KEYS]
    assert min(nodes.count(node) for node in range(3)) > len(KEYS) / 5


def test_a_name_tells_its_turn() -> None:
    for key in (*KEYS[:10], TurnKey("}:turn:{", "a:b")):
        assert of_stream(stream(key).encode()) == named(member(key).encode()) == key
