"""Secrets that are kept encrypted."""

from hypothesis import given
from hypothesis import strategies as st

from services.runtime.sealing import Sealer

SECRET = "a secret of at least thirty-two characters"
KEY = "tiihtNczf5v6AKRyjwEUhQ=="


def sealer(secret: str = SECRET, purpose: str = "keys") -> Sealer:
    return Sealer(secret, purpose=purpose)


@given(plaintext=st.text(max_size=100), user_id=st.text(max_size=20))
def test_what_was_sealed_can_be_read_again(plaintext: str, user_id: str) -> None:
    assert sealer().unseal(user_id, sealer().seal(user_id, plaintext)) == plaintext


def test_nothing_of_it_shows_and_the_same_is_never_the_same_twice() -> None:
    one, other = (sealer().seal("usr_1", KEY) for _ in range(2))
    assert one != other
    assert KEY.encode() not in one
    assert len(one) == 12 + len(KEY) + 16


def test_another_secret_another_purpose_another_owner_and_a_change_read_nothing() -> None:
    sealed = sealer().seal("usr_1", KEY)
    assert sealer(SECRET + ".").unseal("usr_1", sealed) is None
    assert sealer(purpose="others").unseal("usr_1", sealed) is None
    assert sealer().unseal("usr_2", sealed) is None
    for index in range(len(sealed)):
        changed = bytearray(sealed)
        changed[index] ^= 1
        assert sealer().unseal("usr_1", bytes(changed)) is None


@given(junk=st.binary(max_size=60))
def test_junk_reads_nothing(junk: bytes) -> None:
    assert sealer().unseal("usr_1", junk) is None
