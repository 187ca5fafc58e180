"""An answer as one run of characters, and back into pieces."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from services.chat.domain import Channel, Chunk, Piece, ToolCall
from services.chat.draft import Draft, tool_calls

TEXTS = st.text(st.characters(codec="utf-8"), max_size=6)
PIECES = st.one_of(
    st.builds(Piece, TEXTS.filter(bool), st.sampled_from([Channel.TEXT, Channel.REASONING])),
    st.builds(
        lambda text, index, opens: Piece(
            text, Channel.TOOL_CALL, ToolCall(index, f"call_{index}", "f") if opens else ToolCall(index)
        ),
        TEXTS,
        st.integers(0, 2),
        st.booleans(),
    ),
)


def outline(pieces: Sequence[Piece]) -> list[tuple[Channel, ToolCall | None, str]]:
    """What a reader of all pieces has in the end: runs of one channel, joined."""
    runs: list[tuple[Channel, ToolCall | None, str]] = []
    for piece in pieces:
        opens = piece.tool is not None and bool(piece.tool.id or piece.tool.name)
        last = runs[-1] if runs else None
        index = piece.tool.index if piece.tool else None
        if last and not opens and last[0] is piece.channel and (last[1].index if last[1] else None) == index:
            runs[-1] = (last[0], last[1], last[2] + piece.text)
        elif piece.text or opens:
            runs.append((piece.channel, piece.tool, piece.text))
    return runs


@given(st.lists(PIECES, max_size=8), st.data())
def test_however_an_answer_is_cut_while_it_is_shown_every_piece_arrives_in_its_channel_and_order(
    pieces: list[Piece], data: st.DataObject
) -> None:
    draft, shown, positions = Draft(), [], [0]
    waiting = ""
    for piece in pieces:
        draft.add(Chunk((piece,)))
        waiting += draft.release(data.draw(st.integers(0, len(draft.held))))
        cut = data.draw(st.integers(0, len(waiting)))
        for part, position in draft.show(waiting[:cut]):
            shown.append(part)
            positions.append(position)
        waiting = waiting[cut:]
    for part, position in draft.show(waiting + draft.release(len(draft.held))):
        shown.append(part)
        positions.append(position)
    # A continuation of a call that nothing opened has no run of its own to be told from: compare what is said.
    assert outline(shown) == outline([piece for piece in pieces if piece.text or (piece.tool and piece.tool.id)])
    assert positions == sorted(set(positions))
    assert positions[-1] >= sum(len(piece.text) for piece in shown)


@given(st.lists(TEXTS.filter(bool), max_size=6))
def test_positions_in_an_answer_of_text_alone_count_its_characters(texts: list[str]) -> None:
    draft = Draft()
    for text in texts:
        draft.add(Chunk((Piece(text),)))
    ends = [position for _, position in draft.show(draft.release(len(draft.held)))]
    assert (ends or [0])[-1] == len("".join(texts))


def test_a_word_does_not_continue_from_a_thought_into_the_answer() -> None:
    draft = Draft()
    draft.add(Chunk((Piece("for", Channel.REASONING), Piece("bidden"))))
    assert "forbidden" not in draft.held


def test_pieces_of_parallel_calls_find_their_call() -> None:
    pieces = [
        Piece("", Channel.TOOL_CALL, ToolCall(0, "a", "f")),
        Piece("", Channel.TOOL_CALL, ToolCall(1, "b", "g")),
        Piece("1", Channel.TOOL_CALL, ToolCall(0)),
        Piece("2", Channel.TOOL_CALL, ToolCall(1)),
    ]
    assert tool_calls(pieces) == [
        {"id": "a", "type": "function", "function": {"name": "f", "arguments": "1"}},
        {"id": "b", "type": "function", "function": {"name": "g", "arguments": "2"}},
    ]
