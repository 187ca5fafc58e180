"""What a user is told about an error, in Chinese and English. Pure.

An error is looked up by its reason, and by `REASON.variant` first where its metadata names a variant: `problem`
(what is wrong with a request) or `layer` (who refused a content). Names in braces are the error's metadata, and
`field` and `why` its first wrong field.
"""

from collections.abc import Mapping
from enum import StrEnum

from services.runtime.errors import ServiceError


class Language(StrEnum):
    """The languages that texts exist in."""

    CHINESE = "zh-CN"
    ENGLISH = "en"


TEXTS: Mapping[str, tuple[str, str]] = {
    "INVALID_REQUEST": ("请求有误：{field} {why}。", "The request is wrong: {field} {why}."),
    "INVALID_REQUEST.model_refuses": (
        "模型不接受这些参数或消息，请修改后重试。",
        "The model refuses these parameters or messages: change them.",
    ),
    "INVALID_REQUEST.content_type": (
        "请求体必须是 JSON：请设置请求头 Content-Type: application/json。",
        "The body must be JSON: set the header Content-Type: application/json.",
    ),
    "INVALID_REQUEST.not_utf8": ("请求体不是有效的 UTF-8 文本。", "The body is not valid UTF-8."),
    "INVALID_REQUEST.not_json": (
        "请求体不是有效的 JSON（第 {line} 行，第 {column} 列）。",
        "The body is not valid JSON (line {line}, column {column}).",
    ),
    "INVALID_REQUEST.not_an_object": ("请求体必须是一个 JSON 对象。", "The body must be a JSON object."),
    "INVALID_REQUEST.number": (
        "请求体中含有无法表示的数字。",
        "The body contains a number that cannot be represented.",
    ),
    "INVALID_REQUEST.invalid": ("参数 {field} 无效。", "The parameter {field} is not valid."),
    "INVALID_REQUEST.too_deep": ("请求体的 JSON 嵌套过深。", "The JSON of the body is nested too deeply."),
    "INVALID_REQUEST.duplicate": ("参数 {field} 重复出现。", "The parameter {field} is given twice."),
    "INVALID_REQUEST.unknown": ("不认识的参数 {field}，请检查拼写。", "Unknown parameter {field}: check its spelling."),
    "INVALID_REQUEST.unsupported": (
        "暂不支持参数 {field}，请去掉后重试。",
        "The parameter {field} is not supported yet: leave it out.",
    ),
    "INVALID_REQUEST.missing": ("缺少必填参数 {field}。", "The parameter {field} is required."),
    "INVALID_REQUEST.type": (
        "参数 {field} 的类型应为 {expected}，而不是 {got}。",
        "The parameter {field} must be of type {expected}, not {got}.",
    ),
    "INVALID_REQUEST.range": (
        "参数 {field} 必须在 {low} 到 {high} 之间。",
        "The parameter {field} must be between {low} and {high}.",
    ),
    "INVALID_REQUEST.empty": ("参数 {field} 不能为空。", "The parameter {field} must not be empty."),
    "INVALID_REQUEST.too_many": (
        "参数 {field} 最多只能有 {limit} 项。",
        "The parameter {field} can have at most {limit} items.",
    ),
    "INVALID_REQUEST.too_long": (
        "参数 {field} 最长 {limit} 个字符。",
        "The parameter {field} can have at most {limit} characters.",
    ),
    "INVALID_REQUEST.characters": (
        "参数 {field} 含有控制字符或不完整的字符，请去掉后重试。",
        "The parameter {field} contains control characters or broken characters: remove them.",
    ),
    "INVALID_REQUEST.id": (
        "参数 {field} 只能由 1 到 64 个字母、数字、下划线或连字符组成。",
        "The parameter {field} must be 1 to 64 letters, digits, underscores or hyphens.",
    ),
    "INVALID_REQUEST.role": (
        "参数 {field} 必须是 system、developer、user、assistant 或 tool。",
        "The parameter {field} must be system, developer, user, assistant or tool.",
    ),
    "INVALID_REQUEST.part": (
        "参数 {field} 只支持文本（text）。",
        "The parameter {field} supports text only.",
    ),
    "INVALID_REQUEST.mixed": (
        "参数 {field} 的各项必须都是字符串，或都是文本片段（text），不能混用。",
        "The items of the parameter {field} must all be strings or all be parts of type text.",
    ),
    "INVALID_REQUEST.cursor": (
        "参数 {field} 必须是上一页返回的 next_cursor。",
        "The parameter {field} must be the next_cursor of the page before.",
    ),
    "INVALID_REQUEST.date": (
        "参数 {field} 必须是 2000 到 2099 年间的日期，格式为 YYYY-MM-DD。",
        "The parameter {field} must be a date between 2000 and 2099, as YYYY-MM-DD.",
    ),
    "INVALID_REQUEST.after_end": ("开始日期不能晚于结束日期。", "The start must not be after the end."),
    "INVALID_REQUEST.too_many_days": (
        "起止日期最多相隔 {limit} 天，请缩短范围。",
        "At most {limit} days can be asked for at once: choose fewer.",
    ),
    "INVALID_REQUEST.one_of": (
        "参数 {field} 必须是以下之一：{allowed}。",
        "The parameter {field} must be one of {allowed}.",
    ),
    "INVALID_REQUEST.one_needed": (
        "参数 {field} 和 {other} 必须提供其中一个。",
        "One of the parameters {field} and {other} is required.",
    ),
    "INVALID_REQUEST.one_allowed": (
        "参数 {field} 和 {other} 只能提供其中一个。",
        "Only one of the parameters {field} and {other} can be given.",
    ),
    "INVALID_REQUEST.system_only": (
        "与 {other} 一起使用时，{field} 只能包含 system 消息。",
        "Beside {other}, {field} can hold system messages only.",
    ),
    "INVALID_REQUEST.parameter": (
        "该模型不支持参数 {parameter}，请去掉它。",
        "This model does not take the parameter {parameter}: leave it out.",
    ),
    "INVALID_REQUEST.key": (
        "请求头 {field} 必须是 1 到 255 个可见的 ASCII 字符。",
        "The header {field} must be 1 to 255 visible ASCII characters.",
    ),
    "INVALID_REQUEST.event_id": (
        "{field} 必须是该流中某个事件的 id。",
        "{field} must be the id of an event of this stream.",
    ),
    "INVALID_REQUEST.message_id": (
        "参数 {field} 必须是会话中一条消息的 id。",
        "The parameter {field} must be the id of a message of the conversation.",
    ),
    "INVALID_REQUEST.no_openid": (
        "该账号不是微信用户，只能扫码支付：请将 {field} 设为 native。",
        "This account is no user of WeChat, so only a code to scan can be paid: set {field} to native.",
    ),
    "INVALID_REQUEST.no_session": (
        "微信登录已失效，请重新登录后再支付。",
        "The login with WeChat is no longer valid: log in again, then pay.",
    ),
    "CONTEXT_TOO_LONG": (
        "内容超出了模型的上下文长度，请缩短后重试。",
        "The messages do not fit into the model's context: shorten them.",
    ),
    "INVALID_LOGIN_CODE": (
        "登录凭证无效或已被使用，请重新登录。",
        "The login code is not valid or was used before: log in again.",
    ),
    "LOGIN_BLOCKED": ("微信判定该账号存在风险，暂时无法登录。", "WeChat has blocked this account from logging in."),
    "INVALID_API_KEY": (
        "令牌缺失或无效：请重新登录，或在请求头 Authorization: Bearer 中提供有效的 API Key。",
        "The token is missing or not valid: log in again, or send a valid API key as Authorization: Bearer.",
    ),
    "INVALID_REFRESH_TOKEN": ("登录已失效，请重新登录。", "The session has ended: log in again."),
    "INSUFFICIENT_QUOTA": ("余额不足，请充值后再试。", "The wallet does not cover this request: top it up."),
    "CONTENT_REFUSED": ("内容包含违规信息", "The content is not allowed."),
    "CONTENT_REFUSED.lexicon": ("内容包含违规信息", "The content is not allowed."),
    "CONTENT_REFUSED.wechat": ("请修改您的提问", "Please change your question."),
    "CONTENT_REFUSED.openai": ("提问涉及敏感话题", "The question touches a sensitive topic."),
    "MODERATION_UNAVAILABLE": (
        "内容审核服务暂时没有响应，请稍后再试。",
        "Moderation does not answer: try again shortly.",
    ),
    "MODEL_NOT_FOUND": (
        "没有名为 {model} 的模型，可用 GET /v1/models 查看。",
        "There is no model {model}: GET /v1/models lists those there are.",
    ),
    "CONVERSATION_NOT_FOUND": ("会话不存在。", "There is no such conversation."),
    "MESSAGE_NOT_FOUND": (
        "会话中没有这条消息，或不能对它这样做。",
        "The conversation has no such message, or none that this can be done with.",
    ),
    "TURN_NOT_FOUND": (
        "没有这次回答，或它的内容已过期，请重新提问。",
        "There is no such stream, or it is not kept any more: ask again.",
    ),
    "TURN_LOST": (
        "回答意外中断，已生成的部分已保留；可以请求继续。",
        "The answer broke off; ask for the rest.",
    ),
    "WALLET_NOT_FOUND": ("余额为零，请先充值或领取额度。", "There is no credit yet: top up or ask for some."),
    "RESERVATION_NOT_FOUND": (
        "没有这次对话的账单，请检查 request_id。",
        "There is no receipt of this turn: check the request_id.",
    ),
    "RESERVATION_CLOSED": ("这次对话已经结算。", "This turn has already been settled."),
    "ORDER_NOT_FOUND": ("订单不存在。", "There is no such order."),
    "PACKAGE_NOT_FOUND": (
        "没有这个套餐，可用 GET /v1/packages 查看。",
        "There is no such package: GET /v1/packages lists those there are.",
    ),
    "CHANNEL_UNAVAILABLE": (
        "暂不支持这种支付方式，请换一种：GET /v1/packages 会列出每个套餐可用的方式。",
        "This cannot be paid that way: choose another channel, GET /v1/packages lists them for each package.",
    ),
    "ORDER_CLOSED": (
        "该订单已关闭，请重新下单。",
        "This order was closed: make a new one, with another Idempotency-Key.",
    ),
    "ORDER_NOT_PAID": ("订单尚未支付，无法退款。", "The order has not been paid, so nothing can be refunded."),
    "PAYMENT_REFUSED": (
        "微信支付拒绝了这笔交易，请换一种支付方式或联系客服。",
        "The payment provider refused: pay another way, or ask for help.",
    ),
    "PAYMENT_UNAVAILABLE": (
        "微信支付暂时没有响应，请稍后用同一个 Idempotency-Key 重试，不会重复下单。",
        "The payment provider does not answer: try again shortly with the same Idempotency-Key, which makes no second "
        "order.",
    ),
    "REFUND_UNDER_WAY": (
        "该订单已有一笔退款正在处理，请等它结束后再试。",
        "Another refund of this order is under way: try again when it has ended.",
    ),
    "REFUND_TOO_LARGE": (
        "退款金额超过了这笔充值的剩余金额。",
        "This is more than what is left of the top-up.",
    ),
    "TOO_MANY_ORDERS": (
        "待支付的订单过多（最多 {limit} 个），请先支付，或等待其关闭。",
        "Too many orders wait for payment (at most {limit}): pay one, or wait until they are closed.",
    ),
    "ROUTE_NOT_FOUND": (
        "没有这个接口，请检查请求的路径。",
        "There is nothing at this path: check the URL.",
    ),
    "METHOD_NOT_ALLOWED": ("该接口只支持 {allow} 方法。", "This path takes {allow} only."),
    "REQUEST_CONFLICT": (
        "同一个请求编号已用于其他内容，请换一个。",
        "This request id was used for something else: use another.",
    ),
    "REQUEST_TOO_LARGE": ("请求体过大，最多 {limit} 字节。", "The body is too large: at most {limit} bytes."),
    "RATE_LIMITED": ("请求过于频繁，请稍后再试。", "Too many requests: try again shortly."),
    "TOO_MANY_TURNS": (
        "同时进行的对话过多（最多 {limit} 个），请等待其中一个结束。",
        "Too many turns are running at once (at most {limit}): wait for one to end.",
    ),
    "UPSTREAM_ERROR": ("模型服务出错，请稍后再试。", "The model failed: try again shortly."),
    "UPSTREAM_BUSY": ("模型服务繁忙，请稍后再试。", "The model is busy: try again shortly."),
    "UPSTREAM_TIMEOUT": ("模型响应超时，请稍后再试。", "The model took too long: try again shortly."),
    "SERVICE_UNAVAILABLE": ("服务暂时不可用，请稍后再试。", "The service is not available: try again shortly."),
    "INTERNAL": ("服务出现意外错误，已记录。", "An unexpected error happened; it has been logged."),
}


