"""Which models are offered."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from services.chat.catalogue import Catalogue, KnownModels
from services.chat.config import ChatSettings
from services.chat.domain import Model
from services.chat.errors import ModelNotFoundError, UpstreamError
from services.chat.tokens import TiktokenTokenizer
from services.runtime.errors import StartupError

SHIPPED = KnownModels.read(ChatSettings.model_fields["models_file"].default)


def listed(*names: str) -> list[Model]:
    return [Model(name, 0, 0, "", created_s=7, owned_by="someone") for name in names]


class Provider:
    def __init__(self, *names: str) -> None:
        self.names = names
        self.down = False

    async def list_models(self) -> Sequence[Model]:
        if self.down:
            raise UpstreamError("down")
        return listed(*self.names)


def test_of_a_large_provider_only_known_chat_models_are_offered_the_preferred_first() -> None:
    offered = SHIPPED.offered(listed("text-embedding-3-small", "gpt-4o", "whisper-1", "gpt-4o-mini"))
    assert [model.id for model in offered] == ["gpt-4o-mini", "gpt-4o"]
    assert (offered[0].context_tokens, offered[0].created_s, offered[0].owned_by) == (128_000, 7, "someone")


def test_a_provider_of_unknown_models_is_offered_whole() -> None:
    offered = SHIPPED.offered(listed("my-model", "my-other-model"))
    assert [model.id for model in offered] == ["my-model", "my-other-model"]
    assert offered[0].ratio_percent > 100


async def test_an_empty_name_is_the_default_model_and_an_unknown_one_is_not_found() -> None:
    catalogue = Catalogue(SHIPPED, Provider("gpt-4o", "gpt-4o-mini"))
    assert (await catalogue.find("")).id == "gpt-4o-mini"
    with pytest.raises(ModelNotFoundError):
        await catalogue.find("gpt-0")


async def test_a_provider_that_goes_away_is_remembered_and_one_that_never_came_is_an_error() -> None:
    provider = Provider("gpt-4o")
    catalogue = Catalogue(SHIPPED, provider)
    provider.down = True
    with pytest.raises(UpstreamError):
        await catalogue.find("")
    provider.down = False
    await catalogue.find("")
    provider.down = True
    assert (await catalogue.find("gpt-4o")).id == "gpt-4o"


def test_every_encoding_that_the_shipped_models_name_is_shipped_too() -> None:
    tokenizer = TiktokenTokenizer(SHIPPED.encodings)
    for model in SHIPPED.models:
        assert tokenizer.count("你好，世界", model.encoding) > 0


@pytest.mark.parametrize(
    "content",
    ["not toml [", "[default]\n", '[default]\ncontext_tokens = "many"\n', b"\xff"],
)
def test_a_wrong_models_file_is_told_in_one_sentence(tmp_path: Path, content: str | bytes) -> None:
    file = tmp_path / "models.toml"
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(StartupError, match=r"models\.toml is wrong"):
        KnownModels.read(file)


def test_a_missing_models_file_is_told_too(tmp_path: Path) -> None:
    with pytest.raises(StartupError, match="MODELS_FILE"):
        KnownModels.read(tmp_path / "nowhere.toml")
