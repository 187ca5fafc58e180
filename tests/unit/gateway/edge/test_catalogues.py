"""The catalogues of sentences: the same in every language, and safe to fill with what users typed."""

import pytest

from services.gateway.edge.catalogues import Catalogue, catalogue
from services.gateway.edge.languages import Language

CHINESE, ENGLISH = catalogue(Language.CHINESE), catalogue(Language.ENGLISH)


def facts_of(sentences: Catalogue, name: str) -> set[str]:
    """The facts that a sentence contains: each is given a mark of its own."""
    marks = {fact: f"<{fact}>" for fact in sentences.facts}
    sentence = sentences.sentence(name, marks)
    return {fact for fact, mark in marks.items() if mark in sentence}


def test_every_language_has_every_sentence() -> None:
    assert CHINESE.names == ENGLISH.names
    assert {"INTERNAL", "INVALID_REQUEST.unknown", "receipt-settled.completed"} <= CHINESE.names


@pytest.mark.parametrize("name", sorted(CHINESE.names))
def test_every_language_says_the_same_facts(name: str) -> None:
    assert facts_of(CHINESE, name) == facts_of(ENGLISH, name)
    assert any("\u4e00" <= character <= "\u9fff" for character in CHINESE.sentence(name, {}))
    assert ENGLISH.sentence(name, {}).isascii()


def test_a_fact_that_is_missing_is_left_out() -> None:
    sentences = Catalogue(Language.ENGLISH, "TOO_MANY = At most { $limit }.\n    .each = { $limit } each\n")
    assert sentences.sentence("TOO_MANY", {}) == "At most ."
    assert sentences.sentence("TOO_MANY.each", {"limit": "3"}) == "3 each"


def test_a_sentence_that_was_filled_before_is_filled_with_what_is_said_now() -> None:
    sentences = Catalogue(Language.ENGLISH, "FULL = At most { $limit } of { $field }.\n")
    told = [sentences.sentence("FULL", {"limit": each, "field": "a", "other": "x"}) for each in ("3", "4", "3")]
    assert told == ["At most 3 of a.", "At most 4 of a.", "At most 3 of a."]


def test_a_fact_is_no_template() -> None:
    sentences = Catalogue(Language.ENGLISH, "UNKNOWN = No { $model }.\n")
    assert sentences.sentence("UNKNOWN", {"model": '{ $other } { "x" }'}) == 'No { $other } { "x" }.'


def test_a_sentence_that_is_missing_is_the_next_best() -> None:
    sentences = Catalogue(Language.ENGLISH, "A = one\nB = two\n")
    assert sentences.first(("A.x", "A", "B"), {}) == "one"
    assert sentences.first(("C", "B"), {}) == "two"
    with pytest.raises(KeyError):
        sentences.sentence("A.x", {})
