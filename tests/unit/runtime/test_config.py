"""Configuration: what is wrong is said in one sentence, and never with its value."""

from pathlib import Path

import pytest
from pydantic import Field, SecretStr

from services.runtime.config import GrpcServiceSettings, load
from services.runtime.errors import ConfigurationError
from services.runtime.tls import TlsFiles, tls_files


class Settings(GrpcServiceSettings):
    database_url: SecretStr = Field(description="Where the data is.")


def test_a_missing_variable_is_named_with_its_purpose(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "1")
    monkeypatch.setenv("DATABASE_URL", "")
    with pytest.raises(ConfigurationError, match=r"DATABASE_URL is not set \(Where the data is\.\)"):
        load(Settings)


def test_a_wrong_variable_is_named_without_its_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "hunter2")
    monkeypatch.setenv("DATABASE_URL", "postgresql://u:hunter2@h/d")
    with pytest.raises(ConfigurationError, match="PORT is wrong") as caught:
        load(Settings)
    assert "hunter2" not in str(caught.value)


def test_secrets_are_hidden_in_every_dump(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "1")
    monkeypatch.setenv("DATABASE_URL", "postgresql://u:hunter2@h/d")
    assert "hunter2" not in repr(load(Settings))


@pytest.fixture
def certificates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TlsFiles:
    """Files that may be named; whether they are certificates is seen when they are used."""
    monkeypatch.setenv("PORT", "1")
    monkeypatch.setenv("DATABASE_URL", "postgresql://h/d")
    files = TlsFiles(tmp_path / "tls.crt", tmp_path / "tls.key", tmp_path / "ca.crt")
    for file in (files.certificate, files.key, files.authorities):
        file.touch()
    return files


def test_the_files_of_mutual_tls_are_named_all_or_none(certificates: TlsFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    assert tls_files(load(Settings)) is None
    monkeypatch.setenv("TLS_CERT_FILE", str(certificates.certificate))
    monkeypatch.setenv("TLS_KEY_FILE", str(certificates.key))
    with pytest.raises(ConfigurationError, match="TLS_CA_FILE is wrong: mutual TLS needs"):
        load(Settings)
    monkeypatch.setenv("TLS_CA_FILE", str(certificates.authorities))
    assert tls_files(load(Settings)) == certificates
    certificates.authorities.unlink()
    with pytest.raises(ConfigurationError, match="TLS_CA_FILE is wrong: Path does not point to a file"):
        load(Settings)


@pytest.mark.parametrize(
    ("host", "plaintext", "encrypted", "fine"),
    [
        ("127.0.0.1", "", False, True),
        ("10.0.0.1", "true", False, True),
        ("10.0.0.1", "", True, True),
        ("10.0.0.1", "", False, False),
    ],
)
def test_nothing_is_spoken_in_the_clear_unless_the_owner_says_so(
    certificates: TlsFiles, monkeypatch: pytest.MonkeyPatch, host: str, plaintext: str, encrypted: bool, fine: bool
) -> None:
    monkeypatch.setenv("HOST", host)
    monkeypatch.setenv("GRPC_PLAINTEXT", plaintext)
    for name in ("certificate", "key", "authorities") if encrypted else ():
        variable = {"certificate": "TLS_CERT_FILE", "key": "TLS_KEY_FILE", "authorities": "TLS_CA_FILE"}[name]
        monkeypatch.setenv(variable, str(getattr(certificates, name)))
    if fine:
        load(Settings)
    else:
        with pytest.raises(ConfigurationError, match="GRPC_PLAINTEXT is wrong"):
            load(Settings)
