"""What an order may ask for. The table of bad bodies is in the integration tests of orders."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gateway.orders.convert import order_request
from services.gateway.orders.domain import Channel, Payer, Purchase
from services.gateway.orders.purchases import idempotency_key, purchase
from services.runtime.errors import InvalidRequestError


def parsed(**body: Any) -> Purchase:
    return purchase(json.dumps(body).encode())


@pytest.mark.parametrize("channel", list(Channel))
def test_a_package_or_a_number_of_tokens_is_bought(channel: Channel) -> None:
    assert parsed(package_id="starter", channel=channel) == Purchase(channel, "starter")
    assert parsed(tokens=1_000, channel=channel) == Purchase(channel, tokens=1_000)
    assert parsed(tokens=None, package_id="starter", channel=channel) == Purchase(channel, "starter")


def test_a_key_is_the_callers_or_a_new_one() -> None:
    assert idempotency_key("a-key_1", "req_1") == "a-key_1"
    assert idempotency_key(None, "req_1") == "req_1"
    for bad in ("", "a b", "x" * 65, "é"):
        with pytest.raises(InvalidRequestError) as caught:
            idempotency_key(bad, "req_1")
        assert list(caught.value.fields) == ["Idempotency-Key"]


VALUES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=70) | st.lists(st.integers())


@given(
    body=st.fixed_dictionaries(
        {},
        optional={
            "channel": st.sampled_from(list(Channel)) | VALUES,
            "package_id": VALUES,
            "tokens": st.integers(0, 200_000_000) | VALUES,
            "x": VALUES,
        },
    )
)
def test_any_json_is_a_purchase_that_fits_the_wire_or_refused(body: dict[str, Any]) -> None:
    refusal = None
    try:
        found = purchase(json.dumps(body).encode())
    except InvalidRequestError as error:
        refusal = error
    if refusal is not None:
        assert refusal.metadata["problem"]
        str(refusal.fields).encode()
    else:
        request = order_request("req_1", "usr_1", found, Payer("192.0.2.1"))
        assert request.SerializeToString()
        assert request.WhichOneof("item") == ("package_id" if found.package_id else "tokens")
