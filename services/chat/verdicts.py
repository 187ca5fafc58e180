"""What moderation says of a question and of what is written. Pure."""

from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class Verdict:
    """A judgement of moderation; `layer` (lexicon, wechat, openai) is empty when nothing was refused."""

    refused: bool
    layer: str = ""
    label: int = 0


class Review(StrEnum):
    """When remote layers of moderation are asked: not at all, beside the model, or before anything goes on."""

    NONE = "none"
    BESIDE = "beside"
    BEFORE = "before"


@dataclass(frozen=True, slots=True)
class OutputPlan:
    """How remote layers are asked about an answer: in passages, all or those that the lexicon referred.

    A passage has so many characters or a few more, and begins with the last ones of that before it.
    """

    review: Review = Review.NONE
    referred_only: bool = False
    passage_characters: int = 200
    overlap_characters: int = 20


@dataclass(frozen=True, slots=True)
class InputCheck:
    """The lexicon's judgement of a question, and what is still to be asked of the remote layers.

    `version` names the word lists and the policy by which was judged.
    """

    verdict: Verdict
    review: Review = Review.NONE
    output: OutputPlan = OutputPlan()
    version: str = ""


@dataclass(frozen=True, slots=True)
class Screened:
    """How many characters of a window may be released now, the judgement, and whether remote layers should see them.

    `version` names the word lists and the policy by which was judged.
    """

    released_characters: int
    verdict: Verdict
    referred: bool = False
    version: str = ""
