"""What kind of client makes a request."""

import pytest
from starlette.datastructures import Headers

from services.gateway.policy.clients import client_of
from services.gateway.policy.policy import Client

IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) AppleWebKit/605 MicroMessenger/8.0.50 NetType/WIFI"
ANDROID = "Mozilla/5.0 (Linux; Android 14; Pixel) AppleWebKit/537 MicroMessenger/8.0.50 MiniProgramEnv/android"
BROWSER = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15) AppleWebKit/605 Safari/605"


@pytest.mark.parametrize(
    ("headers", "client"),
    [
        ({"user-agent": IPHONE, "referer": "https://servicewechat.com/wx1/1/page-frame.html"}, Client.MP_IOS),
        ({"user-agent": ANDROID}, Client.MP_ANDROID),
        ({"user-agent": IPHONE}, Client.H5),
        ({"user-agent": BROWSER}, Client.H5),
        ({}, Client.H5),
        ({"x-client": "app-ios", "user-agent": ANDROID}, Client.APP_IOS),
        ({"x-client": " MP-Android "}, Client.MP_ANDROID),
        ({"x-client": "program"}, Client.H5),
        ({"x-client": "toaster"}, Client.H5),
    ],
)
def test_a_client_says_it_or_is_told_by_its_agent(headers: dict[str, str], client: Client) -> None:
    assert client_of(Headers(headers), by_key=False) is client


def test_a_key_is_a_programs_whatever_it_says() -> None:
    assert client_of(Headers({"x-client": "mp-ios", "user-agent": ANDROID}), by_key=True) is Client.PROGRAM
