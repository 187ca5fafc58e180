# 用户看到的每一句话。消息名是错误的原因（大写），属性是它的变体：请求哪里不对（problem），或哪一层审核拒绝（layer）。
# 花括号中是错误附带的事实；field 和 why 是第一个有误的字段及原因。

## 错误

INVALID_REQUEST = 请求有误：{ $field } { $why }。
    .model_refuses = 模型不接受这些参数或消息，请修改后重试。
    .content_type = 请求体必须是 JSON：请设置请求头 Content-Type: application/json。
    .not_packed = 请求体与 Content-Encoding: { $encoding } 不符，无法解压。
    .not_utf8 = 请求体不是有效的 UTF-8 文本。
    .not_json = 请求体不是有效的 JSON（第 { $line } 行，第 { $column } 列）。
    .not_an_object = 请求体必须是一个 JSON 对象。
    .number = 请求体中含有无法表示的数字。
    .invalid = 参数 { $field } 无效。
    .too_deep = 请求体的 JSON 嵌套过深。
    .duplicate = 参数 { $field } 重复出现。
    .unknown = 不认识的参数 { $field }，请检查拼写。
    .unsupported = 暂不支持参数 { $field }，请去掉后重试。
    .missing = 缺少必填参数 { $field }。
    .type = 参数 { $field } 的类型应为 { $expected }，而不是 { $got }。
    .range = 参数 { $field } 必须在 { $low } 到 { $high } 之间。
    .empty = 参数 { $field } 不能为空。
    .too_many = 参数 { $field } 最多只能有 { $limit } 项。
    .too_long = 参数 { $field } 最长 { $limit } 个字符。
    .characters = 参数 { $field } 含有控制字符或不完整的字符，请去掉后重试。
    .id = 参数 { $field } 只能由 1 到 64 个字母、数字、下划线或连字符组成。
    .role = 参数 { $field } 必须是 system、developer、user、assistant 或 tool。
    .part = 参数 { $field } 只支持文本（text）。
    .mixed = 参数 { $field } 的各项必须都是字符串，或都是文本片段（text），不能混用。
    .cursor = 参数 { $field } 必须是上一页返回的 next_cursor。
    .date = 参数 { $field } 必须是 2000 到 2099 年间的日期，格式为 YYYY-MM-DD。
    .after_end = 开始日期不能晚于结束日期。
    .too_many_days = 起止日期最多相隔 { $limit } 天，请缩短范围。
    .one_of = 参数 { $field } 必须是以下之一：{ $allowed }。
    .one_needed = 参数 { $field } 和 { $other } 必须提供其中一个。
    .one_allowed = 参数 { $field } 和 { $other } 只能提供其中一个。
    .system_only = 与 { $other } 一起使用时，{ $field } 只能包含 system 消息。
    .parameter = 该模型不支持参数 { $parameter }，请去掉它。
    .key = 请求头 { $field } 必须是 1 到 255 个可见的 ASCII 字符。
    .event_id = { $field } 必须是该流中某个事件的 id。
    .message_id = 参数 { $field } 必须是会话中一条消息的 id。
    .no_openid = 该账号不是微信用户，只能扫码支付：请将 { $field } 设为 native。
    .turn_running = 这个连接上还有 { $field } 相同的对话在进行，请换一个。
    .no_turn = 这个连接上没有该 { $field } 的对话在进行。
    .no_session = 微信登录已失效，请重新登录后再支付。
CONTEXT_TOO_LONG = 内容超出了模型的上下文长度，请缩短后重试。
INVALID_LOGIN_CODE = 登录凭证无效或已被使用，请重新登录。
LOGIN_BLOCKED = 微信判定该账号存在风险，暂时无法登录。
INVALID_API_KEY = 令牌缺失或无效：请重新登录，或在请求头 Authorization: Bearer 中提供有效的 API Key。
INVALID_REFRESH_TOKEN = 登录已失效，请重新登录。
INSUFFICIENT_QUOTA = 余额不足，请充值后再试。
CONTENT_REFUSED = 内容包含违规信息
    .lexicon = 内容包含违规信息
    .wechat = 请修改您的提问
    .openai = 提问涉及敏感话题
