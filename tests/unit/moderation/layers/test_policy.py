"""Who is asked about which text."""

import pytest

from services.moderation.domain import Direction, Layer, Review
from services.moderation.layers.policy import Ask, Mode, OpenAIPolicy, Policy, WeChatPolicy, is_due, review_of


def due(policy: WeChatPolicy, request_id: str = "req_1", *, referred: bool = False) -> bool:
    return is_due(policy, Layer.WECHAT, Direction.INPUT, request_id, referred=referred)


def test_a_layer_that_is_off_is_never_asked() -> None:
    assert not due(WeChatPolicy(input=Mode.OFF), referred=True)


def test_a_layer_asked_of_all_is_asked_of_every_text() -> None:
    assert due(WeChatPolicy(ask_input=Ask.ALL))


def test_a_layer_asked_for_review_is_asked_only_of_what_is_referred() -> None:
    policy = WeChatPolicy(ask_input=Ask.REVIEW)
    assert (due(policy), due(policy, referred=True)) == (False, True)


@pytest.mark.parametrize(("share", "expected"), [(0.0, 0), (1.0, 2000)])
def test_none_and_all_are_shares_too(share: float, expected: int) -> None:
    policy = WeChatPolicy(ask_input=share)
    assert sum(due(policy, f"req_{n}") for n in range(2000)) == expected


def test_a_share_is_about_that_share_of_the_requests_and_always_the_same_ones() -> None:
    policy = WeChatPolicy(ask_input=0.25)
    first = [due(policy, f"req_{n}") for n in range(2000)]
    assert 400 < sum(first) < 600
    assert first == [due(policy, f"req_{n}") for n in range(2000)]
    assert all(due(policy, f"req_{n}", referred=True) for n in range(2000))


def test_layers_and_directions_are_sampled_apart() -> None:
    policy = WeChatPolicy(ask_input=0.5, ask_output=0.5)
    drawn = {
        (layer, direction): tuple(is_due(policy, layer, direction, f"req_{n}", referred=False) for n in range(100))
        for layer in (Layer.WECHAT, Layer.OPENAI)
        for direction in Direction
    }
    assert len(set(drawn.values())) == 4


@pytest.mark.parametrize(
    ("modes", "expected"),
    [
        ([], Review.NONE),
        ([Mode.PARALLEL], Review.BESIDE),
        ([Mode.PARALLEL, Mode.BEFORE], Review.BEFORE),
    ],
)
def test_a_layer_that_must_come_first_makes_all_come_first(modes: list[Mode], expected: Review) -> None:
    assert review_of(modes) is expected


def test_the_version_changes_with_the_policy_and_only_with_it() -> None:
    assert Policy().version == Policy().version
    assert Policy().version != Policy(wechat=WeChatPolicy(timeout_s=1.0)).version


def test_a_category_that_nobody_maps_is_reported_as_other() -> None:
    policy = OpenAIPolicy(labels={"violence": 20003})
    assert [policy.label(category) for category in ("violence", "sexual", "new-one")] == [20003, 20002, 21000]
