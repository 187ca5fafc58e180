"""What a turn cost and why, in one sentence for its user. Pure."""

from collections.abc import Mapping

from services.gateway.edge.messages import Language
from services.gateway.wallet.domain import Receipt, TokenUsage
from services.gateway.wallet.money import yuan

# By `state`, or `settled.outcome` for what was charged. Names in braces are facts of the receipt; amounts are in yuan.
TEXTS: Mapping[str, tuple[str, str]] = {
    "reserved": (
        "本次对话仍在进行：已预留 {reserved} 元，结束后按实际用量收费，其余退回。",
        "The turn is still running: CNY {reserved} is set aside; it will be charged for what it used, and the rest "
        "comes back.",
    ),
    "settled.completed": (
        "回答完整，按 {input_tokens} 个输入和 {output_tokens} 个输出词元收费 {charged} 元。",
        "The answer is whole: {input_tokens} input and {output_tokens} output tokens cost CNY {charged}.",
    ),
    "settled.cancelled": (
        "您中途停止了回答或断开了连接：只收取停止前已产生的部分（{input_tokens} 个输入和 {output_tokens} 个输出"
        "词元），共 {charged} 元。",
        "You stopped the answer or went away: only what had been produced until then ({input_tokens} input and "
        "{output_tokens} output tokens) was charged, CNY {charged}.",
    ),
    "settled.failed": (
        "模型或服务中途出错：只收取出错前已产生的部分（{input_tokens} 个输入和 {output_tokens} 个输出词元），"
        "共 {charged} 元。",
        "The model or a service failed on the way: only what had been produced until then ({input_tokens} input and "
        "{output_tokens} output tokens) was charged, CNY {charged}.",
    ),
    "settled.refused": (
        "回答未通过内容审核而中止：只收取中止前模型已产生的部分（{input_tokens} 个输入和 {output_tokens} 个输出"
        "词元），共 {charged} 元。",
        "Moderation refused the answer: only what the model had produced until then ({input_tokens} input and "
        "{output_tokens} output tokens) was charged, CNY {charged}.",
    ),
    "settled": (
        "按 {input_tokens} 个输入和 {output_tokens} 个输出词元收费 {charged} 元。",
        "{input_tokens} input and {output_tokens} output tokens cost CNY {charged}.",
    ),
    "settled.nothing": (
        "没有产生任何内容，未收费，预留的 {reserved} 元已全部退回。",
        "Nothing was produced, so nothing was charged: the CNY {reserved} set aside came back.",
    ),
    "released": (
        "本次对话没有产生任何内容，未收费，预留的 {reserved} 元已全部退回。",
        "The turn produced nothing and cost nothing: the CNY {reserved} set aside came back.",
    ),
    "expired": (
        "本次对话未能正常结束，预留已过期：未收费，预留的 {reserved} 元已全部退回。",
        "The turn was not closed in time, so its reservation expired: it cost nothing, and the CNY {reserved} set "
        "aside came back.",
    ),
    "reversed": (
        "本次对话曾收费 {charged} 元，现已由管理员全额退回。",
        "The turn was charged CNY {charged}, and an operator has given all of it back.",
    ),
    "": (
        "本次对话收费 {charged} 元。",
        "The turn was charged CNY {charged}.",
    ),
}


def explanation(receipt: Receipt, language: Language) -> str:
    """The sentence for this receipt; one in a state that is newer than we are gets the plainest."""
    both = TEXTS.get(_key(receipt)) or TEXTS.get(receipt.state) or TEXTS[""]
    usage = receipt.usage or TokenUsage()
    return both[0 if language is Language.CHINESE else 1].format(
        reserved=yuan(receipt.reserved_micros),
        charged=yuan(receipt.charged_micros),
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
    )


def _key(receipt: Receipt) -> str:
    if receipt.state != "settled":
        return receipt.state
    if receipt.usage == TokenUsage():
        return "settled.nothing"
    return f"settled.{receipt.outcome}"
