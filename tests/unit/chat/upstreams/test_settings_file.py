"""Reading the file of providers."""

from pathlib import Path

import pytest

from services.chat.upstreams import settings_file
from services.chat.upstreams.settings import BreakerSettings, HedgingSettings, Role, UpstreamSettings
from services.chat.upstreams.settings_file import read_upstreams
from services.runtime.errors import StartupError

SECRET = "sk-never-shown-0123456789"
ENVIRON = {"KEY_1": SECRET, "KEY_2": "other", "EMPTY": "", "LINES": "sk-one\nsk-two"}

SHIPPED = Path(settings_file.__file__).with_name("upstreams.toml")
LEAST = '[[providers]]\nname = "a"\nbase_url = "https://a.invalid/v1"\n'


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "upstreams.toml"


def read(file: Path, text: str) -> UpstreamSettings:
    file.write_text(text, encoding="utf-8")
    return read_upstreams(file, ENVIRON)


def complaint(file: Path, text: str) -> str:
    with pytest.raises(StartupError) as caught:
        read(file, text)
    message = str(caught.value)
    assert SECRET not in message
    assert str(file) in message
    return message


def test_the_example_can_be_read_once_its_keys_are_there(file: Path, tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text(f"{SECRET}\n", encoding="utf-8")
    text = SHIPPED.read_text(encoding="utf-8").replace("/run/secrets/bailian_key", str(key))
    file.write_text(text, encoding="utf-8")
    settings = read_upstreams(file, {"DEEPSEEK_KEY_1": "one", "DEEPSEEK_KEY_2": "two"})
    deepseek, bailian, local = settings.providers
    assert [key.get_secret_value() for key in deepseek.keys] == ["one", "two"]
    assert (deepseek.weight, deepseek.requests_per_minute, deepseek.own_name("deepseek-chat")) == (
        3,
        500,
        "deepseek-chat",
    )
    assert bailian.keys[0].get_secret_value() == SECRET
    assert bailian.own_name("deepseek-chat") == "deepseek-v3"
    assert (local.role, local.models, len(local.keys)) == (Role.FALLBACK, None, 1)
    # The example says the defaults.
    assert (settings.hedging, settings.breaker) == (HedgingSettings(), BreakerSettings())


def test_a_key_is_never_shown(file: Path) -> None:
    settings = read(file, f'{LEAST}keys = ["env:KEY_1"]\n')
    assert SECRET not in repr(settings)
    assert SECRET not in str(settings.providers[0])


def test_an_address_may_be_in_a_variable(file: Path) -> None:
    file.write_text('[[providers]]\nname = "a"\nbase_url = "env:HERE"\n', encoding="utf-8")
    assert read_upstreams(file, {"HERE": "http://127.0.0.1:1/v1"}).providers[0].base_url == "http://127.0.0.1:1/v1"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "providers"),
        ("providers = []", "providers"),
        (f"{LEAST}[hedging]\nshare = 3\n", "share"),
        (f'{LEAST}keys = "{SECRET}"\n', "keys"),
        (f'{LEAST}keys = ["{SECRET}"]\n', "providers[0].keys[0] must say where"),
        (f'{LEAST}keys = ["env:KEY_1", "env:ABSENT"]\n', "providers[0].keys[1] names the variable ABSENT"),
        (f'{LEAST}keys = ["env:EMPTY"]\n', "the variable EMPTY"),
        (f'{LEAST}keys = ["env:LINES"]\n', "the variable LINES"),
        (f'{LEAST}keys = ["file:/nowhere/key"]\n', "the file /nowhere/key"),
        (f"{LEAST}weight = 0\n", "weight"),
        (f'{LEAST}role = "spare"\n', "role"),
        (f"{LEAST}models = []\n", "models is empty"),
        (f"{LEAST}wight = 2\n", "wight"),
        (f"{LEAST}first_token_timeout_s = 90\n", "first_token_timeout_s"),
        (f"{LEAST}requests_per_minute = 0\n", "requests_per_minute"),
        (f"{LEAST}{LEAST}", "providers[0].name is used twice"),
        ('[[providers]]\nname = "a b"\nbase_url = "https://a.invalid"\n', "name"),
        ('[[providers]]\nname = "a"\nbase_url = "a.invalid"\n', "providers[0].base_url"),
        ('[[providers]]\nname = "a"\nbase_url = "env:ABSENT"\n', "providers[0].base_url"),
        ("not toml [", "is wrong"),
    ],
)
def test_what_is_wrong_is_told_by_file_and_field(file: Path, text: str, said: str) -> None:
    assert said in complaint(file, text)


def test_a_missing_file_is_told_too(tmp_path: Path) -> None:
    with pytest.raises(StartupError, match="UPSTREAMS_FILE"):
        read_upstreams(tmp_path / "nowhere.toml", {})
