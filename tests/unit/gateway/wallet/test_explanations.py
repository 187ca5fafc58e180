"""Why a turn cost what it cost."""

import pytest
from queqiao.billing.v1 import billing_pb2

from services.gateway.edge.catalogues import catalogue
from services.gateway.edge.languages import Language
from services.gateway.wallet.convert import receipt as converted
from services.gateway.wallet.domain import Receipt
from services.gateway.wallet.explanations import explanation


def receipt(state: str, outcome: str = "UNSPECIFIED", charged_micros: int = 3_195, output_tokens: int = 500) -> Receipt:
    charged = state in ("SETTLED", "REVERSED")
    return converted(
        billing_pb2.Receipt(
            request_id="req_1",
            state=billing_pb2.ReceiptState.Value(f"RECEIPT_STATE_{state}"),
            outcome=billing_pb2.TurnOutcome.Value(f"TURN_OUTCOME_{outcome}"),
            usage=billing_pb2.Usage(input_tokens=2 * output_tokens, output_tokens=output_tokens) if charged else None,
            reserved_micros=20_000,
            charged_micros=charged_micros,
        )
    )


@pytest.mark.parametrize(
    ("turn", "chinese", "english"),
    [
        (receipt("SETTLED", "COMPLETED"), "收费 0.003195 元", "cost CNY 0.003195"),
        (receipt("SETTLED", "CANCELLED"), "停止前已产生的部分（1000 个输入和 500 个输出", "You stopped the answer"),
        (receipt("SETTLED", "FAILED"), "出错前已产生的部分", "failed on the way"),
        (receipt("SETTLED", "REFUSED"), "未通过内容审核", "Moderation refused"),
        (receipt("SETTLED"), "收费 0.003195 元", "cost CNY 0.003195"),
        (receipt("SETTLED", "CANCELLED", 0, 0), "预留的 0.02 元已全部退回", "the CNY 0.02 set aside came back"),
        (receipt("RELEASED", charged_micros=0), "未收费", "cost nothing"),
        (receipt("EXPIRED", charged_micros=0), "已过期", "expired"),
        (receipt("RESERVED", charged_micros=0), "仍在进行", "still running"),
        (receipt("REVERSED", "COMPLETED"), "0.003195 元，现已由管理员全额退回", "given all of it back"),
        (receipt("UNSPECIFIED"), "收费 0.003195 元", "charged CNY 0.003195"),
    ],
)
def test_every_end_of_a_turn_says_what_it_cost_and_why(turn: Receipt, chinese: str, english: str) -> None:
    assert chinese in explanation(turn, Language.CHINESE)
    assert english in explanation(turn, Language.ENGLISH)


def test_every_state_and_outcome_has_a_sentence() -> None:
    states = {name.removeprefix("RECEIPT_STATE_").lower() for name in billing_pb2.ReceiptState.keys()}  # noqa: SIM118  # not a dict
    outcomes = {name.removeprefix("TURN_OUTCOME_").lower() for name in billing_pb2.TurnOutcome.keys()}  # noqa: SIM118  # as above
    needed = {f"receipt-{state}" for state in states} | {f"receipt-settled.{outcome}" for outcome in outcomes}
    assert needed - {"receipt-unspecified", "receipt-settled.unspecified"} <= catalogue(Language.CHINESE).names
