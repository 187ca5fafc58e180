from bench.peers import musts, tables
from bench.peers.figures import Figures
from tests.unit.bench.peers.measured import figures, round_of


def found() -> dict[str, Figures]:
    portkey = round_of(burst=160, idle=30, cpu={25: 20, 100: 10}, held=60)
    litellm = round_of(burst=10, idle=60, cpu={4: 300}, held=4)
    mesh = round_of(burst=480, idle=9, cpu={10: 24, 25: 8, 100: 10}, held=120, hits=4000)
    services = dict.fromkeys(("gateway", "chat", "moderation", "billing"), 100.0)
    return {
        "Portkey": figures("Portkey", portkey),
        "LiteLLM": figures("LiteLLM", litellm),
        "Queqiao": figures("Queqiao", mesh, idle_mb=services | {"postgres": 900.0}, live_mb=services, live_streams=990),
    }


def test_each_must_is_measured_against_the_peer_that_it_names() -> None:
    lines = {name: (value, verdict) for name, _, _, value, verdict in musts.rows(found(), 3.0)}
    assert lines == {
        "figure": ("measured", ""),
        "bursts, against Portkey": ("3 x", "met"),
        "bursts, against LiteLLM with two workers": ("48 x", "met"),
        "realistic rate held, against Portkey": ("2 x", "met"),
        "the same, chats a second": ("120 /s", "not as wanted"),
        "CPU of a realistic chat at 25/s, against Portkey": ("0.4 x", "as wanted"),
        "the same at 100/s": ("1 x", "met"),
        "CPU at 10/s, against that at 100/s": ("2.4 x", "met"),
        "first text added, idle, against Portkey": ("0.3 x", "met"),
        "hits against misses, in bursts": ("8.33 x", "met"),
        "memory of the four services, idle": ("400 MB", "met"),
        "the same with 1,000 live streams": ("400 MB", "as wanted"),
        "memory that a soak adds": ("3 %", "met"),
    }


def test_what_was_not_measured_is_neither_met_nor_missed() -> None:
    rows = musts.rows({})
    assert {row[-1] for row in rows[1:]} == {"not measured"}
    assert not musts.missed(rows)


def test_one_must_that_is_missed_is_enough() -> None:
    assert musts.missed(musts.rows(found(), 5.1))
    assert not musts.missed(musts.rows(found(), 5.0))


def test_peers_stand_side_by_side() -> None:
    text = tables.render(found())
    lines = {line[:40].strip(): " ".join(line[40:].split()) for line in text.splitlines()}
    assert lines["bursts, QPS"] == "160 10 480"
    assert lines["of so many live streams"] == "990"
    assert "400" in lines["memory, idle, MB"]
    assert "10 / 30 · 10.0" in text


def test_a_table_goes_into_a_document() -> None:
    assert tables.markdown("t", [("a", "b"), ("1", "2")]) == "**t**\n\n| a | b |\n|---|---|\n| 1 | 2 |\n"
