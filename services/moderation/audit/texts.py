"""What is kept of refused texts is kept encrypted."""

from services.runtime.errors import ConfigurationError
from services.runtime.sealing import Sealer

_PURPOSE = "queqiao moderation: refused texts"
_SECRET_CHARACTERS_MIN = 32


class KeptTexts:
    """Encrypts and decrypts texts, each bound to the hash of the whole text that it is from."""

    def __init__(self, secret: str, *, keep: bool) -> None:
        """Use this secret; "" opens nothing. `keep` says whether texts are kept from now on.

        Raises:
            ConfigurationError: The secret is too short, or is needed and missing.
        """
        if keep and not secret:
            raise ConfigurationError("AUDIT_SECRET is not set: AUDIT_KEEP_TEXTS needs it to encrypt what is kept.")
        if secret and len(secret) < _SECRET_CHARACTERS_MIN:
            raise ConfigurationError(
                f"AUDIT_SECRET is too short: it must be {_SECRET_CHARACTERS_MIN} random characters."
            )
        self.keep = keep
        self._sealer = Sealer(secret, purpose=_PURPOSE) if secret else None

    def seal(self, text_sha256: bytes, excerpt: str | None) -> bytes | None:
        """An excerpt encrypted; None when there is nothing to keep."""
        if excerpt is None or self._sealer is None:
            return None
        return self._sealer.seal(text_sha256.hex(), excerpt)

    def unseal(self, text_sha256: bytes, sealed: bytes) -> str | None:
        """The excerpt; None when it was encrypted under another secret."""
        return self._sealer.unseal(text_sha256.hex(), sealed) if self._sealer is not None else None
