"""The policy that ships, row by row, and what a file of the owner's own may say."""

from datetime import datetime
from pathlib import Path

import pytest

from services.gateway.policy import policy as module
from services.gateway.policy.policy import Client, Code, ModelNames, Policy, Purchases, Rules
from services.runtime.errors import StartupError

SHIPPED = Path(module.__file__).with_name("policy.toml")
POLICY = Policy.read(SHIPPED)


@pytest.mark.parametrize(
    ("client", "rules"),
    [
        (Client.MP_ANDROID, Rules(ModelNames.ALIAS, Code.SHOW, Purchases.VIRTUAL, ai_label=True)),
        (Client.MP_IOS, Rules(ModelNames.ALIAS, Code.HIDE, Purchases.VIRTUAL, ai_label=True)),
        (Client.APP_ANDROID, Rules(ModelNames.SHOW, Code.SHOW, Purchases.ANY, ai_label=True)),
        (Client.APP_IOS, Rules(ModelNames.ALIAS, Code.HIDE, Purchases.NONE, ai_label=True)),
        (Client.H5, Rules(ModelNames.SHOW, Code.SHOW, Purchases.ANY, ai_label=True)),
        (Client.PROGRAM, Rules(ModelNames.SHOW, Code.SHOW, Purchases.ANY, ai_label=False)),
    ],
)
def test_each_kind_of_client_has_its_rules(client: Client, rules: Rules) -> None:
    assert POLICY.rules[client] == rules


def test_a_model_is_called_what_the_platform_allows_and_answers_to_every_name_of_it() -> None:
    models = ("gpt-4o-mini", "my-vllm-model")
    assert POLICY.shown_model("gpt-4o-mini", Client.H5) == "gpt-4o-mini"
    assert POLICY.shown_model("gpt-4o-mini", Client.MP_IOS) == "queqiao-fast"
    unnamed = POLICY.shown_model("my-vllm-model", Client.MP_IOS)
    assert unnamed.startswith("queqiao-")
    assert "vllm" not in unnamed
    for name, model in (("queqiao-fast", "gpt-4o-mini"), (unnamed, "my-vllm-model"), ("gpt-4o-mini", "gpt-4o-mini")):
        assert POLICY.real_model(name, models) == model
    assert POLICY.real_model("unknown", models) == "unknown"
    assert POLICY.shown_model("", Client.MP_IOS) == ""


@pytest.mark.parametrize(
    ("hour", "minute", "allowed"), [(5, 59, False), (6, 0, True), (12, 0, True), (21, 59, True), (22, 0, False)]
)
def test_minors_chat_by_day(hour: int, minute: int, allowed: bool) -> None:
    now = datetime(2026, 3, 1, hour, minute)  # noqa: DTZ001  # of UTC+8, as the policy's hours are
    assert POLICY.may_chat(minor=True, now=now) is allowed
    assert POLICY.may_chat(minor=False, now=now)


def test_minors_buy_nothing_anywhere() -> None:
    for client in Client:
        assert POLICY.purchases(client, minor=True) is Purchases.NONE
        assert POLICY.purchases(client, minor=False) is POLICY.rules[client].purchase


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ('purchase = "virtual"', 'purchase = "some"', "purchase"),
        ("[clients.h5]", "[clients.pager]", "pager"),
        ('from = "06:00"', 'from = "6 o\'clock"', "minors.from"),
        ('"queqiao-pro"', '"queqiao-fast"', "aliases"),
        ("ai_label = false", "ai_label = false\nextra = 1", "extra"),
        ("[minors]", "[minors", "wrong"),
    ],
)
def test_a_wrong_file_is_explained(tmp_path: Path, old: str, new: str, complaint: str) -> None:
    text = SHIPPED.read_text(encoding="utf-8")
    assert old in text
    file = tmp_path / "policy.toml"
    file.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(StartupError, match=complaint):
        Policy.read(file)


def test_a_file_that_leaves_a_client_out_is_refused(tmp_path: Path) -> None:
    text = SHIPPED.read_text(encoding="utf-8")
    begin, end = text.index("[clients.app-ios]"), text.index("[clients.h5]")
    file = tmp_path / "policy.toml"
    file.write_text(text[:begin] + text[end:], encoding="utf-8")
    with pytest.raises(StartupError, match="app-ios is missing"):
        Policy.read(file)
