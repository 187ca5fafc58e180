"""What the platform of mini-programs pushes: verified, decrypted if need be, read as JSON or XML.

In plain mode the signature is over token, time and nonce alone, so the message itself proves nothing. Source:
WeChat's documents of virtual payment; the platform's document of message pushes.
"""

import hashlib
import hmac
import json
import re
from collections.abc import Mapping
from datetime import datetime
from xml.parsers.expat import ExpatError

import xmltodict
from wechatpy.crypto import WeChatCrypto

from services.billing.payments.domain import Callback
from services.billing.payments.errors import CallbackRefusedError
from services.billing.payments.providers import translation
from services.runtime.errors import ConfigurationError

_AES_KEY_CHARACTERS = 43


class MessagePush:
    """Reads the pushes to one mini-program."""

    def __init__(self, *, appid: str, token: str, encoding_aes_key: str) -> None:
        """Know the platform by the token; with a key, believe only what was encrypted with it.

        Raises:
            ConfigurationError: The key has the wrong length.
        """
        if encoding_aes_key and len(encoding_aes_key) != _AES_KEY_CHARACTERS:
            raise ConfigurationError(
                "The EncodingAESKey has 43 characters: copy it again from the mini-program's console."
            )
        self._token = token
        self._crypto = WeChatCrypto(token, encoding_aes_key, appid) if encoding_aes_key else None

    def echo(self, query: Mapping[str, str]) -> str | None:
        """What the platform wants to hear back when it verifies the address; None when it is not the platform."""
        said = query.get("echostr", "")
        # It is letters and digits; anything else could be a page.
        if not self._is_signed(query) or re.fullmatch(r"[0-9A-Za-z_-]{1,128}", said) is None:
            return None
        return said

    def read(self, callback: Callback, now: datetime) -> tuple[str, Mapping[str, object]]:
        """What tells this delivery from another, and the message.

        Raises:
            CallbackRefusedError: The platform did not send it.
        """
        translation.check_body(callback.body)
        translation.check_fresh(callback.query.get("timestamp", ""), now)
        if not callback.query.get("nonce"):
            raise CallbackRefusedError("nonce")
        if not self._is_signed(callback.query):
            raise CallbackRefusedError("unverified")
        message = _parse(callback.body)
        if self._crypto is not None:
            message = self._decrypted(self._crypto, message, callback.query)
        # Its signature does not cover the body: another body is another delivery.
        body = hashlib.sha256(callback.body).hexdigest()
        return f"{callback.query['timestamp']}.{callback.query['nonce']}.{body}", message

    def _is_signed(self, query: Mapping[str, str]) -> bool:
        parts = sorted((self._token, query.get("timestamp", ""), query.get("nonce", "")))
        digest = hashlib.sha1("".join(parts).encode()).hexdigest()  # noqa: S324  # the protocol's own choice
        return hmac.compare_digest(digest.encode(), query.get("signature", "").encode())

    def _decrypted(
        self, crypto: WeChatCrypto, message: Mapping[str, object], query: Mapping[str, str]
    ) -> Mapping[str, object]:
        try:
            plain = crypto.decrypt_message(
                {"Encrypt": message["Encrypt"]}, query.get("msg_signature", ""), query["timestamp"], query["nonce"]
            )
        except Exception:  # noqa: BLE001  # wechatpy stumbles over bad messages in every way
            raise CallbackRefusedError("unverified") from None
        return _parse(plain.encode())


def _parse(body: bytes) -> Mapping[str, object]:
    """JSON or XML, whichever the mini-program's console is set to."""
    try:
        text = body.decode()
        message = json.loads(text) if text.lstrip().startswith("{") else xmltodict.parse(text)["xml"]
    except (ExpatError, ValueError, KeyError, RecursionError):
        raise CallbackRefusedError("malformed") from None
    if not isinstance(message, dict):
        raise CallbackRefusedError("malformed")
    return message
