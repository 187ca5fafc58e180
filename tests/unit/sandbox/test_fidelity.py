"""How two models are compared."""

import math

import pytest

from sandbox.quantize.fidelity import Position, compare


def test_a_model_is_as_good_as_itself() -> None:
    positions = [Position({1: -0.1, 2: -2.0}, follows=1), Position({3: -0.5, 1: -1.0}, follows=1)]
    report = compare(positions, positions)
    assert (report.positions, report.same_first, report.mean_difference) == (2, 1.0, 0.0)
    assert report.perplexity_before == report.perplexity_after == pytest.approx(math.exp((0.1 + 1.0) / 2))


def test_differences_are_of_the_tokens_that_both_expect() -> None:
    before = [Position({1: -0.2, 2: -1.0, 3: -3.0}, follows=1), Position({5: -0.1}, follows=5)]
    after = [Position({2: -0.5, 1: -1.2}, follows=1), Position({5: -0.1}, follows=5)]
    report = compare(before, after)
    assert report.mean_difference == pytest.approx((1.0 + 0.5 + 0.0) / 3)
    assert report.same_first == 0.5
    assert report.perplexity_after > report.perplexity_before


def test_a_token_that_nobody_expected_counts_as_the_least_expected() -> None:
    assert Position({1: -0.2, 2: -4.0}, follows=9).follows_logprob == -4.0
