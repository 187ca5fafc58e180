"""What a policy file may say."""

from pathlib import Path

import pytest

import services.moderation
from services.moderation.layers.policy import Ask, Mode, Policy, WhenDown
from services.moderation.layers.policy_file import parse_policy, read_policy
from services.runtime.errors import StartupError

SHIPPED = Path(services.moderation.__path__[0]) / "policy.toml"


def test_the_file_that_ships_holds_every_default() -> None:
    assert read_policy(SHIPPED) == Policy()


def test_an_empty_file_is_the_default() -> None:
    assert parse_policy("") == Policy()


def test_what_a_file_says_is_what_counts() -> None:
    policy = parse_policy(
        """
        [wechat]
        input = "before"
        ask_input = 0.25
        when_down = "closed"
        risky_labels = [20002]
        [openai]
        output = "off"
        ask_output = "all"
        [openai.thresholds]
        "sexual/minors" = 0.1
        [openai.labels]
        violence = 21000
        [output]
        passage_characters = 400
        """
    )
    assert (policy.wechat.input, policy.wechat.ask_input, policy.wechat.when_down) == (
        Mode.BEFORE,
        0.25,
        WhenDown.CLOSED,
    )
    assert policy.wechat.risky_labels == (20002,)
    assert (policy.openai.output, policy.openai.ask_output) == (Mode.OFF, Ask.ALL)
    assert (policy.openai.thresholds, policy.openai.label("violence")) == ({"sexual/minors": 0.1}, 21000)
    assert policy.output.passage_characters == 400


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("x = 1", "x"),
        ("wechat = 3", "wechat"),
        ("[wechat]\ntimeout = 1", "wechat.timeout"),
        ("[openai]\nper_minute = 1", "openai.per_minute"),
        ("[output]\npassage = 1", "output.passage"),
        ('[wechat]\ninput = "on"', "wechat.input"),
        ('[wechat]\nwhen_down = "shut"', "wechat.when_down"),
        ('[openai]\nask_output = "some"', "openai.ask_output"),
        ("[openai]\nask_output = 1.5", "openai.ask_output"),
        ("[openai]\nask_output = true", "openai.ask_output"),
        ('[wechat]\ntimeout_s = "2"', "wechat.timeout_s"),
        ("[wechat]\ntimeout_s = 0", "wechat.timeout_s"),
        ("[wechat]\ntimeout_s = nan", "wechat.timeout_s"),
        ("[wechat]\nper_minute = 1.5", "wechat.per_minute"),
        ("[wechat]\nscene = 5", "wechat.scene"),
        ("[wechat]\noverlap_characters = 2000", "wechat.overlap_characters"),
        ("[wechat]\nrisky_labels = []", "wechat.risky_labels"),
        ("[wechat]\nrisky_labels = [100]", "wechat.risky_labels"),
        ("[wechat]\ntext_characters_max = 100_000\noverlap_characters = 50_000", "wechat.overlap_characters"),
        ('[openai]\nmodel = ""', "openai.model"),
        ("[openai.thresholds]\nviolance = 0.5", "openai.thresholds.violance"),
        ("[openai.thresholds]\nviolence = 0", "openai.thresholds.violence"),
        ("[openai.labels]\nviolance = 20002", "openai.labels.violance"),
        ("[openai.labels]\nviolence = 1", "openai.labels.violence"),
        ("[output]\noverlap_characters = 150", "output.overlap_characters"),
    ],
)
def test_what_makes_no_sense_is_refused_by_its_key(text: str, key: str) -> None:
    with pytest.raises(ValueError, match=rf"(^|`){key}\b"):
        parse_policy(text)


def test_what_is_wrong_stops_the_start_in_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "policy.toml"
    for content in (b"[wechat", b"\xff", b"[wechat]\nfoo = 1"):
        path.write_bytes(content)
        with pytest.raises(StartupError, match=r"policy.toml is wrong: "):
            read_policy(path)


def test_a_file_that_is_not_there_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(StartupError, match="check POLICY_FILE"):
        read_policy(tmp_path / "policy.toml")