def text(error: ServiceError, language: Language) -> str:
    """The sentence for this error; one whose reason has no text of its own gets that of INTERNAL."""
    variant = error.metadata.get("problem") or error.metadata.get("layer") or ""
    field, why = next(iter(error.fields.items()), ("", ""))
    facts = _Facts({"field": field, "why": why, **error.metadata})
    return _template(error.wire_reason, variant, language).format_map(facts)


def refusal(layer: str, language: Language) -> str:
    """The sentence for a content that this layer of moderation refuses."""
    return _template("CONTENT_REFUSED", layer, language)


def language(accept_language: str | None) -> Language:
    """The best of our languages for an Accept-Language header (RFC 9110, 12.5.4); Chinese unless English wins."""
    best, best_quality = Language.CHINESE, 0.0
    for item in (accept_language or "").split(","):
        tag, _, parameter = item.strip().partition(";")
        spoken = {"zh": Language.CHINESE, "en": Language.ENGLISH}.get(tag.strip().lower().partition("-")[0])
        quality = _quality(parameter)
        if spoken is not None and quality > best_quality:
            best, best_quality = spoken, quality
    return best


def _template(reason: str, variant: str, language: Language) -> str:
    both = TEXTS.get(f"{reason}.{variant}") or TEXTS.get(reason) or TEXTS["INTERNAL"]
    return both[0 if language is Language.CHINESE else 1]


def _quality(parameter: str) -> float:
    name, _, value = parameter.strip().partition("=")
    if name.strip() != "q":
        return 1.0
    try:
        return float(value)
    except ValueError:
        return 0.0


class _Facts(dict[str, str]):
    """Metadata of an error; a fact that it does not carry is left out of the sentence."""

    def __missing__(self, name: str) -> str:
        return ""
