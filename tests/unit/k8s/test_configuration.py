"""The page of variables says what services read."""

from pathlib import Path

import pytest

from k8s.configuration import COMMANDS, SERVICES, document, is_secret, variables

ROOT = Path(__file__).parents[3]


def test_the_page_is_what_the_settings_classes_say() -> None:
    assert (ROOT / "docs" / "configuration.md").read_text("utf-8") == document()


def test_every_variable_of_every_service_and_command_has_a_row_with_a_meaning() -> None:
    rows = {line.split("`")[1]: line for line in document().splitlines() if line.startswith("| `")}
    for settings in (*SERVICES.values(), *COMMANDS.values()):
        for name, field in variables(settings).items():
            assert name in rows
            assert field.description


@pytest.mark.parametrize(
    ("service", "secret", "public"),
    [
        ("gateway", "SESSION_SECRETS_PREVIOUS", "CORS_ORIGINS"),
        ("chat", "OPENAI_API_KEY", "OPENAI_BASE_URL"),
        ("billing", "WECHATPAY_APIV3_KEY", "WECHATPAY_MCHID"),
        ("moderation", "REDIS_URL", "AUDIT_KEEP_DAYS"),
    ],
)
def test_secrets_are_marked(service: str, secret: str, public: str) -> None:
    read = variables(SERVICES[service])
    assert is_secret(read[secret])
    assert not is_secret(read[public])
