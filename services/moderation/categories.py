"""WeChat's label codes in the words of OpenAI's moderation API, for those who ask by its contract. Pure."""

from services.moderation.domain import Layer, Opinion

# What OpenAI has no word for has a word of ours.
CATEGORY_OF_LABEL = {
    10001: "advert",
    20001: "politics",
    20002: "sexual",
    20003: "harassment",
    20006: "illicit",
    20008: "fraud",
    20012: "sexual",
    20013: "copyright",
    21000: "other",
}


def categories(opinions: list[tuple[Layer, Opinion]]) -> dict[str, tuple[bool, float]]:
    """What the layers say together: category → (whether one refuses for it, the highest score)."""
    found: dict[str, tuple[bool, float]] = {}
    for _, opinion in opinions:
        for category, score in opinion.scores.items():
            _add(found, category, score, flagged=category in opinion.flagged)
        if opinion.refused and not opinion.flagged:
            # A layer that knows labels only, and no scores.
            _add(found, CATEGORY_OF_LABEL.get(opinion.label, "other"), 1.0, flagged=True)
    return found


def _add(found: dict[str, tuple[bool, float]], category: str, score: float, *, flagged: bool) -> None:
    before = found.get(category, (False, 0.0))
    found[category] = (before[0] or flagged, max(before[1], score))
