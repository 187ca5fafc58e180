"""What ids and secrets look like, and how secrets are kept. Pure apart from drawing randomness.

Secrets have at least 238 random bits, so a plain SHA-256 is enough to keep them: nothing can be guessed from it.
"""

import hashlib
import re
import secrets
import string

_ALPHABET = string.ascii_letters + string.digits
_SECRET_CHARACTERS = 40

# What names a conversation, a turn, an order's request, a package.
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")

# What names a message of a conversation.
_MESSAGE_ID = re.compile(r"[1-9][0-9]{0,8}")

_KEY_PREFIX = "sk-qq-"
_KEY = re.compile(r"sk-qq-[A-Za-z0-9]{32,128}")
_SHOWN_CHARACTERS = len(_KEY_PREFIX) + 4


def new_user_id() -> str:
    """`usr_` and 24 hexadecimal digits."""
    return f"usr_{secrets.token_hex(12)}"


def new_request_id() -> str:
    """`req_` and 32 hexadecimal digits."""
    return f"req_{secrets.token_hex(16)}"


def turn_id(user_id: str, idempotency_key: str) -> str:
    """The request's id of whatever this user asks under this key: the same key names the same turn."""
    named = hashlib.sha256(f"{user_id}\n{idempotency_key}".encode()).hexdigest()
    return f"req_{named[:32]}"


def new_api_key() -> str:
    """`sk-qq-` and 40 letters and digits."""
    return _KEY_PREFIX + _random()


def new_refresh_token() -> str:
    """`rt-qq-` and 40 letters and digits."""
    return "rt-qq-" + _random()


def is_api_key(token: str) -> bool:
    """Whether this looks like a key of ours; whether it is one, the store knows."""
    return _KEY.fullmatch(token) is not None


def is_id(text: str) -> bool:
    """Whether this is 1 to 64 letters, digits, _ and -."""
    return _ID.fullmatch(text) is not None


def is_message_id(text: str) -> bool:
    """Whether this names a message of a conversation: its number there."""
    return _MESSAGE_ID.fullmatch(text) is not None


def digest(secret: str) -> bytes:
    """What is stored in a secret's place: its SHA-256, 32 bytes."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()


def shown_prefix(api_key: str) -> str:
    """The part of a key that may be shown, to tell keys apart."""
    return api_key[:_SHOWN_CHARACTERS]


def _random() -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(_SECRET_CHARACTERS))
