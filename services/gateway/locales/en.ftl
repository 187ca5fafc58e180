# Every sentence that a user reads. A message is named by an error's reason (in capitals), an attribute by its variant:
# what is wrong with a request (problem), or which layer of moderation refuses (layer). Names in braces are the error's
# metadata; field and why are its first wrong field and what is wrong with it.

## Errors

INVALID_REQUEST = The request is wrong: { $field } { $why }.
    .model_refuses = The model refuses these parameters or messages: change them.
    .content_type = The body must be JSON: set the header Content-Type: application/json.
    .not_packed = The body is not what Content-Encoding: { $encoding } says.
    .not_utf8 = The body is not valid UTF-8.
    .not_json = The body is not valid JSON (line { $line }, column { $column }).
    .not_an_object = The body must be a JSON object.
    .number = The body contains a number that cannot be represented.
    .invalid = The parameter { $field } is not valid.
    .too_deep = The JSON of the body is nested too deeply.
    .duplicate = The parameter { $field } is given twice.
    .unknown = Unknown parameter { $field }: check its spelling.
    .unsupported = The parameter { $field } is not supported yet: leave it out.
    .missing = The parameter { $field } is required.
    .type = The parameter { $field } must be of type { $expected }, not { $got }.
    .range = The parameter { $field } must be between { $low } and { $high }.
    .empty = The parameter { $field } must not be empty.
    .too_many = The parameter { $field } can have at most { $limit } items.
    .too_long = The parameter { $field } can have at most { $limit } characters.
    .characters = The parameter { $field } contains control characters or broken characters: remove them.
    .id = The parameter { $field } must be 1 to 64 letters, digits, underscores or hyphens.
    .role = The parameter { $field } must be system, developer, user, assistant or tool.
    .part = The parameter { $field } supports text only.
    .mixed = The items of the parameter { $field } must all be strings or all be parts of type text.
    .cursor = The parameter { $field } must be the next_cursor of the page before.
    .date = The parameter { $field } must be a date between 2000 and 2099, as YYYY-MM-DD.
    .after_end = The start must not be after the end.
    .too_many_days = At most { $limit } days can be asked for at once: choose fewer.
    .one_of = The parameter { $field } must be one of { $allowed }.
    .one_needed = One of the parameters { $field } and { $other } is required.
    .one_allowed = Only one of the parameters { $field } and { $other } can be given.
    .system_only = Beside { $other }, { $field } can hold system messages only.
    .parameter = This model does not take the parameter { $parameter }: leave it out.
    .key = The header { $field } must be 1 to 255 visible ASCII characters.
    .event_id = { $field } must be the id of an event of this stream.
    .message_id = The parameter { $field } must be the id of a message of the conversation.
    .no_openid = This account is no user of WeChat, so only a code to scan can be paid: set { $field } to native.
    .turn_running = A turn with this { $field } is still running on this socket: use another.
    .no_turn = No turn with this { $field } is running on this socket.
    .no_session = The login with WeChat is no longer valid: log in again, then pay.
CONTEXT_TOO_LONG = The messages do not fit into the model's context: shorten them.
INVALID_LOGIN_CODE = The login code is not valid or was used before: log in again.
LOGIN_BLOCKED = WeChat has blocked this account from logging in.
INVALID_API_KEY = The token is missing or not valid: log in again, or send a valid API key as Authorization: Bearer.
INVALID_REFRESH_TOKEN = The session has ended: log in again.
INSUFFICIENT_QUOTA = The wallet does not cover this request: top it up.
CONTENT_REFUSED = The content is not allowed.
    .lexicon = The content is not allowed.
    .learned = The content is not allowed.
    .wechat = Please change your question.
    .openai = The question touches a sensitive topic.
