import json
from pathlib import Path

import pytest

from bench.plots import Plot, draw
from bench.soak import Sample, growth, last_growth, render
from tests.unit.bench.peers.measured import window

SERVICES = ("gateway", "chat", "moderation", "billing")


def samples(*chat_mb: float) -> list[Sample]:
    memory = dict.fromkeys(SERVICES, 100.0) | {"postgres": 50.0}
    return [
        Sample(number * 10.0, memory | {"chat": mb}, memory | {"chat": 2 * mb}) for number, mb in enumerate(chat_mb)
    ]


def test_growth_is_the_last_fifth_against_the_first() -> None:
    taken = samples(100, 100, 500, 100, 100, 100, 100, 1, 120, 110)
    assert growth(taken, "chat") == pytest.approx((100, 115, 15))
    assert growth(taken, "chat", resident=True) == pytest.approx((200, 230, 15))
    assert growth(taken, "services") == pytest.approx((400, 415, 3.75))
    assert growth(taken, "postgres") == (50, 50, 0)


def test_a_few_samples_say_nothing() -> None:
    assert growth(samples(1, 2, 3, 4), "chat") is None
    assert "-" in render(samples(1, 2, 3, 4), window("soak"))


def test_the_table_says_what_grew() -> None:
    text = render(samples(100, 100, 100, 100, 110), window("soak"))
    line = next(line for line in text.splitlines() if line.startswith("chat"))
    assert line.split()[1:4] == ["100.0", "110.0", "+10.0"]
    assert "errors: none" in text


def test_the_last_soak_is_remembered_if_it_was_long_enough(tmp_path: Path) -> None:
    file = tmp_path / "soak.json"
    assert last_growth(file) is None
    for minutes, told in ((2, None), (30, 2.0)):
        file.write_text(json.dumps({"minutes": minutes, "growth": {"services": [400.0, 408.0, 2.0]}}))
        assert last_growth(file) == told


@pytest.mark.parametrize("logarithmic", [True, False])
def test_a_picture_is_drawn(tmp_path: Path, logarithmic: bool) -> None:
    file = tmp_path / "pictures" / "a.png"
    lines = {"one": [(10.0, 1.0), (100.0, 5.0)], "none": []}
    draw(Plot("title", "x", "y", lines, logarithmic=logarithmic, bound=2.0 if logarithmic else None), file)
    assert file.read_bytes().startswith(b"\x89PNG")
