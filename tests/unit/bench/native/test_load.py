"""What the compiled load generator is told, and what is made of what it tells; ../test_load.py runs it."""

import asyncio
import json
from pathlib import Path

import pytest

from bench.client import TargetError
from bench.native import load
from bench.plan import Plan

PLAN = Plan("http://127.0.0.1:9000/v1", ("k1", "k2"), mode="burst", seconds=2, concurrency=3, headers=("x-a: b",))


def option(arguments: list[str], name: str) -> str:
    return arguments[arguments.index(name) + 1]


def test_the_question_is_cut_where_its_number_goes() -> None:
    given = load.arguments(PLAN)
    body = json.loads(option(given, "-b") + "17" + option(given, "-a"))
    assert body["messages"][0]["content"] == PLAN.question("17")
    assert "-u" in given
    assert given[-2:] == ["k1", "k2"]
    head = option(given, "-h")
    assert head.startswith("POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1:9000\r\n")
    assert head.endswith("\r\nx-a: b\r\n")
    assert "Authorization" not in head


def test_the_same_question_has_no_number() -> None:
    given = load.arguments(Plan(PLAN.url, ("k",), same_question=True))
    assert "-u" not in given
    assert json.loads(option(given, "-b") + option(given, "-a"))["model"] == "simulated"


def test_load_never_goes_to_another_machine() -> None:
    with pytest.raises(TargetError, match="this machine only"):
        load.arguments(Plan("http://192.0.2.1/v1", ("k",)))


def test_what_it_told_becomes_figures() -> None:
    told = [
        "chat 0.1 300.5 1560.0 67 355 abc",
        "chat 0.3 310.5 1570.0 66 - -",
        "error 0.2 HTTP 503",
        "gap 20.0 98",
        "gap 45.0 2",
        'example {"error":{"message":"full"}}',
        "end 2.0000 0.1000",
    ]
    report = load.figures(told, PLAN)
    assert report["scheduled"] == 3
    assert report["completed"] == 2
    assert report["errors"] == {"HTTP 503": 1}
    assert report["error_example"] == '{"error":{"message":"full"}}'
    assert report["first_content_ms"] == {"p50": 300.5, "p90": 310.5, "p99": 310.5, "max": 310.5}
    assert report["text_gaps_ms"] == {"p50": 20.0, "p90": 20.0, "p99": 45.0, "max": 45.0}
    assert report["events_per_chat"] == 66.5
    assert report["sampled_characters"] == {"min": 355, "max": 355}
    assert (report["sampled_answers"], report["sampled_texts"]) == (1, 1)
    assert report["qps"] == 1.0


def test_a_program_that_broke_off_is_no_figure() -> None:
    with pytest.raises(load.LoadError, match="did not tell"):
        load.figures(["chat 0.1 300.5 1560.0 67 355 abc"], PLAN)


async def test_escaped_text_counts_as_the_characters_that_it_stands_for(load_program: Path) -> None:
    texts = [r"\u4e03\u5915\ud83d\ude00\n\"ab", '七夕😀\\n\\"ab', r"\u4e03\u5915\ud83d\ude00\u000a\u0022ab"]

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        body = f'data: {{"choices":[{{"delta":{{"content": "{texts.pop()}"}}}}]}}\r\n\r\ndata: [DONE]\r\n\r\n'.encode()
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + body)
        writer.close()

    hashes = set()
    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
        while texts:
            process = await asyncio.create_subprocess_exec(
                str(load_program),
                *load.arguments(Plan(url, ("k",), mode="idle", seconds=0.01)),
                stdout=asyncio.subprocess.PIPE,
            )
            told, _ = await process.communicate()
            kind, *_, characters, text = told.decode().splitlines()[0].split()
            assert (kind, characters) == ("chat", "7")
            hashes.add(text)
    assert len(hashes) == 1