MODERATION_UNAVAILABLE = 内容审核服务暂时没有响应，请稍后再试。
MODEL_NOT_FOUND = 没有名为 { $model } 的模型，可用 GET /v1/models 查看。
MODEL_NOT_PRICED = 模型 { $model } 还没有价格，暂不能使用：管理员可用 queqiao prices set --model { $model } 添加。
CONVERSATION_NOT_FOUND = 会话不存在。
MESSAGE_NOT_FOUND = 会话中没有这条消息，或不能对它这样做。
TURN_NOT_FOUND = 没有这次回答，或它的内容已过期，请重新提问。
TURN_LOST = 回答意外中断，已生成的部分已保留；可以请求继续。
WALLET_NOT_FOUND = 余额为零，请先充值或领取额度。
RESERVATION_NOT_FOUND = 没有这次对话的账单，请检查 request_id。
RESERVATION_CLOSED = 这次对话已经结算。
ORDER_NOT_FOUND = 订单不存在。
PACKAGE_NOT_FOUND = 没有这个套餐，可用 GET /v1/packages 查看。
CHANNEL_UNAVAILABLE = 暂不支持这种支付方式，请换一种：GET /v1/packages 会列出每个套餐可用的方式。
ORDER_CLOSED = 该订单已关闭，请重新下单。
ORDER_NOT_PAID = 订单尚未支付，无法退款。
PAYMENT_REFUSED = 微信支付拒绝了这笔交易，请换一种支付方式或联系客服。
PAYMENT_UNAVAILABLE = 微信支付暂时没有响应，请稍后用同一个 Idempotency-Key 重试，不会重复下单。
REFUND_UNDER_WAY = 该订单已有一笔退款正在处理，请等它结束后再试。
REFUND_TOO_LARGE = 退款金额超过了这笔充值的剩余金额。
TOO_MANY_ORDERS = 待支付的订单过多（最多 { $limit } 个），请先支付，或等待其关闭。
ROUTE_NOT_FOUND = 没有这个接口，请检查请求的路径。
METHOD_NOT_ALLOWED = 该接口只支持 { $allow } 方法。
REQUEST_CONFLICT = 同一个请求编号已用于其他内容，请换一个。
REQUEST_TIMEOUT = 请求体传输过慢，请检查网络后重试。
UNSUPPORTED_ENCODING = 不支持请求体的压缩方式 { $encoding }，请使用 gzip、deflate 或不压缩。
NOT_OFFERED = 本服务不提供 { $path }：对话请使用 POST /v1/chat/completions，全部接口见 /docs。
REQUEST_TOO_LARGE = 请求体过大，最多 { $limit } 字节。
RATE_LIMITED = 请求过于频繁，请稍后再试。
TOO_MANY_TURNS = 同时进行的对话过多（最多 { $limit } 个），请等待其中一个结束。
QUEUE_FULL = 现在使用的人太多，请稍后再试。
QUEUE_TIMEOUT = 排队时间过长，请稍后再试。
SCOPE_MISSING = 这个 API Key 没有 { $scope } 权限，请换一个或重新创建。
MINOR_HOURS = 未成年人模式下，请在 { $from } 至 { $to } 之间使用。
PURCHASE_HIDDEN = 当前平台不支持购买，请换其他设备。
    .none = 当前平台不支持购买，请换其他设备。
    .virtual = 在小程序内只能使用虚拟支付：请将 channel 设为 virtual。
KEY_NOT_FOUND = 没有这个 API Key，或它已失效。
TOO_MANY_SOCKETS = 打开的连接过多（最多 { $limit } 个），请先关闭其他页面。
TOO_MANY_KEYS = API Key 过多（最多 { $limit } 个），请先删除不用的。
UPSTREAM_ERROR = 模型服务出错，请稍后再试。
UPSTREAM_BUSY = 模型服务繁忙，请稍后再试。
UPSTREAM_TIMEOUT = 模型响应超时，请稍后再试。
SERVICE_UNAVAILABLE = 服务暂时不可用，请稍后再试。
INTERNAL = 服务出现意外错误，已记录。

## 显示在回答旁边的话

ai-label = 内容由 AI 生成，请仔细甄别
code-hidden = （为符合平台规则，这里的代码不显示）

## 账单说明：消息名是账单的状态，属性是结算时的结果；金额以元为单位。

receipt-reserved = 本次对话仍在进行：已预留 { $reserved } 元，结束后按实际用量收费，其余退回。
receipt-settled = 按 { $input_tokens } 个输入和 { $output_tokens } 个输出词元收费 { $charged } 元。
    .completed = 回答完整，按 { $input_tokens } 个输入和 { $output_tokens } 个输出词元收费 { $charged } 元。
    .cancelled = 您中途停止了回答或断开了连接：只收取停止前已产生的部分（{ $input_tokens } 个输入和 { $output_tokens } 个输出词元），共 { $charged } 元。
    .failed = 模型或服务中途出错：只收取出错前已产生的部分（{ $input_tokens } 个输入和 { $output_tokens } 个输出词元），共 { $charged } 元。
    .refused = 回答未通过内容审核而中止：只收取中止前模型已产生的部分（{ $input_tokens } 个输入和 { $output_tokens } 个输出词元），共 { $charged } 元。
    .nothing = 没有产生任何内容，未收费，预留的 { $reserved } 元已全部退回。
receipt-released = 本次对话没有产生任何内容，未收费，预留的 { $reserved } 元已全部退回。
receipt-expired = 本次对话未能正常结束，预留已过期：未收费，预留的 { $reserved } 元已全部退回。
receipt-reversed = 本次对话曾收费 { $charged } 元，现已由管理员全额退回。
receipt = 本次对话收费 { $charged } 元。
