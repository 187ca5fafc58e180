"""What must be read again and nobody else may read is kept encrypted, bound to whose it is.

AES-256-GCM with a random nonce; its key is derived from a secret by HKDF (RFC 5869), so that one secret does not serve
two purposes. No I/O but drawing randomness.
"""

import os
from collections.abc import Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

_NONCE_BYTES = 12


class Sealer:
    """Encrypts and decrypts."""

    def __init__(self, secret: str, *, purpose: str, previous: Sequence[str] = ()) -> None:
        """Derive the keys of this purpose from secrets of at least 32 random characters.

        The secret seals; what previous ones sealed is still read.
        """
        self._ciphers = [_cipher(each, purpose) for each in (secret, *previous)]

    def seal(self, owner: str, plaintext: str) -> bytes:
        """The plaintext encrypted for this owner: nonce, ciphertext, tag."""
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._ciphers[0].encrypt(nonce, plaintext.encode(), owner.encode())

    def unseal(self, owner: str, sealed: bytes) -> str | None:
        """What was sealed; None when that was for another owner, under another secret, or has been changed."""
        for cipher in self._ciphers:
            try:
                return cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], owner.encode()).decode()
            except (InvalidTag, ValueError):
                continue
        return None


def derived_key(secret: str, purpose: str) -> bytes:
    """The key of one purpose, from a secret of at least 32 random characters."""
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=purpose.encode()).derive(secret.encode())


def _cipher(secret: str, purpose: str) -> AESGCM:
    return AESGCM(derived_key(secret, purpose))
