"""What moderation speaks of. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

# WeChat's label codes (its document of msgSecCheck) less 100, which is "normal".
LABELS = (10001, 20001, 20002, 20003, 20006, 20008, 20012, 20013, 21000)
OTHER = 21000


class Layer(StrEnum):
    """Who judges, in the order in which they are asked."""

    LEXICON = "lexicon"
    LEARNED = "learned"
    WECHAT = "wechat"
    OPENAI = "openai"


class Direction(StrEnum):
    """What is judged: what a user wrote, or what a model wrote."""

    INPUT = "input"
    OUTPUT = "output"


class Action(StrEnum):
    """What was done about something that was found."""

    REFUSED = "refused"
    REFERRED = "referred"
    LOGGED = "logged"


class Review(StrEnum):
    """When remote layers are asked: not at all, beside the model, or before it (of an answer: before it is shown)."""

    NONE = "none"
    BESIDE = "beside"
    BEFORE = "before"


@dataclass(frozen=True, slots=True)
class Subject:
    """A text to judge, and whose it is; `openid` is WeChat's id of the user, "" for one who is not from WeChat."""

    direction: Direction
    request_id: str
    user_id: str
    text: str
    openid: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """A judgement; `layer` is None and `label` 0 when nothing was refused."""

    refused: bool = False
    layer: Layer | None = None
    label: int = 0


@dataclass(frozen=True, slots=True)
class Opinion:
    """What one remote layer says about a text.

    `rule` is the layer's own word for why; `scores` are its categories in the words of OpenAI's moderation API, each
    0 to 1, and `flagged` those of them that it refuses for.
    """

    refused: bool
    label: int = 0
    rule: str = ""
    scores: Mapping[str, float] = field(default_factory=dict)
    flagged: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class OutputPlan:
    """How remote layers are asked about an answer; lengths in characters."""

    review: Review = Review.NONE
    referred_only: bool = False
    passage_characters: int = 200
    overlap_characters: int = 20


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that was found, for the audit.

    `start` and `end` are character offsets in `text`, which is everything that was judged; `evasion` is how a listed
    word was written, "" for a remote layer; `version` is the lexicon's, or the weights'; `trace_id` is "" for the trace
    at hand. `score` is how sure the learned layer was, 0 to 1, and `grams` the n-grams that weighed most; 0 and () for
    the others.
    """

    action: Action
    direction: Direction
    layer: Layer
    rule: str
    label: int
    evasion: str
    start: int
    end: int
    text: str = field(repr=False)
    request_id: str
    user_id: str
    version: str
    trace_id: str = ""
    score: float = 0.0
    grams: tuple[str, ...] = ()
