"""One key of an OpenAI-compatible provider, over aiohttp.

OpenAI's SDK was here before. All that was left of it were two URLs and a header, for bodies and streams went past its
types; but importing it builds every type of OpenAI's API, which cost as much as all else that this service imports.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Annotated
from urllib.parse import urlsplit

import aiohttp
import msgspec
from opentelemetry import propagate, trace
from opentelemetry.trace import SpanKind, StatusCode
from pydantic import SecretStr

from services.chat.answer_stream import AnswerStream
from services.chat.domain import Message, Model, Options
from services.chat.upstreams.body import body
from services.chat.upstreams.failures import CallFailedError, Kind, broken_off, refused
from services.chat.upstreams.provider_stream import ProviderStream, translated
from services.chat.upstreams.settings import ProviderSettings
from services.runtime.trace import outgoing_headers

# How long the end of a finished answer is waited for before its connection is given up.
_END_S = 0.2


class _Listed(msgspec.Struct):
    """A model as a provider lists it."""

    id: Annotated[str, msgspec.Meta(min_length=1)]
    created: float | None = None
    owned_by: object = None


class _List(msgspec.Struct):
    data: list[_Listed]


class _Error(msgspec.Struct):
    code: object = None


class _Refusal(msgspec.Struct):
    """The body of an error; some providers write it without the envelope."""

    error: _Error | None = None
    code: object = None


class ProviderClient:
    """Streams answers and lists models; it asks once, and says how it failed."""

    def __init__(
        self, session: aiohttp.ClientSession, key: SecretStr, settings: ProviderSettings, tracer: trace.Tracer
    ) -> None:
        """Ask with this key over a session that knows the timeouts."""
        self._session = session
        self._url = settings.base_url.rstrip("/")
        self._authorization = {"Authorization": f"Bearer {key.get_secret_value()}"}
        self._asking = self._authorization | {"Content-Type": "application/json"}
        self._address = urlsplit(self._url).hostname or ""
        self._settings = settings
        self._tracer = tracer

    async def list_models(self) -> Sequence[Model]:
        """What the provider says it runs; figures are filled in by the catalogue.

        Raises:
            CallFailedError: It does not say.
        """
        try:
            with translated():
                async with self._session.get(f"{self._url}/models", headers=self._authorization) as response:
                    await _demand_ok(response)
                    listed = msgspec.json.decode(await response.read(), type=_List).data
        except CallFailedError as failure:
            # There is no list; that says nothing about a model.
            raise broken_off(Kind.BROKEN) if failure.kind is Kind.NO_MODEL else failure from None
        return [
            Model(each.id, 0, 0, "", created_s=int(each.created or 0), owned_by=str(each.owned_by or ""))
            for each in listed
        ]

    @asynccontextmanager
    async def answer(self, model: Model, prompt: Sequence[Message], options: Options) -> AsyncIterator[AnswerStream]:
        """Ask the model; leaving the context closes the connection, which cancels the generation.

        The span follows the OpenTelemetry semantic conventions for generative AI; it carries no content.

        Raises:
            CallFailedError: Here, or from a step of the answer.
        """
        span = self._tracer.start_span(
            f"chat {model.id}",
            kind=SpanKind.CLIENT,
            attributes={
                "gen_ai.operation.name": "chat",
                "gen_ai.provider.name": self._settings.name,
                "gen_ai.request.model": model.id,
                "gen_ai.request.max_tokens": options.max_output_tokens or 0,
                "server.address": self._address,
            },
        )
        try:
            async with contextlib.AsyncExitStack() as stack:
                with translated():
                    asking = self._session.post(
                        f"{self._url}/chat/completions",
                        data=self._body(model, prompt, options),
                        headers=self._asking | _headers(span),
                    )
                    response = await stack.enter_async_context(asking)
                    await _demand_ok(response, model.id)
                stream = ProviderStream(response, span, silence_s=self._settings.silence_timeout_s)
                yield stream
                if stream.ended:
                    await _read_to_end(response.content)
        except BaseException as error:
            span.set_status(StatusCode.ERROR)
            span.set_attribute("error.type", type(error).__name__)
            raise
        finally:
            span.end()

    def _body(self, model: Model, prompt: Sequence[Message], options: Options) -> bytes:
        settings = self._settings
        known = {"model": settings.own_name(model.id), "stream": True}
        asked = body(model, prompt, options, kind=settings.kind, max_tokens_field=settings.max_tokens_field)
        return msgspec.json.encode(known | asked)


async def _demand_ok(response: aiohttp.ClientResponse, model_id: str = "") -> None:
    """Go on with an answer.

    Raises:
        CallFailedError: It is a refusal; the provider's own words stay here, they may name keys and accounts.
    """
    if response.ok:
        return
    try:
        refusal = msgspec.json.decode(await response.read(), type=_Refusal)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        refusal = _Refusal()
    code = (refusal.error or refusal).code
    retry_after = response.headers.get("Retry-After", "")
    raise refused(response.status, code if isinstance(code, str) else None, retry_after, model_id)


async def _read_to_end(content: aiohttp.StreamReader) -> None:
    """A connection can be used again only when its answer was read to the very end, which follows [DONE] at once."""
    with contextlib.suppress(TimeoutError, aiohttp.ClientError):
        async with asyncio.timeout(_END_S):
            while not content.at_eof():
                await content.readany()


def _headers(span: trace.Span) -> dict[str, str]:
    """The trace goes on from this span; without tracing, from the caller's trace."""
    if not span.get_span_context().is_valid:
        return outgoing_headers()
    headers: dict[str, str] = {}
    propagate.inject(headers, context=trace.set_span_in_context(span))
    return headers
