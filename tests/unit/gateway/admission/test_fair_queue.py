"""The order in which those who wait are served."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from services.gateway.admission.fair_queue import FairQueue


def anybody(_user_id: str) -> bool:
    return True


def served(queue: FairQueue) -> list[str]:
    """Everybody, in the order in which they are served."""
    users = []
    while (ticket := queue.pop(anybody)) is not None:
        users.append(ticket.user_id)
    return users


def test_one_users_tickets_are_served_as_they_were_drawn() -> None:
    queue = FairQueue()
    tickets = [queue.push("a", 1) for _ in range(5)]
    assert [queue.pop(anybody) for _ in range(5)] == tickets


def test_a_crowd_of_one_user_does_not_keep_the_others_waiting() -> None:
    queue = FairQueue()
    for _ in range(100):
        queue.push("crowd", 1)
    queue.push("single", 1)
    assert served(queue).index("single") == 1


def test_whoever_weighs_more_is_served_more_often() -> None:
    queue = FairQueue()
    for _ in range(40):
        queue.push("paid", 4)
        queue.push("trial", 1)
    assert Counter(served(queue)[:20]) == {"paid": 16, "trial": 4}


def test_a_user_who_comes_late_is_not_owed_the_past() -> None:
    queue = FairQueue()
    for _ in range(10):
        queue.push("early", 1)
    for _ in range(5):
        queue.pop(anybody)
    for _ in range(10):
        queue.push("late", 1)
    assert Counter(served(queue)[:6]) == {"early": 3, "late": 3}


def test_whoever_may_not_run_is_passed_over_and_keeps_their_place() -> None:
    queue = FairQueue()
    first, second = queue.push("busy", 1), queue.push("free", 1)
    assert queue.pop(lambda user_id: user_id == "free") == second
    assert queue.position(first) == 1
    assert queue.pop(lambda _: False) is None


def test_a_ticket_that_is_given_up_moves_the_others_forward() -> None:
    queue = FairQueue()
    tickets = [queue.push(user, 1) for user in "abc"]
    queue.remove(tickets[0])
    assert [queue.position(ticket) for ticket in tickets[1:]] == [1, 2]
    assert queue.waiting_of("a") == 0


@given(st.lists(st.sampled_from("abcde"), max_size=60))
def test_everybody_is_served_once_and_positions_count_down(users: list[str]) -> None:
    queue = FairQueue()
    weights = {"a": 1, "b": 4, "c": 1, "d": 4, "e": 1}
    waiting = [queue.push(user, weights[user]) for user in users]
    assert sorted(map(queue.position, waiting)) == list(range(1, len(waiting) + 1))
    order = []
    while (ticket := queue.pop(anybody)) is not None:
        order.append(ticket)
        assert all(queue.position(each) >= 1 for each in waiting if each not in order)
    assert sorted(order) == sorted(waiting)
    assert order == sorted(order)
