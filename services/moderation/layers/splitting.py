"""Cuts long texts into pieces that overlap, so that what one border cuts is whole in the next piece. Pure."""

from services.moderation.errors import LayerDownError
from services.moderation.layers.policy import LayerPolicy


def pieces(text: str, policy: LayerPolicy) -> list[str]:
    """The text in pieces of at most `text_characters_max`, each beginning with the end of the one before.

    Whatever is at most one character longer than `overlap_characters` is whole in one of them.

    Raises:
        LayerDownError: It is more than `pieces_max`: too_long.
    """
    length, overlap = policy.text_characters_max, policy.overlap_characters
    cut = [text[:length]]
    begin = length - overlap
    while begin + overlap < len(text):
        if len(cut) == policy.pieces_max:
            raise LayerDownError("too_long")
        cut.append(text[begin : begin + length])
        begin += length - overlap
    return cut
