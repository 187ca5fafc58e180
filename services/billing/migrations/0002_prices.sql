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
    id                  bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    currency            text        NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    cny_micros_per_unit bigint      NOT NULL CHECK (cny_micros_per_unit > 0),
    source              text        NOT NULL,
    effective_at        timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX exchange_rates_by_currency ON exchange_rates (currency, effective_at DESC, id DESC);

-- What a turn cost must stay explainable: a price that was charged once is never changed or removed.
CREATE TRIGGER prices_are_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON prices
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER exchange_rates_are_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON exchange_rates
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

INSERT INTO exchange_rates (currency, cny_micros_per_unit, source) VALUES ('USD', 7100000, 'initial value');

-- Providers' list prices of 2024 and 2025, some of them approximate, in micro-dollars a million tokens: compare them with
-- the provider's own page, and append what differs, before you sell.
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
