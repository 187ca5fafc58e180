"""Which models are offered."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from services.chat.domain import Model
from services.chat.errors import ModelNotFoundError, UpstreamError
from services.chat.tokens import TiktokenTokenizer
from services.chat.upstreams import known
from services.chat.upstreams.catalogue import Catalogue
from services.chat.upstreams.kinds import kinds
from services.chat.upstreams.known import KnownModels, Listing
from services.runtime.errors import StartupError

SHIPPED = KnownModels.read(Path(known.__file__).with_name("models.toml"))

FIGURES = 'context_tokens = 8192\nmax_output_tokens = 1024\nencoding = "o200k_base"\n'


def listed(*names: str, last: bool = False, kind: str = "generic") -> Listing:
    models = tuple(Model(name, 0, 0, "", created_s=7, owned_by="someone") for name in names)
    return Listing(models, last=last, kind=kind)


class Provider:
    def __init__(self, *names: str) -> None:
        self.names = names
        self.down = False
        self.listings = 0

    async def list_models(self) -> Sequence[Listing]:
        self.listings += 1
        await asyncio.sleep(0.01)
        if self.down:
            raise UpstreamError("down")
        return [listed(*self.names)]


class Vocabularies:
    def __init__(self) -> None:
        self.prepared: list[frozenset[str]] = []

    async def prepare(self, encodings: frozenset[str]) -> None:
        self.prepared.append(encodings)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "models.toml"


def read(file: Path, *models: str, default: str = "", rest: str = "") -> KnownModels:
    tables = "".join(f"[[models]]\n{FIGURES}{model}\n" for model in models)
    file.write_text(f"[default]\n{FIGURES}{default}\n{tables}{rest}", encoding="utf-8")
    return KnownModels.read(file)


def test_of_a_large_provider_everything_is_offered_the_known_models_first() -> None:
    offered = SHIPPED.offered([listed("text-embedding-3-small", "gpt-4o", "o3-mini", "gpt-4o-mini")])
    assert [model.id for model in offered] == ["gpt-4o-mini", "gpt-4o", "text-embedding-3-small", "o3-mini"]
    assert (offered[0].context_tokens, offered[0].created_s, offered[0].owned_by) == (128_000, 7, "someone")
    assert [model.known for model in offered] == [True, True, False, False]
    assert (offered[3].context_tokens, offered[3].price) == (SHIPPED.default.context_tokens, "o3-mini")


def test_known_models_that_nobody_lists_are_told() -> None:
    assert "gpt-4.1" in SHIPPED.unlisted(SHIPPED.offered([listed("gpt-4o", "my-model")]))
    assert "gpt-4o" not in SHIPPED.unlisted(SHIPPED.offered([listed("gpt-4o", "my-model")]))


def test_a_model_takes_what_any_of_its_providers_takes_unless_the_owner_says(file: Path) -> None:
    offers = [listed("a", "b", kind="qwen"), listed("a", "b", kind="glm")]
    a, b = read(file, 'id = "a"', 'id = "b"\nparameters = ["tools"]').offered(offers)
    assert a.parameters == kinds().takes["qwen"] | kinds().takes["glm"]
    assert b.parameters == frozenset({"tools"})


def test_a_provider_of_unknown_models_is_offered_whole() -> None:
    offered = SHIPPED.offered([listed("my-model", "my-other-model")])
    assert [model.id for model in offered] == ["my-model", "my-other-model"]
    assert offered[0].ratio_percent > 100


async def test_an_empty_name_is_the_default_model_and_an_unknown_one_is_not_found() -> None:
    catalogue = Catalogue(SHIPPED, Provider("gpt-4o", "gpt-4o-mini"), Vocabularies().prepare)
    assert (await catalogue.find("")).id == "gpt-4o-mini"
    with pytest.raises(ModelNotFoundError):
        await catalogue.find("gpt-0")


async def test_a_provider_that_goes_away_is_remembered_and_one_that_never_came_is_an_error() -> None:
    provider = Provider("gpt-4o")
    catalogue = Catalogue(SHIPPED, provider, Vocabularies().prepare)
    provider.down = True
    with pytest.raises(UpstreamError):
        await catalogue.find("")
    provider.down = False
    await catalogue.find("")
    provider.down = True
    assert (await catalogue.find("gpt-4o")).id == "gpt-4o"


async def test_only_the_vocabularies_of_what_is_offered_are_loaded_and_before_it_is() -> None:
    vocabularies, provider = Vocabularies(), Provider("smollm2-135m-instruct")
    catalogue = Catalogue(SHIPPED, provider, vocabularies.prepare)
    await catalogue.list()
    assert vocabularies.prepared == [{"smollm2"}]
    broken = Catalogue(SHIPPED, provider, _fail)
    with pytest.raises(OSError, match="no vocabulary"):
        await broken.list()


async def _fail(encodings: frozenset[str]) -> None:
    raise OSError("no vocabulary")


def test_known_models_go_first_whoever_lists_them() -> None:
    offered = SHIPPED.offered([listed("whisper-1", "gpt-4o"), listed("my-model"), listed("gpt-4.1")])
    assert [model.id for model in offered] == ["gpt-4o", "gpt-4.1", "whisper-1", "my-model"]


def test_what_only_a_fallback_runs_comes_last_though_it_is_preferred() -> None:
    offered = SHIPPED.offered([listed("smollm2-135m-instruct", "gpt-4o", last=True), listed("gpt-4o", "gpt-4.1")])
    assert [model.id for model in offered] == ["gpt-4o", "gpt-4.1", "smollm2-135m-instruct"]


async def test_all_who_ask_while_the_providers_are_silent_share_one_listing() -> None:
    provider = Provider("gpt-4o")
    catalogue = Catalogue(SHIPPED, provider, Vocabularies().prepare)
    impatient = asyncio.create_task(catalogue.find(""))
    others = [asyncio.create_task(catalogue.find("gpt-4o")) for _ in range(20)]
    await asyncio.sleep(0)
    impatient.cancel()
    assert {model.id for model in await asyncio.gather(*others)} == {"gpt-4o"}
    assert provider.listings == 1
    provider.down = True
    catalogue = Catalogue(SHIPPED, provider, Vocabularies().prepare)
    failed = await asyncio.gather(*(catalogue.list() for _ in range(20)), return_exceptions=True)
    assert {type(error) for error in failed} == {UpstreamError}
    assert provider.listings == 2


async def test_the_cheap_model_is_there_when_a_provider_offers_it(file: Path) -> None:
    known_models = read(file, 'id = "a"', 'id = "b"', rest='[lanes]\ncheap = "b"\n')
    provider = Provider("a")
    catalogue = Catalogue(known_models, provider, Vocabularies().prepare)
    await catalogue.list()
    assert catalogue.cheap() is None
    both = Catalogue(known_models, Provider("a", "b"), Vocabularies().prepare)
    await both.list()
    cheap = both.cheap()
    assert cheap is not None
    assert cheap.id == "b"


def test_what_the_file_does_not_say_of_a_model_has_a_default(file: Path) -> None:
    (model,) = read(file, 'id = "a"').models
    assert (model.message_tokens, model.reply_tokens, model.image_tokens) == (4, 3, 1500)
    assert (model.price, model.parameters, model.fallback) == ("a", frozenset(), "")
    assert not model.own_parameters


def test_what_the_file_says_of_a_model_is_known(file: Path) -> None:
    said = 'message_tokens = 1\nreply_tokens = 2\nimage_tokens = 3\nprice = "large"\nparameters = ["tools"]\n'
    (model,) = read(file, f'id = "a"\nfallback = "b"\n{said}').models
    assert (model.message_tokens, model.reply_tokens, model.image_tokens) == (1, 2, 3)
    assert (model.price, model.parameters, model.fallback) == ("large", frozenset({"tools"}), "b")


def test_all_parameters_may_pass_of_every_model_or_of_one(file: Path) -> None:
    models = read(file, 'id = "a"', 'id = "b"\nparameters = []', default='parameters = "all"')
    assert [model.parameters for model in (*models.models, models.default)] == [None, frozenset(), None]
    (unknown,) = models.offered([listed("mine")])
    assert (unknown.parameters, unknown.price) == (None, "mine")


def test_the_default_fallback_takes_over_for_everybody_but_itself_and_those_who_want_none(file: Path) -> None:
    models = read(
        file,
        'id = "a"',
        'id = "b"\nfallback = ""',
        'id = "c"\nfallback = "a"',
        'id = "local"\nfallback = "tiny"',
        default='fallback = "local"',
    )
    assert {model.id: model.fallback for model in models.models} == {"a": "local", "b": "", "c": "a", "local": "tiny"}
    unknown = models.offered([listed("x", "tiny")])
    assert {model.id: model.fallback for model in unknown} == {"x": "local", "tiny": ""}


@pytest.mark.parametrize(
    "fallbacks", [{"a": "b", "b": "a"}, {"a": "a"}, {"a": "b", "b": "c", "c": "b"}, {"local": "a", "a": "local"}]
)
def test_fallbacks_in_a_circle_are_told(file: Path, fallbacks: dict[str, str]) -> None:
    with pytest.raises(StartupError, match="leads back to itself"):
        read(file, *(f'id = "{one}"\nfallback = "{other}"' for one, other in fallbacks.items()))


def test_every_encoding_that_the_shipped_models_name_is_shipped_too() -> None:
    tokenizer = TiktokenTokenizer(SHIPPED.encodings)
    for model in SHIPPED.models:
        assert tokenizer.count("你好，世界", model.encoding) > 0


@pytest.mark.parametrize(
    "content",
    [
        "not toml [",
        "[default]\n",
        '[default]\ncontext_tokens = "many"\n',
        b"\xff",
        f'[default]\n{FIGURES}parameters = "some"\n',
        f"[default]\n{FIGURES}[[models]]\n{FIGURES}",
    ],
)
def test_a_wrong_models_file_is_told_in_one_sentence(file: Path, content: str | bytes) -> None:
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(StartupError, match=r"models\.toml is wrong"):
        KnownModels.read(file)


def test_a_missing_models_file_is_told_too(tmp_path: Path) -> None:
    with pytest.raises(StartupError, match="MODELS_FILE"):
        KnownModels.read(tmp_path / "nowhere.toml")
