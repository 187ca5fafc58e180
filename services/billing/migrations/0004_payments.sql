-- Orders, refunds, and what providers told us. Fen (CNY × 10⁻²) here, micro-yuan in the wallet.

-- What can be bought. The price is tokens × dollars a token × yuan a dollar; see pricing.py.
CREATE TABLE packages (
    id                     text    PRIMARY KEY CHECK (id ~ '^[a-z0-9_-]{1,64}$'),
    name_zh                text    NOT NULL,
    name_en                text    NOT NULL,
    tokens                 bigint  NOT NULL CHECK (tokens > 0),
    -- Micro-dollars for a million tokens.
    usd_micros_per_million bigint  NOT NULL CHECK (usd_micros_per_million > 0),
    -- Virtual payment sells products that are registered with WeChat, at the price that was registered.
    virtual_product_id     text    NOT NULL DEFAULT '',
    virtual_amount_fen     integer CHECK (virtual_amount_fen > 0),
    active                 boolean NOT NULL DEFAULT true,
    CHECK ((virtual_product_id = '') = (virtual_amount_fen IS NULL))
);

-- $0.002 for a thousand tokens. 'custom' prices any number of tokens; its own number is not for sale.
INSERT INTO packages (id, name_zh, name_en, tokens, usd_micros_per_million, virtual_product_id, virtual_amount_fen) VALUES
    ('small',  '体验包 10 万词元',  'Trial pack, 100 thousand tokens', 100000,  2000000, 'queqiao_small',  200),
    ('medium', '标准包 100 万词元', 'Standard pack, 1 million tokens', 1000000, 2000000, 'queqiao_medium', 1500),
    ('large',  '畅聊包 500 万词元', 'Large pack, 5 million tokens',    5000000, 2000000, 'queqiao_large',  7200),
    ('custom', '词元充值',          'Tokens',                          1,       2000000, '', NULL);

CREATE TABLE orders (
    out_trade_no       text        PRIMARY KEY CHECK (out_trade_no ~ '^[0-9A-Za-z]{6,32}$'),
    user_id            text        NOT NULL REFERENCES wallets (user_id),
    request_id         text        NOT NULL,
    input_sha256       bytea       NOT NULL,
    channel            text        NOT NULL CHECK (channel IN ('jsapi', 'native', 'jsapi_v2', 'virtual')),
    package_id         text        NOT NULL,
    tokens             bigint      NOT NULL CHECK (tokens > 0),
    amount_fen         integer     NOT NULL CHECK (amount_fen > 0),
    description        text        NOT NULL,
    virtual_product_id text        NOT NULL,
    openid             text        NOT NULL,
    client_ip          text        NOT NULL,
    state              text        NOT NULL CHECK (state IN ('created', 'paying', 'paid', 'refunded', 'closed')),
    parameters         jsonb       NOT NULL DEFAULT '{}',
    transaction_id     text        NOT NULL DEFAULT '',
    paid_at            timestamptz,
    refunded_fen       integer     NOT NULL DEFAULT 0,
    created_at         timestamptz NOT NULL,
    expires_at         timestamptz NOT NULL,
    -- When the provider is asked next how the order stands, and how often it was asked.
    next_query_at      timestamptz NOT NULL,
    queries            integer     NOT NULL DEFAULT 0,
    queried_at         timestamptz,
    UNIQUE (user_id, request_id),
    CHECK ((state IN ('paid', 'refunded')) = (paid_at IS NOT NULL)),
    CHECK (refunded_fen BETWEEN 0 AND amount_fen),
    CHECK ((state = 'refunded') = (refunded_fen = amount_fen))
);

-- One payment pays one order.
CREATE UNIQUE INDEX orders_by_transaction ON orders (transaction_id) WHERE transaction_id <> '';
CREATE INDEX orders_waiting ON orders (next_query_at) WHERE state IN ('created', 'paying');
CREATE INDEX orders_by_user ON orders (user_id, created_at);
CREATE INDEX orders_by_payment ON orders (paid_at) WHERE paid_at IS NOT NULL;
CREATE INDEX orders_by_time ON orders (created_at, out_trade_no);

CREATE TABLE refunds (
    out_refund_no text        PRIMARY KEY CHECK (out_refund_no ~ '^[0-9A-Za-z]{6,32}$'),
    user_id       text        NOT NULL REFERENCES wallets (user_id),
    request_id    text        NOT NULL,
    input_sha256  bytea       NOT NULL,
    out_trade_no  text        NOT NULL REFERENCES orders (out_trade_no),
    amount_fen    integer     NOT NULL CHECK (amount_fen > 0),
    reason        text        NOT NULL,
    state         text        NOT NULL CHECK (state IN ('held', 'abnormal', 'done', 'cancelled')),
    refund_id     text        NOT NULL DEFAULT '',
    created_at    timestamptz NOT NULL,
    closed_at     timestamptz,
    next_query_at timestamptz NOT NULL,
    queries       integer     NOT NULL DEFAULT 0,
    CHECK ((state IN ('done', 'cancelled')) = (closed_at IS NOT NULL))
);

CREATE INDEX refunds_by_order ON refunds (out_trade_no);
CREATE INDEX refunds_waiting ON refunds (next_query_at) WHERE state IN ('held', 'abnormal');
CREATE INDEX refunds_by_end ON refunds (closed_at) WHERE closed_at IS NOT NULL;
CREATE INDEX refunds_held ON refunds (user_id) WHERE state IN ('held', 'abnormal');

-- Callbacks that were taken, so that a repeated delivery is known as one.
CREATE TABLE callbacks (
    provider     text        NOT NULL,
    nonce        text        NOT NULL,
    out_trade_no text        NOT NULL,
    received_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (provider, nonce)
);
CREATE INDEX callbacks_by_time ON callbacks (received_at);

-- What a provider said that does not fit our books: an operator must look at it.
CREATE TABLE payment_incidents (
    id           bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    provider     text        NOT NULL,
    problem      text        NOT NULL,
    out_trade_no text        NOT NULL,
    -- The provider's number of the payment, or ours of the refund, that it is about; '' when it is about the order.
    reference    text        NOT NULL,
    facts        jsonb       NOT NULL,
    seen_at      timestamptz NOT NULL DEFAULT now(),
    -- However often the provider repeats it.
    UNIQUE (provider, problem, out_trade_no, reference)
);
CREATE TRIGGER payment_incidents_are_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON payment_incidents
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE TABLE reconciliations (
    provider text        NOT NULL,
    day      date        NOT NULL,
    report   jsonb       NOT NULL,
    made_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (provider, day)
);