MODERATION_UNAVAILABLE = Moderation does not answer: try again shortly.
MODEL_NOT_FOUND = There is no model { $model }: GET /v1/models lists those there are.
MODEL_NOT_PRICED = The model { $model } has no price yet: the owner adds one with queqiao prices set --model { $model }.
CONVERSATION_NOT_FOUND = There is no such conversation.
MESSAGE_NOT_FOUND = The conversation has no such message, or none that this can be done with.
TURN_NOT_FOUND = There is no such stream, or it is not kept any more: ask again.
TURN_LOST = The answer broke off; ask for the rest.
WALLET_NOT_FOUND = There is no credit yet: top up or ask for some.
RESERVATION_NOT_FOUND = There is no receipt of this turn: check the request_id.
RESERVATION_CLOSED = This turn has already been settled.
ORDER_NOT_FOUND = There is no such order.
PACKAGE_NOT_FOUND = There is no such package: GET /v1/packages lists those there are.
CHANNEL_UNAVAILABLE = This cannot be paid that way: choose another channel, GET /v1/packages lists them for each package.
ORDER_CLOSED = This order was closed: make a new one, with another Idempotency-Key.
ORDER_NOT_PAID = The order has not been paid, so nothing can be refunded.
PAYMENT_REFUSED = The payment provider refused: pay another way, or ask for help.
PAYMENT_UNAVAILABLE = The payment provider does not answer: try again shortly with the same Idempotency-Key, which makes no second order.
REFUND_UNDER_WAY = Another refund of this order is under way: try again when it has ended.
REFUND_TOO_LARGE = This is more than what is left of the top-up.
TOO_MANY_ORDERS = Too many orders wait for payment (at most { $limit }): pay one, or wait until they are closed.
ROUTE_NOT_FOUND = There is nothing at this path: check the URL.
METHOD_NOT_ALLOWED = This path takes { $allow } only.
REQUEST_CONFLICT = This request id was used for something else: use another.
REQUEST_TIMEOUT = The body came too slowly: check the network and try again.
UNSUPPORTED_ENCODING = Bodies packed as { $encoding } are not read: use gzip, deflate, or none.
NOT_OFFERED = { $path } is not offered here: POST /v1/chat/completions chats, /docs lists all there is.
REQUEST_TOO_LARGE = The body is too large: at most { $limit } bytes.
RATE_LIMITED = Too many requests: try again shortly.
TOO_MANY_TURNS = Too many turns are running at once (at most { $limit }): wait for one to end.
QUEUE_FULL = Too many people are asking right now: try again shortly.
QUEUE_TIMEOUT = The wait in the queue was too long: try again shortly.
SCOPE_MISSING = This API key does not have the scope { $scope }: use another or create one.
MINOR_HOURS = In minors' mode chats are open from { $from } to { $to }.
PURCHASE_HIDDEN = Nothing can be bought on this platform: use another device.
    .none = Nothing can be bought on this platform: use another device.
    .virtual = In a mini-program only virtual payment can be used: set channel to virtual.
KEY_NOT_FOUND = There is no such API key, or it is not live any more.
TOO_MANY_SOCKETS = Too many connections are open (at most { $limit }): close another page first.
TOO_MANY_KEYS = There are too many API keys (at most { $limit }): delete one first.
UPSTREAM_ERROR = The model failed: try again shortly.
UPSTREAM_BUSY = The model is busy: try again shortly.
UPSTREAM_TIMEOUT = The model took too long: try again shortly.
SERVICE_UNAVAILABLE = The service is not available: try again shortly.
INTERNAL = An unexpected error happened; it has been logged.

## What stands beside answers

ai-label = Generated by AI: check what matters
speaker-user = Me
speaker-assistant = AI assistant
speaker-system = Instructions
speaker-tool = Tool
code-hidden = (Code is not shown here, as the platform demands.)

## Receipts: a message is named by the receipt's state, an attribute by the outcome of its settlement; amounts in yuan.

receipt-reserved = The turn is still running: CNY { $reserved } is set aside; it will be charged for what it used, and the rest comes back.
receipt-settled = { $input_tokens } input and { $output_tokens } output tokens cost CNY { $charged }.
    .completed = The answer is whole: { $input_tokens } input and { $output_tokens } output tokens cost CNY { $charged }.
    .cancelled = You stopped the answer or went away: only what had been produced until then ({ $input_tokens } input and { $output_tokens } output tokens) was charged, CNY { $charged }.
    .failed = The model or a service failed on the way: only what had been produced until then ({ $input_tokens } input and { $output_tokens } output tokens) was charged, CNY { $charged }.
    .refused = Moderation refused the answer: only what the model had produced until then ({ $input_tokens } input and { $output_tokens } output tokens) was charged, CNY { $charged }.
    .nothing = Nothing was produced, so nothing was charged: the CNY { $reserved } set aside came back.
receipt-released = The turn produced nothing and cost nothing: the CNY { $reserved } set aside came back.
receipt-expired = The turn was not closed in time, so its reservation expired: it cost nothing, and the CNY { $reserved } set aside came back.
receipt-reversed = The turn was charged CNY { $charged }, and an operator has given all of it back.
receipt = The turn was charged CNY { $charged }.
