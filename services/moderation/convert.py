"""Protos to the domain and back; a request that does not fit is refused here, field by field."""

import re
from collections.abc import Sequence

from queqiao.moderation.v1 import moderation_pb2

from services.moderation.checks import InputCheck, Moderated, Window, WindowCheck
from services.moderation.domain import Direction, Layer, Review, Subject, Verdict
from services.runtime.errors import InvalidRequestError, ServiceError
from services.runtime.status import to_status

_INPUT_CHARACTERS_MAX = 1_048_576
_QUESTIONS_MAX = 64
_SHARED_CHARACTERS_MAX = 16_384
_TEXT_CHARACTERS_MAX = 65_536
_TEXTS_MAX = 32
_WINDOWS_MAX = 1024
_PRECEDING_CHARACTERS_MAX = 256
_ID = re.compile(r"[\x21-\x7e]{1,64}")
_ID_RULE = "must be 1 to 64 visible ASCII characters"

_LAYERS = {
    None: moderation_pb2.LAYER_UNSPECIFIED,
    Layer.LEXICON: moderation_pb2.LAYER_LEXICON,
    Layer.LEARNED: moderation_pb2.LAYER_LEARNED,
    Layer.WECHAT: moderation_pb2.LAYER_WECHAT,
    Layer.OPENAI: moderation_pb2.LAYER_OPENAI,
}
# Most are; what it is put into has a copy of it.
_ACCEPTED = moderation_pb2.Verdict()
_REVIEWS = {
    Review.NONE: moderation_pb2.REVIEW_UNSPECIFIED,
    Review.BESIDE: moderation_pb2.REVIEW_BESIDE,
    Review.BEFORE: moderation_pb2.REVIEW_BEFORE,
}


def question(request: moderation_pb2.CheckInputRequest | moderation_pb2.ReviewInputRequest) -> Subject:
    """What a user wrote.

    Raises:
        InvalidRequestError: `fields` names everything that is wrong.
    """
    _refuse(_wrong_ids(request) | _wrong_text("text", request.text, _INPUT_CHARACTERS_MAX))
    return Subject(Direction.INPUT, request.request_id, request.user_id, request.text, request.openid)


def questions(request: moderation_pb2.CheckInputsRequest) -> Sequence[moderation_pb2.CheckInputRequest]:
    """What many users wrote; `shared_question` takes each.

    Raises:
        InvalidRequestError: There are too few or too many.
    """
    if not 1 <= len(request.questions) <= _QUESTIONS_MAX:
        _refuse({"questions": f"must hold 1 to {_QUESTIONS_MAX} questions"})
    return request.questions


def shared_question(request: moderation_pb2.CheckInputRequest) -> Subject:
    """What a user wrote, among others.

    Raises:
        InvalidRequestError: As `question`; the text is too long to share a request.
    """
    _refuse(_wrong_ids(request) | _wrong_text("text", request.text, _SHARED_CHARACTERS_MAX))
    return Subject(Direction.INPUT, request.request_id, request.user_id, request.text, request.openid)


def passage(request: moderation_pb2.ReviewOutputRequest) -> Subject:
    """A passage of an answer.

    Raises:
        InvalidRequestError: `fields` names everything that is wrong.
    """
    _refuse(_wrong_ids(request) | _wrong_text("text", request.text, _TEXT_CHARACTERS_MAX))
    return Subject(Direction.OUTPUT, request.request_id, request.user_id, request.text, request.openid)


def windows(request: moderation_pb2.ScreenOutputRequest) -> list[Window]:
    """Windows of answers.

    Raises:
        InvalidRequestError: `fields` names everything that is wrong.
    """
    wrong: dict[str, str] = {}
    if not 1 <= len(request.windows) <= _WINDOWS_MAX:
        wrong["windows"] = f"must hold 1 to {_WINDOWS_MAX} windows"
    windows = [Window(w.request_id, w.user_id, w.text, w.preceding, w.last, w.traceparent) for w in request.windows]
    for index, window in enumerate(windows):
        if not window.request_id:
            wrong[f"windows[{index}].request_id"] = "is required"
        if len(window.text) > _TEXT_CHARACTERS_MAX:
            wrong[f"windows[{index}].text"] = f"must be at most {_TEXT_CHARACTERS_MAX} characters"
        if len(window.preceding) > _PRECEDING_CHARACTERS_MAX:
            wrong[f"windows[{index}].preceding"] = f"must be at most {_PRECEDING_CHARACTERS_MAX} characters"
    _refuse(wrong)
    return windows


