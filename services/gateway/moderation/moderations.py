"""What may be asked at `/v1/moderations`, and its answers in OpenAI's shape.

OpenAI's thirteen categories mean what they mean at OpenAI. What its contract has no place for stands in `queqiao`,
which its clients do not read: who refuses and why, and categories of ours.

Source: OpenAI API reference, moderation object.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import msgspec

from services.gateway.edge import messages
from services.gateway.edge.body import fit, parse, wrong
from services.gateway.edge.languages import Language
from services.gateway.edge.texts import TextPart, clean, joined
from services.gateway.moderation.domain import Category, Moderation

# As moderation.proto says.
_TEXTS_MAX = 32
_TEXT_CHARACTERS_MAX = 65_536

# The layers judge whichever of OpenAI's models is named; the first is OpenAI's default.
_MODELS = (
    "omni-moderation-latest",
    "omni-moderation-2024-09-26",
    "text-moderation-latest",
    "text-moderation-stable",
)

OPENAI_CATEGORIES = (
    "harassment",
    "harassment/threatening",
    "hate",
    "hate/threatening",
    "illicit",
    "illicit/violent",
    "self-harm",
    "self-harm/instructions",
    "self-harm/intent",
    "sexual",
    "sexual/minors",
    "violence",
    "violence/graphic",
)
OWN_CATEGORIES = ("advert", "politics", "fraud", "copyright", "other")

_NOTHING = Category(flagged=False, score=0.0)


class ModerationBody(msgspec.Struct, forbid_unknown_fields=True):
    """Texts to judge: one, a list, or the parts of one."""

    input: str | list[str | TextPart]
    model: str = _MODELS[0]


class SecCheckBody(msgspec.Struct, forbid_unknown_fields=True):
    """A text to check."""

    content: str


class SecCheck(msgspec.Struct):
    """WeChat's answer to a text: 0, or 87014 for one that it refuses."""

    errcode: int = 0
    errmsg: str = "ok"


class Own(msgspec.Struct):
    """What OpenAI's contract has no place for: who refuses and why, and categories of ours."""

    layer: str | None
    label: int | None
    message: str | None
    categories: dict[str, bool]
    category_scores: dict[str, float]


class Result(msgspec.Struct):
    """What was found in one text."""

    flagged: bool
    categories: dict[str, bool]
    category_scores: dict[str, float]
    category_applied_input_types: dict[str, list[str]]
    queqiao: Own


class Moderations(msgspec.Struct):
    """What was found, a result for each text, in their order."""

    id: str
    model: str
    results: list[Result]


@dataclass(frozen=True, slots=True)
class ModerationRequest:
    """Texts to judge, 1 to 32, and the model's name that the answer repeats."""

    texts: tuple[str, ...]
    model: str


def moderation_request(raw: bytes) -> ModerationRequest:
    """Texts to judge; parts are one text, as they are at OpenAI.

    Raises:
        InvalidRequestError: `fields` names what is wrong.
    """
    body = fit(parse(raw), ModerationBody)
    if body.model not in _MODELS:
        raise wrong("model", "one_of", allowed=", ".join(_MODELS))
    return ModerationRequest(_texts(body.input), body.model)


def checked_text(raw: bytes) -> str:
    """The text of a security check.

    Raises:
        InvalidRequestError: `fields` names what is wrong.
    """
    return _text("content", fit(parse(raw), SecCheckBody).content)


def answer(request_id: str, model: str, moderations: Iterable[Moderation], language: Language) -> Moderations:
    """What was found, a result for each text, in their order."""
    return Moderations(f"modr-{request_id}", model, [_result(moderation, language) for moderation in moderations])


def _texts(given: str | list[str | TextPart]) -> tuple[str, ...]:
    if isinstance(given, str):
        return (_text("input", given),)
    if not given:
        raise wrong("input", "empty")
    if len(given) > _TEXTS_MAX:
        raise wrong("input", "too_many", limit=_TEXTS_MAX)
    texts = [each for each in given if isinstance(each, str)]
    parts = [each for each in given if not isinstance(each, str)]
    if texts and parts:
        raise wrong("input", "mixed")
    if parts:
        return (_text("input", joined("input", parts)),)
    return tuple(_text(f"input[{index}]", text) for index, text in enumerate(texts))


def _text(field: str, text: str) -> str:
    if not text:
        raise wrong(field, "empty")
    if len(text) > _TEXT_CHARACTERS_MAX:
        raise wrong(field, "too_long", limit=_TEXT_CHARACTERS_MAX)
    return clean(field, text)


def _result(moderation: Moderation, language: Language) -> Result:
    found = moderation.categories
    theirs = {name: found.get(name, _NOTHING) for name in OPENAI_CATEGORIES}
    ours = {name: found.get(name, _NOTHING) for name in OWN_CATEGORIES}
    return Result(
        flagged=moderation.refused,
        categories=_flags(theirs),
        category_scores=_scores(theirs),
        category_applied_input_types={name: ["text"] for name in OPENAI_CATEGORIES},
        queqiao=Own(
            layer=moderation.layer or None,
            label=moderation.label or None,
            message=messages.refusal(moderation.layer, language) if moderation.refused else None,
            categories=_flags(ours),
            category_scores=_scores(ours),
        ),
    )


def _flags(categories: dict[str, Category]) -> dict[str, bool]:
    return {name: category.flagged for name, category in categories.items()}


def _scores(categories: dict[str, Category]) -> dict[str, float]:
    return {name: category.score for name, category in categories.items()}
