"""`queqiao audit refusals`, `show` and `appeal` against the service and its real database."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta

import pytest
from structlog.testing import capture_logs
from typer.testing import CliRunner

from services.moderation.audit.store import RefusalStore
from services.moderation.commands.audit import app
from services.moderation.domain import Action, Direction, Layer
from services.runtime.errors import ServiceError
from tests.fakes.audit import MemoryAllowing
from tests.integration.moderation.audit.conftest import BEGIN, finding, written


@dataclass(frozen=True)
class Ran:
    """How a command ended: its exit status, what it printed, and what it complained of in one line."""

    status: int
    printed: str
    complaint: str

    @property
    def turns(self) -> list[str]:
        """The request ids of the refusals that were listed."""
        return [json.loads(line)["request_id"] for line in self.printed.splitlines()]


Queqiao = Callable[..., Awaitable[Ran]]


@pytest.fixture
def queqiao(target: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Queqiao]:
    """Run a command, which has an event loop of its own, beside ours."""
    monkeypatch.setenv("MODERATION_TARGET", target)

    async def run(*arguments: str) -> Ran:
        result = await asyncio.to_thread(
            CliRunner().invoke, app, ["audit", *arguments], env={"COLUMNS": "300", "LOGNAME": "clerk"}
        )
        # What `main` makes one sentence of; everything else is a bug.
        if isinstance(result.exception, ServiceError):
            return Ran(1, result.stdout, result.exception.message)
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return Ran(result.exit_code, result.stdout, " ".join(result.stderr.replace("│", " ").split()))

    # A command's output is read from this process's standard output, where the service would log as well.
    with capture_logs():
        yield run


async def test_refusals_are_listed_without_their_texts(queqiao: Queqiao, store: RefusalStore) -> None:
    await written(store, [finding(0), finding(1, layer=Layer.WECHAT, rule="keyword", evasion="", user_id="")])
    ran = await queqiao("refusals")
    assert ran.status == 0
    assert [line.split() for line in ran.printed.splitlines()] == [
        ["id", "time", "action", "direction", "layer", "label", "rule", "written", "user", "turn", "appeal"],
        ["2", "2026-11-01T08:00:01+08:00", "refused", "input", "wechat", "20006", "keyword", "-", "-", "r1", "-"],
        ["1", "2026-11-01T08:00:00+08:00", "refused", "input", "lexicon", "20006", "毒品", "plain", "u", "r0", "-"],
    ]
    assert "私密" not in ran.printed


async def test_a_list_is_narrowed_by_every_option(queqiao: Queqiao, store: RefusalStore) -> None:
    other = {
        "layer": Layer.OPENAI,
        "direction": Direction.OUTPUT,
        "action": Action.LOGGED,
        "label": 20002,
        "user_id": "other",
        "request_id": "wanted",
        "rule": "sexual",
        "text": "另一句",
    }
    await written(store, [finding(0), finding(1, **other), finding(2)], begin=BEGIN - timedelta(seconds=1))
    for options in (
        ("--layer", "openai"),
        ("--direction", "output"),
        ("--action", "logged"),
        ("--label", "20002"),
        ("--user", "other"),
        ("--request", "wanted"),
        ("--rule", "sexual"),
        ("--text", "另一句"),
        ("--since", "2026-11-01T08:00", "--until", "2026-11-01T08:00:01"),
        ("--since", "2026-11-01T00:00:00Z", "--until", "2026-11-01T00:00:01+00:00"),
    ):
        assert (await queqiao("refusals", "--json", *options)).turns == ["wanted"], options
    assert (await queqiao("refusals", "--json", "--since", "2026-11-01", "--until", "2026-11-02")).turns == [
        *("r2", "wanted", "r0")
    ]


async def test_more_than_the_limit_is_said(queqiao: Queqiao, store: RefusalStore) -> None:
    await written(store, [finding(n) for n in range(3)])
    assert (await queqiao("refusals", "--limit", "3")).printed.count("\n") == 4
    ran = await queqiao("refusals", "--limit", "2")
    assert ran.printed.splitlines()[-1] == "There are more than 2: say --limit, or --until."
    assert (await queqiao("refusals", "--limit", "2", "--json")).turns == ["r2", "r1"]


async def test_a_long_list_is_read_page_by_page(queqiao: Queqiao, store: RefusalStore) -> None:
    await written(store, [finding(n) for n in range(2_100)])
    ran = await queqiao("refusals", "--limit", "5000", "--json")
    assert ran.turns == [f"r{n}" for n in reversed(range(2_100))]


async def test_a_refusal_is_shown_with_its_text_and_steers_no_terminal(queqiao: Queqiao, store: RefusalStore) -> None:
    await written(store, [finding(0, text="毒品\x1b[31m\n第二行", user_id="u\x1b[2J")], trace_id="ab" * 16)
    ran = await queqiao("show", "1")
    assert ran.status == 0
    lines = ran.printed.splitlines()
    assert lines[-3:] == ["", "毒品�[31m", "第二行"]
    assert ["where", "characters", "0", "to", "2"] in [line.split() for line in lines]
    assert ["trace", "ab" * 16] in [line.split() for line in lines]
    assert "\x1b" not in ran.printed


async def test_what_a_score_refused_is_shown_with_layer_label_score_and_n_grams(
    queqiao: Queqiao, store: RefusalStore, allowing: MemoryAllowing
) -> None:
    offer = "宝妈手机兼职，每天结算，想了解的私聊"
    grams = ("机兼职", "天结算", "私聊")
    await written(
        store, [finding(0, layer=Layer.LEARNED, rule="score", label=20008, score=0.9314, grams=grams, text=offer)]
    )
    shown = [line.split() for line in (await queqiao("show", "1")).printed.splitlines()]
    for fact in (["layer", "learned"], ["label", "20008"], ["score", "0.931"], ["n-grams", *grams]):
        assert fact in shown
    (listed,) = map(json.loads, (await queqiao("refusals", "--layer", "learned", "--json")).printed.splitlines())
    assert (listed["layer"], listed["label"], listed["grams"]) == ("learned", 20008, list(grams))
    assert listed["score"] == pytest.approx(0.9314)
    # A phrase that holds nothing that weighed would change no score.
    refused = await queqiao("appeal", "1", "--phrase", "想了解的")
    assert (refused.status, allowing.granted) == (1, [])
    assert "n-grams that weighed" in refused.complaint
    assert (await queqiao("appeal", "1", "--phrase", "手机兼职")).status == 0
    assert allowing.granted == [("手机兼职", "clerk", "")]


async def test_a_text_that_was_not_kept_is_said_to_be_missing(queqiao: Queqiao, store: RefusalStore) -> None:
    await written(store, [finding(0)], keep_texts=False)
    assert (await queqiao("show", "1")).printed.splitlines()[-1] == "The text was not kept."


async def test_an_appeal_is_granted(queqiao: Queqiao, store: RefusalStore, allowing: MemoryAllowing) -> None:
    await written(store, [finding(0, text="学习毒品预防知识")])
    ran = await queqiao("appeal", "1", "--phrase", "毒品预防", "--reason", "教学")
    assert (ran.status, ran.printed) == (
        0,
        "毒品预防 is allowed, in version 1 of the stored lists; refusal 1 is marked.\n",
    )
    assert allowing.granted == [("毒品预防", "clerk", "教学")]
    await queqiao("appeal", "1", "--phrase", "学习毒品", "--author", "老师")
    assert allowing.granted[1:] == [("学习毒品", "老师", "")]


async def test_what_cannot_be_done_is_one_sentence_and_a_failing_status(queqiao: Queqiao, store: RefusalStore) -> None:
    await written(store, [finding(0)])
    for arguments, words in {
        ("show", "999"): "no refusal of this id",
        ("show", "x"): "no refusal of this id",
        ("appeal", "1", "--phrase", " x"): "phrase must not begin or end with a space",
        ("appeal", "999", "--phrase", "x"): "no refusal of this id",
        ("refusals", "--since", "yesterday"): "is no time, such as 2026-11-30",
        ("refusals", "--layer", "none"): "'none' is not one of",
        ("refusals", "--limit", "0"): "--limit",
    }.items():
        ran = await queqiao(*arguments)
        assert ran.status in (1, 2), arguments
        assert ran.printed == ""
        assert words in ran.complaint
