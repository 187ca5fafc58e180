"""What is kept of refused texts is kept encrypted."""

from services.runtime.sealing import Sealer

_PURPOSE = "queqiao moderation: refused texts"


class KeptTexts:
    """Encrypts and decrypts texts, each bound to the hash of the whole text that it is from."""

    def __init__(self, secret: str, *, keep: bool) -> None:
        """Use this secret; "" opens nothing. `keep` says whether texts are kept from now on."""
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
