"""How somebody who was erased is known again."""

from services.gateway.identity.marks import OpenidMarks

OLD, NEW = "an old secret of at least 32 characters", "a new secret of at least 32 characters"


def test_an_openid_is_known_again_and_another_is_not() -> None:
    marks = OpenidMarks(NEW)
    assert marks.of("o-1") == marks.of("o-1") != marks.of("o-2")
    assert len(marks.of("o-1")[0]) == 32


def test_without_the_secret_a_mark_says_nothing() -> None:
    assert OpenidMarks(NEW).of("o-1") != OpenidMarks(OLD).of("o-1")


def test_what_a_previous_secret_marked_is_known_and_the_new_one_marks() -> None:
    assert OpenidMarks(NEW, previous=[OLD]).of("o-1") == OpenidMarks(NEW).of("o-1") + OpenidMarks(OLD).of("o-1")
