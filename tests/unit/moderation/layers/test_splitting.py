"""Long texts in pieces."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.moderation.errors import LayerDownError
from services.moderation.layers.policy import WeChatPolicy
from services.moderation.layers.splitting import pieces


def by(length: int, overlap: int, pieces_max: int = 1000) -> WeChatPolicy:
    return WeChatPolicy(text_characters_max=length, overlap_characters=overlap, pieces_max=pieces_max)


def test_a_text_that_fits_is_one_piece() -> None:
    assert pieces("0123456789", by(10, 3)) == ["0123456789"]


def test_a_longer_text_is_cut_and_each_piece_begins_with_the_end_of_the_last() -> None:
    assert pieces("0123456789abcdefghijk", by(10, 3)) == ["0123456789", "789abcdefg", "efghijk"]


def test_what_is_more_than_the_pieces_allowed_is_too_long() -> None:
    assert len(pieces("x" * 24, by(10, 3, pieces_max=3))) == 3
    with pytest.raises(LayerDownError, match="too_long"):
        pieces("x" * 25, by(10, 3, pieces_max=3))


@given(
    text=st.text(min_size=1, max_size=400),
    length=st.integers(16, 60),
    overlap=st.integers(0, 8),
    where=st.integers(0, 400),
)
def test_whatever_fits_the_overlap_is_whole_in_a_piece(text: str, length: int, overlap: int, where: int) -> None:
    cut = pieces(text, by(length, overlap))
    assert all(1 <= len(piece) <= length for piece in cut)
    assert cut[0] + "".join(piece[overlap:] for piece in cut[1:]) == text
    begin = min(where, len(text) - 1)
    assert any(text[begin : begin + overlap + 1] in piece for piece in cut)
