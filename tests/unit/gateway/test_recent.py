"""What is remembered for a short while."""

from dataclasses import dataclass

from services.gateway.recent import Recent


@dataclass
class Clock:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


def test_an_entry_expires_however_often_it_is_needed() -> None:
    clock = Clock()
    recent: Recent[str, str] = Recent(ttl_s=10, size_max=5, clock=clock)
    recent.put("a", "1")
    for now, value in ((5, "1"), (9.9, "1"), (10, None), (11, None)):
        clock.now = now
        assert recent.get("a") == value


def test_what_is_put_again_begins_anew() -> None:
    clock = Clock()
    recent: Recent[str, str] = Recent(ttl_s=10, size_max=5, clock=clock)
    recent.put("a", "1")
    clock.now = 6
    recent.put("a", "2")
    clock.now = 15
    assert recent.get("a") == "2"


def test_when_it_is_full_the_one_goes_that_was_not_needed_for_longest() -> None:
    recent: Recent[str, int] = Recent(ttl_s=10, size_max=2)
    recent.put("a", 1)
    recent.put("b", 2)
    recent.get("a")
    recent.put("c", 3)
    assert (recent.get("a"), recent.get("b"), recent.get("c")) == (1, None, 3)
