"""Kept texts need a secret."""

from services.moderation.audit.records import text_sha256
from services.moderation.audit.texts import KeptTexts

SECRET = "a secret of at least 32 characters"


def test_a_text_opens_only_beside_its_own_hash_and_under_its_own_secret() -> None:
    texts, sha256 = KeptTexts(SECRET, keep=True), text_sha256("原话")
    sealed = texts.seal(sha256, "原话")
    assert sealed is not None
    assert texts.unseal(sha256, sealed) == "原话"
    assert texts.unseal(text_sha256("别的"), sealed) is None
    assert KeptTexts(SECRET[::-1], keep=False).unseal(sha256, sealed) is None
    assert KeptTexts("", keep=False).unseal(sha256, sealed) is None


def test_what_is_not_to_be_kept_is_not_sealed() -> None:
    assert KeptTexts(SECRET, keep=True).seal(text_sha256("原话"), None) is None
    assert KeptTexts("", keep=False).seal(text_sha256("原话"), "原话") is None
