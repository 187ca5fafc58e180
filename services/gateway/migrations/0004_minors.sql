-- Minors' mode (未成年人模式), which a user or their guardian switches on.

ALTER TABLE users ADD COLUMN minor_mode boolean NOT NULL DEFAULT false;
