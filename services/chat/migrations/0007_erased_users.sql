-- Users whose data was erased: a turn of theirs that ends later writes nothing down. Their ids are given to nobody again.
CREATE TABLE erased_users (
    user_id   text        PRIMARY KEY,
    erased_at timestamptz NOT NULL DEFAULT now()
);
