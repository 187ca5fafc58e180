"""What a refusal tells clients beside OpenAI's error."""

import json
from typing import Any

import pytest

from services.gateway.edge import http_errors
from services.gateway.edge.languages import Language
from services.runtime.errors import Code, RemoteError


def shown(reason: str, **metadata: str) -> dict[str, Any]:
    error = RemoteError(Code.PERMISSION_DENIED, reason, "no", metadata=metadata)
    body: dict[str, Any] = json.loads(http_errors.body(error, Language.CHINESE))
    return body


@pytest.mark.parametrize("action", ["block", "retract"])
@pytest.mark.parametrize(
    ("layer", "message"),
    [("lexicon", "内容包含违规信息"), ("wechat", "请修改您的提问"), ("openai", "提问涉及敏感话题")],
)
def test_a_refusal_says_what_becomes_of_what_was_shown(action: str, layer: str, message: str) -> None:
    assert shown("CONTENT_REFUSED", layer=layer, label="20006", action=action) == {
        "error": {
            "message": message, "type": "invalid_request_error", "code": "content_policy_violation", "param": None,
        },
        "moderation": {"action": action, "layer": layer, "label": 20006},
    }  # fmt: skip


@pytest.mark.parametrize("metadata", [{}, {"action": "", "layer": "", "label": ""}, {"label": "0"}, {"label": "-"}])
def test_what_a_refusal_does_not_say_is_null_and_takes_nothing_back(metadata: dict[str, str]) -> None:
    assert shown("CONTENT_REFUSED", **metadata)["moderation"] == {"action": "block", "layer": None, "label": None}


def test_no_other_error_speaks_of_moderation() -> None:
    assert list(shown("MODERATION_UNAVAILABLE", layer="wechat")) == ["error"]
    assert list(shown("LOGIN_BLOCKED")) == ["error"]
