-- The price book: append a row to change a price from a moment on. See pricing.py for the units and the formula.

CREATE TABLE prices (
    id                      bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    -- '*' is the price of every model that has none of its own.
    model                   text        NOT NULL,
    input_usd_micros        bigint      NOT NULL CHECK (input_usd_micros >= 0),
    cached_input_usd_micros bigint      NOT NULL CHECK (cached_input_usd_micros >= 0),
    output_usd_micros       bigint      NOT NULL CHECK (output_usd_micros >= 0),
    markup_basis_points     integer     NOT NULL DEFAULT 0 CHECK (markup_basis_points >= 0),
    source                  text        NOT NULL,
    effective_at            timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX prices_by_model ON prices (model, effective_at DESC, id DESC);

CREATE TABLE exchange_rates (
    id                 bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    cny_micros_per_usd bigint      NOT NULL CHECK (cny_micros_per_usd > 0),
    source             text        NOT NULL,
    effective_at       timestamptz NOT NULL DEFAULT now()
);

INSERT INTO exchange_rates (cny_micros_per_usd, source) VALUES (7100000, 'initial value; set your own');

-- Providers' list prices as remembered in 2024 and 2025, in micro-dollars a million tokens: check them before you sell.
INSERT INTO prices (model, input_usd_micros, cached_input_usd_micros, output_usd_micros, source) VALUES
    ('smollm2-135m-instruct',   20000,   20000,    40000, 'the local model: a token price, so that a wallet is seen to move'),
    ('gpt-4o-mini',            150000,   75000,   600000, 'OpenAI list price'),
    ('gpt-4.1-mini',           400000,  100000,  1600000, 'OpenAI list price'),
    ('gpt-4o',                2500000, 1250000, 10000000, 'OpenAI list price'),
    ('gpt-4.1',               2000000,  500000,  8000000, 'OpenAI list price'),
    ('gpt-4-turbo',          10000000, 10000000, 30000000, 'OpenAI list price'),
    ('deepseek-chat',          270000,   70000,  1100000, 'DeepSeek list price'),
    ('qwen-plus',              400000,  160000,  1200000, 'Alibaba Cloud list price'),
    ('*',                     2500000, 1250000, 10000000, 'as gpt-4o, until a price is set');
