"""The languages that texts for users exist in, and which of them a client reads. Pure."""

from enum import StrEnum


class Language(StrEnum):
    """The languages that texts exist in."""

    CHINESE = "zh-CN"
    ENGLISH = "en"


def language(accept_language: str | None) -> Language:
    """The best of our languages for an Accept-Language header (RFC 9110, 12.5.4); Chinese unless English wins."""
    best, best_quality = Language.CHINESE, 0.0
    for item in (accept_language or "").split(","):
        tag, _, parameter = item.strip().partition(";")
        spoken = {"zh": Language.CHINESE, "en": Language.ENGLISH}.get(tag.strip().lower().partition("-")[0])
        quality = _quality(parameter)
        if spoken is not None and quality > best_quality:
            best, best_quality = spoken, quality
    return best


def _quality(parameter: str) -> float:
    name, _, value = parameter.strip().partition("=")
    if name.strip() != "q":
        return 1.0
    try:
        return float(value)
    except ValueError:
        return 0.0
