"""What kind of client makes a request. Pure."""

from starlette.datastructures import Headers

from services.gateway.policy.policy import Client


def client_of(headers: Headers, *, by_key: bool) -> Client:
    """The kind of client.

    A key is a program's, whatever it says. A client of ours says what it is in `X-Client`; others are told by
    their User-Agent: requests of a mini-program name WeChat (MicroMessenger) and the phone.
    """
    if by_key:
        return Client.PROGRAM
    said = headers.get("x-client", "").strip().lower()
    if said in tuple(Client) and said != Client.PROGRAM:
        return Client(said)
    agent = headers.get("user-agent", "").lower()
    apple = any(device in agent for device in ("iphone", "ipad", "ipod", "mac os x")) and "macintosh" not in agent
    if "micromessenger" in agent and ("miniprogram" in agent or "servicewechat.com" in headers.get("referer", "")):
        return Client.MP_IOS if apple else Client.MP_ANDROID
    return Client.H5
