"""What a request to log in may say."""

import json

import pytest

from services.gateway.identity.requests import login_code, refresh_token
from services.runtime.errors import InvalidRequestError


def test_codes_and_tokens_are_texts() -> None:
    assert login_code(b'{"code":"abc"}') == "abc"
    assert refresh_token(b'{"refresh_token":"abc"}') == "abc"
    for bad in ("", "x" * 513, "a\x00"):
        with pytest.raises(InvalidRequestError):
            login_code(json.dumps({"code": bad}).encode())
