"""Keeps the exchange rate fresh from a rate service.

The common free services share a shape: a JSON object with `base` (or `base_code`) "USD", and `rates` with "CNY".
"""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from urllib.parse import urlsplit

import httpx
import structlog

from services.billing.money import MICROS_PER_YUAN, round_half_up
from services.billing.prices import PriceBook
from services.runtime.errors import UnavailableError

_TIMEOUT_S = 10.0
_BYTES_MAX = 256 * 1024

# A rate that jumps further is a mistake of the service until a person says otherwise.
_JUMP_PERCENT_MAX = 10

# An unchanged rate is confirmed so often, which is what keeps it from growing old.
_CONFIRM_AFTER = timedelta(hours=20)

log = structlog.get_logger()


class RateError(Exception):
    """What the service said is no rate; the message says why."""


class RateJob:
    """Asks a rate service and appends what it says to the price book."""

    def __init__(self, book: PriceBook, url: str, *, every_s: float) -> None:
        """Ask this URL every `every_s` seconds."""
        self._book = book
        self._url = url
        self._source = urlsplit(url).hostname or "rate service"
        self._every_s = every_s

    async def run(self) -> None:
        """Ask again and again; run it as a task and cancel it."""
        while True:
            try:
                await self.refresh()
            except (RateError, UnavailableError) as error:
                log.warning("exchange rate not refreshed", error=type(error).__name__, reason=str(error))
            except httpx.HTTPStatusError as error:
                log.warning("exchange rate not refreshed", status=error.response.status_code)
            except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as error:
                # Without its text, which may name the URL: with some services a key is part of it.
                log.warning("exchange rate not refreshed", error=type(error).__name__)
            except Exception:
                # The job must outlive anything.
                log.exception("exchange rate not refreshed")
            await asyncio.sleep(self._every_s)

    async def refresh(self) -> None:
        """Ask once.

        Raises:
            RateError: The answer is no rate, or one that is too far from the last.
            httpx.HTTPError: The service does not answer.
            UnavailableError: The database does not answer.
        """
        async with asyncio.timeout(_TIMEOUT_S):
            body = await self._fetch()
        rate = cny_micros_per_usd(body)
        last = self._book.last_rate()
        if last is not None:
            if abs(rate - last.cny_micros_per_usd) * 100 > last.cny_micros_per_usd * _JUMP_PERCENT_MAX:
                raise RateError(
                    f"a dollar is said to cost {rate} micro-yuan and cost {last.cny_micros_per_usd} before: "
                    "set it with `queqiao prices rate` if that is true"
                )
            age = datetime.now(UTC) - last.effective_at
            if rate == last.cny_micros_per_usd and age < _CONFIRM_AFTER:
                return
        await self._book.set_rate(rate, self._source)
        log.info("exchange rate", cny_micros_per_usd=rate, source=self._source)

    async def _fetch(self) -> bytes:
        async with (
            httpx.AsyncClient(timeout=_TIMEOUT_S) as client,
            client.stream("GET", self._url) as answer,
        ):
            answer.raise_for_status()
            body = b""
            async for part in answer.aiter_bytes():
                body += part
                if len(body) > _BYTES_MAX:
                    raise RateError("the answer is too long")
            return body


def cny_micros_per_usd(body: bytes) -> int:
    """The rate in a service's answer, exact to the micro-yuan.

    Raises:
        RateError: It is none.
    """
    try:
        answer = json.loads(body, parse_float=Decimal, parse_int=Decimal)
    except (ValueError, RecursionError):
        raise RateError("the answer is no JSON") from None
    if not isinstance(answer, dict) or "USD" not in (answer.get("base"), answer.get("base_code")):
        raise RateError("the answer's base is not USD")
    rates = answer.get("rates")
    rate = rates.get("CNY") if isinstance(rates, dict) else None
    if not isinstance(rate, Decimal) or not rate.is_finite() or not 1 <= rate <= 100:
        raise RateError("the answer has no rate for CNY between 1 and 100")
    numerator, denominator = rate.as_integer_ratio()
    return round_half_up(numerator * MICROS_PER_YUAN, denominator)
