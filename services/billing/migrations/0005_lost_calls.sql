-- Tokens of calls that were given up for a turn: the provider charges us for them, and the user does not pay them.

-- NULL until a turn is settled. Those that were settled before this stay NULL: what they cost us is in the journal, and
-- cannot be told from their tokens (the earliest were settled before costs were booked at all).
ALTER TABLE reservations
    ADD COLUMN lost_input_tokens  integer CHECK (lost_input_tokens >= 0),
    ADD COLUMN lost_cached_tokens integer CHECK (lost_cached_tokens BETWEEN 0 AND lost_input_tokens),
    ADD COLUMN lost_output_tokens integer CHECK (lost_output_tokens >= 0),
    ADD CONSTRAINT reservations_lost_is_whole CHECK (num_nulls(lost_input_tokens, lost_cached_tokens, lost_output_tokens) IN (0, 3));
