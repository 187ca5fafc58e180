"""Protos to the domain and back; a request that does not fit is refused here, field by field."""

from queqiao.moderation.v1 import moderation_pb2

from services.moderation.lexicon.lexicon import Match
from services.moderation.lexicon.screening import Screened
from services.runtime.errors import InvalidRequestError

_INPUT_CHARACTERS_MAX = 1_048_576
_WINDOWS_MAX = 1024
_WINDOW_CHARACTERS_MAX = 65_536
_PRECEDING_CHARACTERS_MAX = 64


def check_input(request: moderation_pb2.CheckInputRequest) -> None:
    """Refuse an input that does not fit.

    Raises:
        InvalidRequestError: `fields` names everything that is wrong.
    """
    wrong = {name: "is required" for name in ("request_id", "user_id", "text") if not getattr(request, name)}
    if len(request.text) > _INPUT_CHARACTERS_MAX:
        wrong["text"] = f"must be at most {_INPUT_CHARACTERS_MAX} characters"
    _refuse(wrong)


def check_windows(request: moderation_pb2.ScreenOutputRequest) -> None:
    """Refuse windows that do not fit.

    Raises:
        InvalidRequestError: `fields` names everything that is wrong.
    """
    wrong: dict[str, str] = {}
    if not 1 <= len(request.windows) <= _WINDOWS_MAX:
        wrong["windows"] = f"must hold 1 to {_WINDOWS_MAX} windows"
    for index, window in enumerate(request.windows):
        if not window.request_id:
            wrong[f"windows[{index}].request_id"] = "is required"
        if len(window.text) > _WINDOW_CHARACTERS_MAX:
            wrong[f"windows[{index}].text"] = f"must be at most {_WINDOW_CHARACTERS_MAX} characters"
        if len(window.preceding) > _PRECEDING_CHARACTERS_MAX:
            wrong[f"windows[{index}].preceding"] = f"must be at most {_PRECEDING_CHARACTERS_MAX} characters"
    _refuse(wrong)


def verdict(match: Match | None) -> moderation_pb2.Verdict:
    """The lexicon's judgement."""
    if match is None:
        return moderation_pb2.Verdict()
    return moderation_pb2.Verdict(refused=True, layer=moderation_pb2.LAYER_LEXICON, label=match.label)


def result(screened: Screened) -> moderation_pb2.WindowResult:
    """What may be released of a window."""
    return moderation_pb2.WindowResult(
        released_characters=screened.released_characters, verdict=verdict(screened.match)
    )


def _refuse(wrong: dict[str, str]) -> None:
    if wrong:
        name, why = next(iter(wrong.items()))
        raise InvalidRequestError(f"{name} {why}.", fields=wrong)
