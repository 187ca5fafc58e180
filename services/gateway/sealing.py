"""Secrets that must be read again are kept encrypted, each bound to its user. No I/O but drawing randomness.

AES-256-GCM with a random nonce; its key is derived from SESSION_SECRET by HKDF (RFC 5869), so that one secret does
not serve two purposes.
"""

import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

_NONCE_BYTES = 12
_PURPOSE = b"queqiao gateway: wechat session keys"


class Sealer:
    """Encrypts and decrypts."""

    def __init__(self, secret: str) -> None:
        """Derive the key from this secret, of at least 32 random characters."""
        derivation = HKDF(algorithm=SHA256(), length=32, salt=None, info=_PURPOSE)
        self._cipher = AESGCM(derivation.derive(secret.encode()))

    def seal(self, user_id: str, plaintext: str) -> bytes:
        """The plaintext encrypted for this user: nonce, ciphertext, tag."""
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, plaintext.encode(), user_id.encode())

    def unseal(self, user_id: str, sealed: bytes) -> str | None:
        """What was sealed; None when that was for another user, under another secret, or has been changed."""
        try:
            return self._cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], user_id.encode()).decode()
        except (InvalidTag, ValueError):
            return None
