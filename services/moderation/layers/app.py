"""Builds the remote layers that have an account: the part of the composition root that knows them."""

from contextlib import AsyncExitStack

from prometheus_client import CollectorRegistry
from redis.asyncio import Redis

from services.moderation.config import ModerationSettings
from services.moderation.domain import Layer
from services.moderation.layers.cache import VerdictCache
from services.moderation.layers.guarded import GuardedLayer
from services.moderation.layers.metrics import LayerMetrics
from services.moderation.layers.panel import Panel
from services.moderation.layers.policy import LayerPolicy, OpenAIPolicy, Policy, WeChatPolicy, settings_version
from services.moderation.layers.quota import Quota
from services.moderation.layers.tokens import AccessTokens, PlatformTokens
from services.moderation.ports import RemoteLayer


def panel(
    stack: AsyncExitStack, settings: ModerationSettings, policy: Policy, redis: Redis, registry: CollectorRegistry
) -> Panel:
    """Every layer that settings give an account for, guarded; what is opened closes with the stack."""
    metrics = LayerMetrics(registry)
    remote: dict[Layer, RemoteLayer] = {}
    if settings.wechat_appid:
        remote[Layer.WECHAT] = _wechat(stack, settings, policy.wechat, redis)
    if settings.openai_moderation_api_key.get_secret_value():
        remote[Layer.OPENAI] = _openai(stack, settings, policy.openai)
    guarded = {
        layer: GuardedLayer(
            layer, each, policy.of(layer), cache=_verdicts(stack, layer, policy.of(layer), redis), metrics=metrics
        )
        for layer, each in remote.items()
    }
    return Panel(guarded, policy, metrics)


def _verdicts(stack: AsyncExitStack, layer: Layer, policy: LayerPolicy, redis: Redis) -> VerdictCache:
    cache = VerdictCache(redis, layer, settings_version=settings_version(policy), ttl_s=policy.cache_ttl_s)
    stack.push_async_callback(cache.aclose)
    return cache


def _wechat(stack: AsyncExitStack, settings: ModerationSettings, policy: WeChatPolicy, redis: Redis) -> RemoteLayer:
    # Each layer's library takes some tenths of a second to import: who has no account does not wait for it.
    from services.moderation.layers.wechat import WeChatLayer
    from services.moderation.layers.wechat_client import WeChatAccount, WeChatLine

    secret = settings.wechat_secret.get_secret_value()
    base_url = settings.wechat_api_base_url
    if settings.wechat_cloud_run:
        # The platform takes calls out of the container as they pass by, which it can in the clear alone.
        base_url = base_url.replace("https://", "http://", 1)
    account = WeChatAccount(base_url=base_url, appid=settings.wechat_appid, secret=secret)
    line = WeChatLine(account, threads_max=policy.concurrent_max, timeout_s=policy.timeout_s)
    stack.callback(line.close)
    quota = Quota(
        redis,
        account.appid,
        per_minute=policy.per_minute,
        per_day=policy.per_day,
        share_without_redis=policy.share_without_redis,
    )
    if settings.wechat_cloud_run:
        return WeChatLayer(line, PlatformTokens(), quota, policy)
    tokens = AccessTokens(redis, line, account)
    stack.push_async_callback(tokens.aclose)
    return WeChatLayer(line, tokens, quota, policy)


def _openai(stack: AsyncExitStack, settings: ModerationSettings, policy: OpenAIPolicy) -> RemoteLayer:
    # As above.
    import aiohttp

    from services.moderation.layers.openai import OpenAILayer

    session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=policy.timeout_s), trust_env=True)
    stack.push_async_callback(session.close)
    return OpenAILayer(session, settings.openai_moderation_base_url, settings.openai_moderation_api_key, policy)
