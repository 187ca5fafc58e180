"""What the layers of moderation say of a text. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Category:
    """What was found of a kind of content: whether a layer refuses for it, and how sure the layers are, 0 to 1."""

    flagged: bool
    score: float


@dataclass(frozen=True, slots=True)
class Moderation:
    """What all layers say of a text.

    `layer` is who refuses (lexicon, wechat or openai; "" nobody does) and `label` what for, as a WeChat label code (0:
    nothing). `categories` has those that anything was found of, by name.
    """

    refused: bool
    layer: str
    label: int
    categories: Mapping[str, Category]
