"""Ids and secrets."""

from hypothesis import given
from hypothesis import strategies as st

from services.gateway.identity import ids as identity
from services.runtime.logs import redact


def test_keys_are_recognised_unique_and_never_logged() -> None:
    keys = {identity.new_api_key() for _ in range(100)}
    assert len(keys) == 100
    for key in keys:
        assert identity.is_api_key(key)
        assert key not in redact(f"using {key}")
        assert len(identity.shown_prefix(key)) == 10


@given(token=st.text())
def test_anything_has_a_digest(token: str) -> None:
    assert len(identity.digest(token)) == 32


def test_request_ids_fit_the_ledger() -> None:
    assert len(identity.new_request_id()) == 36


def test_ids_are_letters_digits_underscores_and_hyphens() -> None:
    assert all(map(identity.is_id, ("a", "A-_9", "x" * 64)))
    assert not any(map(identity.is_id, ("", "x" * 65, "a b", "a\n", "é", "a/b", "\ud800")))