def texts(request: moderation_pb2.ModerateRequest) -> list[Subject]:
    """Texts outside of any turn.

    Raises:
        InvalidRequestError: `fields` names everything that is wrong.
    """
    wrong = _wrong_ids(request)
    if not 1 <= len(request.texts) <= _TEXTS_MAX:
        wrong["texts"] = f"must hold 1 to {_TEXTS_MAX} texts"
    for index, text in enumerate(request.texts):
        wrong |= _wrong_text(f"texts[{index}]", text, _TEXT_CHARACTERS_MAX)
    _refuse(wrong)
    return [
        Subject(Direction.INPUT, request.request_id, request.user_id, text, request.openid) for text in request.texts
    ]


def verdict(verdict: Verdict) -> moderation_pb2.Verdict:
    """A judgement."""
    if not verdict.refused:
        return _ACCEPTED
    return moderation_pb2.Verdict(refused=verdict.refused, layer=_LAYERS[verdict.layer], label=verdict.label)


def input_check(check: InputCheck) -> moderation_pb2.CheckInputResponse:
    """What the lexicon says, and what is still to be asked."""
    plan = check.output
    return moderation_pb2.CheckInputResponse(
        verdict=verdict(check.verdict),
        review=_REVIEWS[check.review],
        output=moderation_pb2.OutputPlan(
            review=_REVIEWS[plan.review],
            referred_only=plan.referred_only,
            passage_characters=plan.passage_characters,
            overlap_characters=plan.overlap_characters,
        ),
        version=check.version,
    )


def inputs_result(outcome: InputCheck | BaseException) -> moderation_pb2.CheckInputsResult:
    """How the check of one question among many ended."""
    if isinstance(outcome, ServiceError):
        return moderation_pb2.CheckInputsResult(error_status=to_status(outcome).SerializeToString())
    if isinstance(outcome, BaseException):
        raise outcome
    return moderation_pb2.CheckInputsResult(check=input_check(outcome))


def window_check(check: WindowCheck) -> moderation_pb2.WindowResult:
    """What may be released of a window."""
    return moderation_pb2.WindowResult(
        released_characters=check.released_characters, verdict=verdict(check.verdict), referred=check.referred
    )


def moderated(moderated: Moderated) -> moderation_pb2.ModerationResult:
    """What was found in a text."""
    return moderation_pb2.ModerationResult(
        verdict=verdict(moderated.verdict),
        categories=[
            moderation_pb2.CategoryResult(category=category, flagged=flagged, score=score)
            for category, (flagged, score) in sorted(moderated.categories.items())
            if flagged or score > 0
        ],
    )


def _wrong_ids(
    request: moderation_pb2.CheckInputRequest
    | moderation_pb2.ReviewInputRequest
    | moderation_pb2.ReviewOutputRequest
    | moderation_pb2.ModerateRequest,
) -> dict[str, str]:
    wrong = {name: "is required" for name in ("request_id", "user_id") if not getattr(request, name)}
    if request.openid and not _ID.fullmatch(request.openid):
        wrong["openid"] = _ID_RULE
    return wrong


def _wrong_text(name: str, text: str, characters_max: int) -> dict[str, str]:
    if not text:
        return {name: "is required"}
    return {name: f"must be at most {characters_max} characters"} if len(text) > characters_max else {}


def _refuse(wrong: dict[str, str]) -> None:
    if wrong:
        name, why = next(iter(wrong.items()))
        raise InvalidRequestError(f"{name} {why}.", fields=wrong)
