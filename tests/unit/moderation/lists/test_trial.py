"""What a new list would have done, before it does."""

from services.moderation.lexicon.entries import Entry, Tier
from services.moderation.lexicon.lexicon import Lexicon
from services.moderation.lists.trial import Change, Trial, try_out

BEFORE = Lexicon([Entry("旧词"), Entry("存疑", tier=Tier.REVIEW)])
AFTER = Lexicon([Entry("新词"), Entry("存疑", tier=Tier.REVIEW)])


def test_texts_whose_verdict_changes_are_named_in_both_directions() -> None:
    texts = ["有旧词", "有新词", "有新词", "新词旧词", "平安", "存疑"]
    assert try_out(BEFORE, AFTER, texts) == Trial(
        texts=5,
        refused_before=2,
        refused_after=2,
        changes=(Change("有旧词", refused=False, word="旧词"), Change("有新词", refused=True, word="新词")),
    )


def test_of_a_long_text_the_part_around_the_word_is_shown() -> None:
    (change,) = try_out(BEFORE, AFTER, ["前" * 1000 + "新词" + "后" * 1000]).changes
    assert len(change.excerpt) == 200
    assert "新词" in change.excerpt


def test_changes_are_counted_all_and_shown_a_hundred() -> None:
    trial = try_out(BEFORE, AFTER, [f"新词{number}" for number in range(300)])
    assert (trial.refused_after, len(trial.changes)) == (300, 100)
