"""Checks of a deployment from outside: each answers one sentence, that it is well or what to mend."""

import email.utils
import json
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

import httpx
from websockets.exceptions import WebSocketException
from websockets.sync.client import connect

_TIMEOUT_S = 10.0
_CERTIFICATE_DAYS_MIN = 14
_CLOCK_S_MAX = 30.0

# Events of one stream that come within so little time have been collected on the way.
_SPREAD_S_MIN = 0.1
_STRANGER = "https://doctor.invalid"


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found: whether it is well, its name, and a sentence."""

    well: bool
    check: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Deployment:
    """What is examined: the public address, an API key for a question, "" for none, and whom to trust."""

    url: str
    key: str
    trust: ssl.SSLContext
    http: httpx.Client


def examine(deployment: Deployment) -> Iterator[Finding]:
    """Examine it, check by check; without an answer at all, no further ones."""
    reached = _reached(deployment)
    yield reached
    if not reached.well:
        return
    checks: tuple[Callable[[Deployment], Finding], ...] = (
        _certificate,
        _ready,
        _refuses_strangers,
        _headers,
        _clock,
        _websocket,
        _callbacks,
        _streams,
    )
    for check in checks:
        try:
            yield check(deployment)
        except (httpx.HTTPError, OSError, ValueError, WebSocketException) as error:
            yield Finding(False, check.__name__.strip("_"), f"It could not be checked: {type(error).__name__}.")


def _reached(deployment: Deployment) -> Finding:
    try:
        answer = deployment.http.get("/healthz")
    except httpx.HTTPError as error:
        return Finding(
            False, "address", f"Nothing answers there ({type(error).__name__}): check DNS, firewall and port."
        )
    if answer.status_code != 200:
        return Finding(
            False,
            "address",
            f"/healthz answers {answer.status_code}: the proxy does not reach the gateway, or is not it.",
        )
    return Finding(True, "address", "The gateway answers.")


def _certificate(deployment: Deployment) -> Finding:
    parts = urlsplit(deployment.url)
    if parts.scheme != "https":
        return Finding(False, "certificate", "It is no https: mini-programs speak only https and wss.")
    host, port = parts.hostname or "", parts.port or 443
    with (
        socket.create_connection((host, port), timeout=_TIMEOUT_S) as raw,
        deployment.trust.wrap_socket(raw, server_hostname=host) as connection,
    ):
        version, peer = connection.version() or "", connection.getpeercert() or {}
    left_days = (ssl.cert_time_to_seconds(str(peer["notAfter"])) - time.time()) / 86_400
    if left_days < _CERTIFICATE_DAYS_MIN:
        return Finding(False, "certificate", f"The certificate ends in {left_days:.0f} days: renew it.")
    if version not in ("TLSv1.2", "TLSv1.3"):
        return Finding(False, "certificate", f"{version} is spoken: allow TLS 1.2 and 1.3 only.")
    return Finding(True, "certificate", f"{version}, the chain is whole, {left_days:.0f} days left.")


def _ready(deployment: Deployment) -> Finding:
    answer = deployment.http.get("/readyz")
    report = answer.json()
    down = [name for name, state in report.get("checks", {}).items() if state != "ok"]
    if down:
        return Finding(answer.status_code == 200, "services", f"Not well: {', '.join(down)}. See their logs.")
    return Finding(answer.status_code == 200, "services", "Every dependency answers.")


def _refuses_strangers(deployment: Deployment) -> Finding:
    for headers in ({}, {"X-WX-OPENID": "doctor", "X-WX-APPID": "doctor"}, {"Authorization": "Bearer doctor"}):
        answer = deployment.http.get("/v1/me", headers=headers)
        if answer.status_code != 401:
            what = "an X-WX-OPENID that anybody can write" if "X-WX-OPENID" in headers else "a request without a token"
            return Finding(False, "strangers", f"/v1/me answers {answer.status_code} to {what}: it must be 401.")
    page = deployment.http.options("/v1/me", headers={"Origin": _STRANGER, "Access-Control-Request-Method": "GET"})
    if "access-control-allow-origin" in page.headers:
        return Finding(False, "strangers", "Pages of any origin may ask: name yours in CORS_ORIGINS, and no others.")
    return Finding(True, "strangers", "Without a token nobody comes in, and no page of another origin may ask.")


def _headers(deployment: Deployment) -> Finding:
    answer = deployment.http.get("/v1/models")
    if "x-request-id" not in answer.headers:
        return Finding(False, "headers", "X-Request-Id is missing: the proxy must pass the gateway's headers on.")
    if "/" in answer.headers.get("server", ""):
        return Finding(False, "headers", "Server tells a version: set server_tokens off.")
    if urlsplit(deployment.url).scheme == "https" and "strict-transport-security" not in answer.headers:
        return Finding(False, "headers", "Strict-Transport-Security is missing: add it at the edge.")
    return Finding(True, "headers", "Headers pass, and tell no version.")


def _clock(deployment: Deployment) -> Finding:
    said = email.utils.parsedate_to_datetime(deployment.http.get("/healthz").headers["date"])
    off_s = abs(said.timestamp() - time.time())
    if off_s > _CLOCK_S_MAX:
        return Finding(
            False, "clock", f"The server's clock is {off_s:.0f} s off: signatures of WeChat Pay will be refused."
        )
    return Finding(True, "clock", "Both clocks agree.")


def _websocket(deployment: Deployment) -> Finding:
    parts = urlsplit(deployment.url)
    address = f"{'wss' if parts.scheme == 'https' else 'ws'}://{parts.netloc}/v1/ws"
    trust = deployment.trust if parts.scheme == "https" else None
    with connect(address, ssl=trust, open_timeout=_TIMEOUT_S) as websocket:
        websocket.send('{"type":"ping"}')
        answer = json.loads(websocket.recv(timeout=_TIMEOUT_S))
    if answer.get("type") != "pong":
        return Finding(False, "websocket", "It opens and does not answer as Queqiao does: check the proxy's upstream.")
    return Finding(True, "websocket", "It opens and answers.")


def _callbacks(deployment: Deployment) -> Finding:
    answer = deployment.http.post("/v1/payments/wechatpay/notify", content=b"{}")
    if answer.status_code in (404, 405, 502, 504):
        return Finding(
            False, "callbacks", f"/v1/payments/… answers {answer.status_code}: WeChat Pay would not reach the gateway."
        )
    if answer.status_code < 400:
        return Finding(False, "callbacks", "A callback without a signature was taken: tell the developers at once.")
    return Finding(True, "callbacks", "They arrive, and one without a signature is refused.")


def _streams(deployment: Deployment) -> Finding:
    if not deployment.key:
        return Finding(True, "streams", "Not checked: give --key for a question.")
    body = {"stream": True, "max_tokens": 64, "messages": [{"role": "user", "content": "从一数到二十。"}]}
    headers = {"Authorization": f"Bearer {deployment.key}", "Cache-Control": "no-store"}
    arrivals: list[float] = []
    with deployment.http.stream("POST", "/v1/chat/completions", json=body, headers=headers, timeout=60) as answer:
        if answer.status_code != 200:
            answer.read()
            code = answer.json().get("error", {}).get("code", "")
            return Finding(False, "streams", f"A question is answered with {answer.status_code} {code}.")
        arrivals += [time.monotonic() for line in answer.iter_lines() if line.startswith("data:")]
    spread_s = arrivals[-1] - arrivals[0] if arrivals else 0.0
    if len(arrivals) > 3 and spread_s < _SPREAD_S_MIN:
        return Finding(
            False, "streams", "The answer came at once: something on the way collects it. Set proxy_buffering off."
        )
    return Finding(True, "streams", f"{len(arrivals)} events over {spread_s:.1f} s: they pass as they come.")
