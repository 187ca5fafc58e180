"""Which variables each service is told."""

import re

from sandbox import parts

# Which variables each service is given, of the outside and of its own options; a secret goes only where it is used.
NEEDS = {
    "billing": (
        "DATABASE_URL",
        "TRIAL_CREDIT_MICROS",
        "EXCHANGE_RATE_URL",
        "EXCHANGE_RATE_REFRESH_S",
        "EXCHANGE_RATE_STALE_AFTER_S",
        "VERIFY_EVERY_S",
        "ORDER_TTL_S",
        "PAYMENT_NOTIFY_BASE_URL",
        "WECHAT_API_BASE_URL",
        "WECHAT_APPID",
        "WECHAT_SECRET",
        *parts.PAYMENT_VARIABLES,
    ),
    "moderation": (
        "DATABASE_URL",
        "REDIS_URL",
        "LEXICON_PATH",
        "SCREENER_WEIGHTS",
        "SCREENER_LEARNS_FROM_AUDIT",
        "POLICY_FILE",
        "WECHAT_API_BASE_URL",
        "WECHAT_APPID",
        "WECHAT_SECRET",
        "OPENAI_MODERATION_BASE_URL",
        "OPENAI_MODERATION_API_KEY",
        "AUDIT_KEEP_DAYS",
        "AUDIT_KEEP_TEXTS",
        "AUDIT_SECRET",
    ),
    "chat": (
        "DATABASE_URL",
        "REDIS_URL",
        "OPENAI_BASE_URL",
        "OPENAI_API_KEY",
        "OPENAI_KIND",
        "MODERATION_TARGET",
        "BILLING_TARGET",
        "MODELS_FILE",
        "UPSTREAMS_FILE",
        "TURN_TIMEOUT_S",
        "DISCONNECT_GRACE_S",
        "STREAM_TTL_S",
        "ANSWER_CACHE_TTL_S",
        "ANSWER_CACHE_CHARGE",
        "SUMMARIES",
        "UPSTREAM_SILENCE_TIMEOUT_S",
    ),
    "gateway": (
        "DATABASE_URL",
        "REDIS_URL",
        "WECHAT_API_BASE_URL",
        "WECHAT_APPID",
        "WECHAT_SECRET",
        "CHAT_TARGET",
        "BILLING_TARGET",
        "MODERATION_TARGET",
        "SESSION_SECRET",
        "WECHAT_CLOUD_RUN",
        "WECHAT_CLOUD_RUN_MARK",
        "PLATFORM_POLICY_FILE",
        "CONTENT_PRODUCER",
        "SESSION_SECRETS_PREVIOUS",
        "RATE_LIMIT_TRIAL_PER_MINUTE",
        "RATE_LIMIT_PAID_PER_MINUTE",
        "RATE_LIMIT_KEY_PER_MINUTE",
        "LOGIN_LIMIT_PER_MINUTE",
        "ORDER_LIMIT_PER_MINUTE",
        "TURNS_MAX",
        "CONCURRENT_TURNS_MAX",
        "QUEUE_MAX",
        "QUEUE_PER_USER_MAX",
        "QUEUE_WAIT_S",
        "QUEUE_WEIGHT_PAID",
        "SOCKETS_PER_USER_MAX",
        "BODY_BYTES_MAX",
        "TURN_TIMEOUT_S",
        "TRUSTED_PROXIES",
        "CORS_ORIGINS",
        "CALLBACKS_MAX",
    ),
}

# Where a file of providers names a variable.
REFERENCE = re.compile(r'"env:([A-Za-z_][A-Za-z0-9_]*)"')

# Every service is given these.
SHARED = (
    "LOG_LEVEL",
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "DRAIN_S",
    "TLS_CERT_FILE",
    "TLS_KEY_FILE",
    "TLS_CA_FILE",
    "GRPC_PLAINTEXT",
)
