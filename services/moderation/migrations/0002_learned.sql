-- The learned layer: stored weights with their versions, and what the audit remembers of a score.

-- Every change makes a version: 1, 2, 3, … without a gap. None is ever changed or deleted.
CREATE TABLE weights (
    version bigint PRIMARY KEY CHECK (version > 0),
    -- The weights file; null for the file that ships.
    content bytea CHECK (octet_length(content) <= 2000000),
    change text NOT NULL,
    author text NOT NULL,
    reason text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

ALTER TABLE refusals DROP CONSTRAINT refusals_layer_check;
ALTER TABLE refusals ADD CONSTRAINT refusals_layer_check CHECK (layer IN ('lexicon', 'learned', 'wechat', 'openai'));
ALTER TABLE refusals ADD COLUMN score double precision NOT NULL DEFAULT 0;
-- The n-grams that weighed most, separated by spaces, which none contains; "" for other layers.
ALTER TABLE refusals ADD COLUMN grams text NOT NULL DEFAULT '';
