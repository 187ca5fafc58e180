"""WeChat Pay v3 with a scripted network."""

from collections.abc import AsyncIterator

import httpx
import pytest

from services.billing.payments.providers.wechatpay_v3 import WeChatPayV3
from tests.fakes.payment_platform import Answers, WeChatPayPlatform


@pytest.fixture(scope="module")
def platform() -> WeChatPayPlatform:
    return WeChatPayPlatform()


@pytest.fixture
def answers(platform: WeChatPayPlatform) -> Answers:
    return Answers(platform)


@pytest.fixture
async def wechatpay(platform: WeChatPayPlatform, answers: Answers) -> AsyncIterator[WeChatPayV3]:
    """The provider, whose network is a script."""
    provider = WeChatPayV3(platform.settings())
    async with httpx.AsyncClient(transport=httpx.MockTransport(answers)) as network:
        provider._client._core._client = network
        yield provider
