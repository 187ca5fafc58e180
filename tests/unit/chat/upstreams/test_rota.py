"""Whose turn it is."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.chat.upstreams.rota import Rota


def test_each_is_chosen_by_its_weight_evenly_spread() -> None:
    rota = Rota(lambda: 0.0)
    assert "".join(rota.pick({"a": 5, "b": 1, "c": 1}) for _ in range(7)) == "aabacaa"


@given(weights=st.dictionaries(st.sampled_from("abcdef"), st.integers(1, 9), min_size=1), begin=st.floats(0, 1))
def test_in_every_round_each_has_its_share_wherever_it_began(weights: dict[str, int], begin: float) -> None:
    rota = Rota(lambda: begin)
    total = sum(weights.values())
    counts = Counter(rota.pick(weights) for _ in range(10 * total))
    for name, weight in weights.items():
        assert counts[name] == pytest.approx(10 * weight, abs=2)


def test_who_is_away_is_not_chosen_and_does_not_save_up() -> None:
    rota = Rota(lambda: 0.0)
    assert {rota.pick({"b": 1}) for _ in range(50)} == {"b"}
    assert Counter(rota.pick({"a": 1, "b": 1}) for _ in range(10)) == {"a": 5, "b": 5}
