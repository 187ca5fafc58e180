-- The session key that WeChat gave at a user's last login: virtual payment signs with it. Encrypted (AES-256-GCM: 12
-- bytes of nonce, then the ciphertext and its tag), so that the database alone signs nothing.

ALTER TABLE users ADD COLUMN wechat_session_key bytea CHECK (octet_length(wechat_session_key) BETWEEN 28 AND 1024);
