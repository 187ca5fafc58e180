"""What must be read again and nobody else may read is kept encrypted, bound to whose it is.

AES-256-GCM with a random nonce; its key is derived from a secret by HKDF (RFC 5869), so that one secret does not serve
two purposes. No I/O but drawing randomness.
"""

import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

_NONCE_BYTES = 12


class Sealer:
    """Encrypts and decrypts."""

    def __init__(self, secret: str, *, purpose: str) -> None:
        """Derive the key of this purpose from a secret of at least 32 random characters."""
        derivation = HKDF(algorithm=SHA256(), length=32, salt=None, info=purpose.encode())
        self._cipher = AESGCM(derivation.derive(secret.encode()))

    def seal(self, owner: str, plaintext: str) -> bytes:
        """The plaintext encrypted for this owner: nonce, ciphertext, tag."""
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, plaintext.encode(), owner.encode())

    def unseal(self, owner: str, sealed: bytes) -> str | None:
        """What was sealed; None when that was for another owner, under another secret, or has been changed."""
        try:
            return self._cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], owner.encode()).decode()
        except (InvalidTag, ValueError):
            return None
