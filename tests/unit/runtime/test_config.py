"""Configuration: what is wrong is said in one sentence, and never with its value."""

import pytest
from pydantic import Field, SecretStr

from services.runtime.config import ServiceSettings, load
from services.runtime.errors import StartupError


class Settings(ServiceSettings):
    database_url: SecretStr = Field(description="Where the data is.")


def test_a_missing_variable_is_named_with_its_purpose(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "1")
    monkeypatch.setenv("DATABASE_URL", "")
    with pytest.raises(StartupError, match=r"DATABASE_URL is not set \(Where the data is\.\)"):
        load(Settings)


def test_a_wrong_variable_is_named_without_its_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "hunter2")
    monkeypatch.setenv("DATABASE_URL", "postgresql://u:hunter2@h/d")
    with pytest.raises(StartupError, match="PORT is wrong") as caught:
        load(Settings)
    assert "hunter2" not in str(caught.value)


def test_secrets_are_hidden_in_every_dump(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "1")
    monkeypatch.setenv("DATABASE_URL", "postgresql://u:hunter2@h/d")
    assert "hunter2" not in repr(load(Settings))
