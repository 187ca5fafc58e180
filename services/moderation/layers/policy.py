"""Which remote layers are asked about which texts, when, and what their silence means. Pure.

`policy.toml` says what each key is for; `policy_file.py` reads it.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum

from services.moderation.domain import LABELS, OTHER, Direction, Layer, Review

# The layers that are remote, in the order in which they are asked.
REMOTE_LAYERS = (Layer.WECHAT, Layer.OPENAI)

# OpenAI's categories (its reference of moderations), and the WeChat label that each is reported as: WeChat has none
# for violence or self-harm, which its own check files under crime and under "other".
LABEL_OF_CATEGORY = {
    "harassment": 20003,
    "harassment/threatening": 20003,
    "hate": 20003,
    "hate/threatening": 20003,
    "illicit": 20006,
    "illicit/violent": 20006,
    "self-harm": OTHER,
    "self-harm/instructions": OTHER,
    "self-harm/intent": OTHER,
    "sexual": 20002,
    "sexual/minors": 20002,
    "violence": 20006,
    "violence/graphic": 20006,
}


# From which score of the learned layer on a text is referred, by label; measured in docs/moderation-precision.md.
REFER_FROM = {"10001": 0.83, "20002": 0.83, "20003": 0.83, "20006": 0.83, "20008": 0.83}


class Mode(StrEnum):
    """Whether a layer is asked in one direction, and whether the model (or the reader) waits for it."""

    OFF = "off"
    PARALLEL = "parallel"
    BEFORE = "before"


class Ask(StrEnum):
    """Of which texts a layer is asked, where it is not a share of them."""

    ALL = "all"
    REVIEW = "review"


class WhenDown(StrEnum):
    """What happens to a text that a layer was to judge and could not."""

    OPEN = "open"
    CLOSED = "closed"
    NEXT = "next"


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerPolicy:
    """What both remote layers can be told; `ask_*` may be a share of the texts, 0 to 1."""

    input: Mode
    output: Mode
    ask_input: Ask | float
    ask_output: Ask | float
    when_down: WhenDown
    timeout_s: float
    concurrent_max: int
    breaker_failures: int = 5
    breaker_open_s: float = 10.0
    cache_ttl_s: float = 3600.0
    text_characters_max: int
    overlap_characters: int
    pieces_max: int

    def mode(self, direction: Direction) -> Mode:
        """Whether and when it is asked in this direction."""
        return self.input if direction is Direction.INPUT else self.output

    def asks(self, direction: Direction) -> Ask | float:
        """Of which texts it is asked in this direction."""
        return self.ask_input if direction is Direction.INPUT else self.ask_output


@dataclass(frozen=True, slots=True, kw_only=True)
class WeChatPolicy(LayerPolicy):
    """What the layer of WeChat can be told besides."""

    input: Mode = Mode.PARALLEL
    output: Mode = Mode.PARALLEL
    ask_input: Ask | float = Ask.ALL
    ask_output: Ask | float = Ask.REVIEW
    when_down: WhenDown = WhenDown.NEXT
    timeout_s: float = 2.0
    concurrent_max: int = 32
    text_characters_max: int = 2500
    overlap_characters: int = 50
    pieces_max: int = 8
    scene: int = 2
    review_refuses: bool = False
    risky_labels: tuple[int, ...] = LABELS
    per_minute: int = 4000
    per_day: int = 2_000_000
    share_without_redis: float = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenAIPolicy(LayerPolicy):
    """What the layer of OpenAI can be told besides."""

    input: Mode = Mode.PARALLEL
    output: Mode = Mode.PARALLEL
    ask_input: Ask | float = Ask.REVIEW
    ask_output: Ask | float = Ask.REVIEW
    when_down: WhenDown = WhenDown.OPEN
    timeout_s: float = 2.0
    concurrent_max: int = 64
    text_characters_max: int = 8000
    overlap_characters: int = 100
    pieces_max: int = 16
    model: str = "omni-moderation-latest"
    thresholds: Mapping[str, float] = field(default_factory=dict)
    labels: Mapping[str, int] = field(default_factory=lambda: dict(LABEL_OF_CATEGORY))

    def label(self, category: str) -> int:
        """The WeChat label that a category is reported as."""
        return self.labels.get(category) or LABEL_OF_CATEGORY.get(category, OTHER)


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputPolicy:
    """How an answer is cut into passages; lengths in characters."""

    passage_characters: int = 200
    overlap_characters: int = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class LearnedPolicy:
    """What the learned layer can be told: per label, as text, from which score on a text is referred, or refused.

    An answer is referred at most: it may quote what it warns of.
    """

    input: bool = True
    output: bool = True
    refer: Mapping[str, float] = field(default_factory=lambda: dict(REFER_FROM))
    block: Mapping[str, float] = field(default_factory=dict)

    def judges(self, direction: Direction) -> bool:
        """Whether texts of this direction are scored at all."""
        return self.input if direction is Direction.INPUT else self.output


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """The whole policy."""

    learned: LearnedPolicy = field(default_factory=LearnedPolicy)
    wechat: WeChatPolicy = field(default_factory=WeChatPolicy)
    openai: OpenAIPolicy = field(default_factory=OpenAIPolicy)
    output: OutputPolicy = field(default_factory=OutputPolicy)

    def of(self, layer: Layer) -> LayerPolicy:
        """What one remote layer is told."""
        return self.wechat if layer is Layer.WECHAT else self.openai

    @property
    def version(self) -> str:
        """Names the policy: the same for the same keys and values."""
        return settings_version(self)


def settings_version(settings: Policy | LayerPolicy) -> str:
    """Eight hex characters that are the same for the same settings, in every process."""
    document = json.dumps(asdict(settings), sort_keys=True)
    return hashlib.sha256(document.encode()).hexdigest()[:8]


def is_due(policy: LayerPolicy, layer: Layer, direction: Direction, request_id: str, *, referred: bool) -> bool:
    """Whether a layer is to be asked about a text: everyone who asks with the same arguments is told the same."""
    if policy.mode(direction) is Mode.OFF:
        return False
    ask = policy.asks(direction)
    if referred or ask is Ask.ALL:
        return True
    return not isinstance(ask, Ask) and _sample(f"{layer}:{direction}:{request_id}") < ask


def review_of(modes: Sequence[Mode]) -> Review:
    """When layers of these modes are asked together: one that must come first makes all come first."""
    if Mode.BEFORE in modes:
        return Review.BEFORE
    return Review.BESIDE if Mode.PARALLEL in modes else Review.NONE


def _sample(name: str) -> float:
    """A number from 0 up to 1, evenly spread over names."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:7]) / 2**56
