"""What moderation and billing are asked, and what they answer."""

from queqiao.billing.v1 import billing_pb2
from queqiao.moderation.v1 import moderation_pb2

from services.chat.domain import Outcome, Prepayment, Source, Usage
from services.chat.ports import Bill, Window
from services.chat.verdicts import InputCheck, OutputPlan, Review, Screened, Verdict

_LAYERS = {
    moderation_pb2.LAYER_LEXICON: "lexicon",
    moderation_pb2.LAYER_LEARNED: "learned",
    moderation_pb2.LAYER_WECHAT: "wechat",
    moderation_pb2.LAYER_OPENAI: "openai",
}

_REVIEWS = {
    moderation_pb2.REVIEW_UNSPECIFIED: Review.NONE,
    moderation_pb2.REVIEW_BESIDE: Review.BESIDE,
    moderation_pb2.REVIEW_BEFORE: Review.BEFORE,
}

_OUTCOMES = {
    Outcome.COMPLETED: billing_pb2.TURN_OUTCOME_COMPLETED,
    Outcome.CANCELLED: billing_pb2.TURN_OUTCOME_CANCELLED,
    Outcome.FAILED: billing_pb2.TURN_OUTCOME_FAILED,
    Outcome.REFUSED: billing_pb2.TURN_OUTCOME_REFUSED,
}

_SOURCES = {
    Source.MODEL: billing_pb2.ANSWER_SOURCE_MODEL,
    Source.CACHE: billing_pb2.ANSWER_SOURCE_CACHE,
}


def verdict(verdict: moderation_pb2.Verdict) -> Verdict:
    """A judgement."""
    return Verdict(verdict.refused, _LAYERS.get(verdict.layer, ""), verdict.label)


def input_check(response: moderation_pb2.CheckInputResponse) -> InputCheck:
    """The lexicon's judgement of a question, and what is still to be asked."""
    plan = OutputPlan(
        # A way of asking that is younger than this code is the careful one.
        review=_REVIEWS.get(response.output.review, Review.BEFORE),
        referred_only=response.output.referred_only,
        passage_characters=max(response.output.passage_characters, 1),
        overlap_characters=max(response.output.overlap_characters, 0),
    )
    review = _REVIEWS.get(response.review, Review.BEFORE)
    return InputCheck(verdict(response.verdict), review, plan, response.version)


def output_window(window: Window) -> moderation_pb2.OutputWindow:
    """What is to be screened."""
    return moderation_pb2.OutputWindow(
        request_id=window.question.request_id,
        user_id=window.question.user_id,
        text=window.text,
        preceding=window.preceding,
        last=window.last,
        traceparent=window.traceparent,
    )


def screened(result: moderation_pb2.WindowResult, version: str) -> Screened:
    """What may be released."""
    return Screened(result.released_characters, verdict(result.verdict), result.referred, version)


def settle_request(bill: Bill) -> billing_pb2.SettleRequest:
    """What billing is to charge."""
    return billing_pb2.SettleRequest(
        request_id=bill.ledger_id,
        user_id=bill.user_id,
        usage=_usage(bill.usage),
        outcome=_OUTCOMES[bill.outcome],
        source=_SOURCES[bill.source],
        lost=None if bill.lost is None else _usage(bill.lost),
    )


def charge_request(prepayment: Prepayment) -> billing_pb2.ChargeRequest:
    """What billing is to charge at once, or to void; the model is asked for nothing that is paid for in advance."""
    return billing_pb2.ChargeRequest(
        request_id=prepayment.ledger_id,
        user_id=prepayment.user_id,
        model=prepayment.price,
        usage=_usage(prepayment.usage),
        source=_SOURCES[Source.CACHE],
        run_id=prepayment.run,
    )


def _usage(usage: Usage) -> billing_pb2.Usage:
    return billing_pb2.Usage(
        input_tokens=usage.input, cached_input_tokens=usage.cached_input, output_tokens=usage.output
    )
