import pytest

from bench.peers.figures import ADDED_MS_MAX, Steps, holds
from tests.unit.bench.peers.measured import figures, round_of, window


def climb(rates: tuple[float, ...], capacity: float) -> tuple[list[float], float]:
    """Which rates are measured of a peer that holds so much, and what it is said to hold."""
    steps, asked = Steps(rates), []
    while (rate := steps.next()) is not None:
        asked.append(rate)
        steps.told(rate, held=rate <= capacity)
    return asked, steps.held


def test_rates_double_while_they_are_held_and_then_close_in() -> None:
    assert climb((10, 25, 50, 100), 300) == ([10, 25, 50, 100, 200, 400, 283, 336], 283)


def test_rates_that_are_always_measured_are_measured_although_they_fail() -> None:
    assert climb((10, 25, 50, 100), 40) == ([10, 25, 50, 100, 35, 42], 35)


def test_a_peer_that_holds_nothing_is_not_asked_for_more() -> None:
    assert climb((10, 25), 5) == ([10, 25], 0)


def test_a_climb_ends() -> None:
    assert climb((100,), 1_000_000) == ([100, 200, 400, 800, 1600], 1600)


def test_without_a_climb_only_the_given_rates_are_measured() -> None:
    steps = Steps((25, 100), climbs=False)
    for rate in (25, 100):
        assert steps.next() == rate
        steps.told(rate, held=True)
    assert steps.next() is None


def test_a_rate_above_one_that_failed_is_luck() -> None:
    steps = Steps((10, 25, 50))
    for rate, held in ((10, True), (25, False), (50, True)):
        assert steps.next() == rate
        steps.told(rate, held=held)
    assert steps.held == 10


def test_a_rate_is_held_with_all_answers_in_time() -> None:
    baseline = window("realistic")

    def held(added: float, **load: object) -> bool:
        return holds(window("realistic", added, rate=50, load=load), baseline, ADDED_MS_MAX)

    assert held(50)
    assert not held(51)
    assert not held(10, errors={"HTTP 503": 1})
    assert not held(10, qps=40.0)
    assert held(10, qps=40.0, scheduled=5 * 41)  # fewer arrived than were asked for
    assert not held(10, first_content_ms=None)


def test_figures_are_medians_of_the_rounds() -> None:
    found = figures(
        "a",
        round_of(burst=100, idle=5, cpu={25: 8}, held=50),
        round_of(burst=300, idle=9, cpu={25: 4}, held=100),
        round_of(burst=120, idle=6, cpu={25: 5}, held=71),
    )
    assert found.burst_qps() == 120
    assert found.idle_added("p50") == 6
    assert found.idle_added("p99") == 18
    assert found.cpu_ms(25) == 5  # the provider's own is not in it
    assert found.held() == 71
    assert found.hits_qps() is None
    assert found.cpu_ms(400) is None


def test_a_disturbed_window_counts_only_where_there_is_no_other() -> None:
    quiet = round_of(burst=100, idle=5, cpu={})
    stolen = round_of(burst=100, idle=5, cpu={})
    stolen.burst = window("burst", steal=0.2, load={"qps": 20.0})
    assert figures("a", quiet, stolen, stolen).burst_qps() == 100
    assert figures("a", stolen).burst_qps() == 20


@pytest.mark.parametrize(("qps", "kept_up"), [(50.0, True), (40.0, False)])
def test_a_rate_is_kept_up_with_in_most_rounds(qps: float, kept_up: bool) -> None:
    good, other = round_of(burst=1, idle=1, cpu={50: 1}), round_of(burst=1, idle=1, cpu={})
    other.rates[50] = window("realistic", rate=50, load={"qps": qps, "scheduled": 250})
    assert figures("a", good, other, other).kept_up(50) is kept_up
