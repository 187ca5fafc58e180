from bench.client import Outcome
from bench.rush import Chat, gaps_ms, out_of_turn


def begun(user: int, at: float) -> Chat:
    return Chat(user, Outcome(first_content_at=at))


def test_gaps_leave_the_end_of_an_answer_out() -> None:
    assert gaps_ms([Chat(0, Outcome(times=[1.0, 1.5, 1.75, 9.0])), Chat(1, Outcome())]) == [500.0, 250.0]


def test_a_second_chat_before_anothers_first_is_out_of_turn() -> None:
    fair = [begun(0, 1.0), begun(1, 2.0), begun(0, 3.0), begun(1, 4.0)]
    unfair = [begun(0, 1.0), begun(0, 2.0), begun(1, 3.0)]
    together = [begun(0, 1.0), begun(0, 2.0), begun(1, 2.05)]
    assert [out_of_turn(each) for each in (fair, unfair, together)] == [0, 1, 0]
