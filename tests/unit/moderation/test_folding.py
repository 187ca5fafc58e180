"""Views of a text, and the way back to it."""

from hypothesis import given
from hypothesis import strategies as st

from services.moderation.lexicon.folding import Folder

FOLDER = Folder()

anything = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=40)


def test_spellings_of_one_word_look_alike() -> None:
    assert FOLDER.compact("Ｋ\u200b-粉，\u3000⼤ⓧ②\u3164") == "k粉大x2"
    assert FOLDER.spaced("Ｂad\u200b\tWO\u0301RD！") == "bad word!"


@given(left=anything, right=anything)
def test_a_text_in_pieces_folds_as_it_does_whole(left: str, right: str) -> None:
    assert FOLDER.compact(left) + FOLDER.compact(right) == FOLDER.compact(left + right)
    assert FOLDER.spaced(left) + FOLDER.spaced(right) == FOLDER.spaced(left + right)


@given(text=anything, repeats=st.sampled_from([1, 400]))
def test_every_character_of_a_view_is_found_again_in_the_text(text: str, repeats: int) -> None:
    text *= repeats
    for fold, offset in ((FOLDER.compact, FOLDER.compact_offset), (FOLDER.spaced, FOLDER.spaced_offset)):
        view = fold(text)
        for index in {0, len(view) // 2, len(view) - 1} if view else ():
            at = offset(text, index)
            assert fold(text[:at]) == view[:index]
            assert fold(text[at]) == view[index]
        assert offset(text, len(view)) == len(text)


def test_a_flood_of_different_characters_does_not_change_what_folding_does() -> None:
    folder = Folder()
    flood = "".join(map(chr, range(0x4E00, 0x4E00 + 20_000))) + "".join(map(chr, range(0x20000, 0x20000 + 60_000)))
    assert folder.compact(flood + "Ａ") == FOLDER.compact(flood) + "a"
