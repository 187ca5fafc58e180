"""One key of an OpenAI-compatible provider, through the official SDK with its raw stream."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager

import httpx2
import openai
from openai import AsyncOpenAI
from opentelemetry import propagate, trace
from opentelemetry.trace import SpanKind, StatusCode

from services.chat.domain import Chunk, Message, Model, Options
from services.chat.upstreams.body import body
from services.chat.upstreams.failures import CallFailedError, Kind, broken_off, refused
from services.chat.upstreams.settings import ProviderSettings
from services.chat.upstreams.sse import StreamError, StreamReader
from services.runtime.trace import outgoing_headers

# How long the end of a finished answer is waited for before its connection is given up.
_END_S = 0.2


class ProviderClient:
    """Streams answers and lists models; it asks once, and says how it failed."""

    def __init__(self, client: AsyncOpenAI, settings: ProviderSettings, tracer: trace.Tracer) -> None:
        """Use a client that was set up with base URL, key and timeouts, and without retries."""
        self._client = client
        self._settings = settings
        self._tracer = tracer

    async def list_models(self) -> Sequence[Model]:
        """What the provider says it runs; figures are filled in by the catalogue.

        Raises:
            CallFailedError: It does not say.
        """
        try:
            with _translated():
                page = await self._client.models.list()
            return [_listed(model) for model in page.data]
        except CallFailedError as failure:
            # There is no list; that says nothing about a model.
            raise broken_off(Kind.BROKEN) if failure.kind is Kind.NO_MODEL else failure from None
        except (ValueError, AttributeError, TypeError):
            # The SDK takes whatever comes for a list.
            raise broken_off(Kind.BROKEN) from None

    @asynccontextmanager
    async def answer(
        self, model: Model, prompt: Sequence[Message], options: Options
    ) -> AsyncIterator[AsyncGenerator[Chunk]]:
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
                "server.address": self._client.base_url.host,
            },
        )
        try:
            async with contextlib.AsyncExitStack() as stack:
                with _translated(model.id):
                    response = await stack.enter_async_context(
                        self._client.chat.completions.with_streaming_response.create(
                            # The body goes past the SDK's typed parameters: walking them by reflection costs as much
                            # as everything else that a request does, and each field is checked at our own edge.
                            model=self._settings.own_name(model.id),
                            messages=(),
                            stream=True,
                            extra_body=body(
                                model,
                                prompt,
                                options,
                                kind=self._settings.kind,
                                max_tokens_field=self._settings.max_tokens_field,
                            ),
                            extra_headers=_headers(span),
                        )
                    )
                yield _chunks(response.iter_bytes(), span)
        except BaseException as error:
            span.set_status(StatusCode.ERROR)
            span.set_attribute("error.type", type(error).__name__)
            raise
        finally:
            span.end()


def _listed(model: openai.types.Model) -> Model:
    """A model as a provider lists it; the SDK has checked nothing.

    Raises:
        TypeError, ValueError: It has no name, or is of no time.
    """
    if not model.id or str(model.id) != model.id:
        raise TypeError
    return Model(model.id, 0, 0, "", created_s=int(model.created or 0), owned_by=str(model.owned_by or ""))


async def _chunks(data: AsyncIterator[bytes], span: trace.Span) -> AsyncGenerator[Chunk]:
    # The transport hands over all bytes that have arrived, so one step reads many chunks of the provider.
    reader = StreamReader()
    finished = False
    with _translated():
        async for piece in data:
            chunk = reader.feed(piece)
            if chunk is not None:
                finished = finished or chunk.finish_reason is not None
                _describe(span, chunk)
                yield chunk
            reader.demand_sound()
            if reader.done:
                break
    if not reader.done and not finished:
        raise broken_off(Kind.BROKEN)
    # A connection can be used again only when its answer was read to the very end, which follows [DONE] at once.
    with contextlib.suppress(TimeoutError, httpx2.HTTPError):
        async with asyncio.timeout(_END_S):
            async for _ in data:
                pass


def _describe(span: trace.Span, chunk: Chunk) -> None:
    if chunk.finish_reason:
        span.set_attribute("gen_ai.response.finish_reasons", [chunk.finish_reason.value])
    if chunk.usage:
        span.set_attribute("gen_ai.usage.input_tokens", chunk.usage.input)
        span.set_attribute("gen_ai.usage.output_tokens", chunk.usage.output)


def _headers(span: trace.Span) -> dict[str, str]:
    """The trace goes on from this span; without tracing, from the caller's trace."""
    if not span.get_span_context().is_valid:
        return outgoing_headers()
    headers: dict[str, str] = {}
    propagate.inject(headers, context=trace.set_span_in_context(span))
    return headers


@contextlib.contextmanager
def _translated(model_id: str = "") -> Iterator[None]:
    """The SDK's errors as ours; a provider's own words stay here, they may name keys and accounts."""
    try:
        yield
    except openai.APIStatusError as error:
        retry_after = error.response.headers.get("retry-after", "")
        raise refused(error.status_code, error.code, retry_after, model_id) from None
    except (openai.APIError, httpx2.HTTPError, StreamError) as error:
        raise broken_off(_kind(error)) from None


def _kind(error: Exception) -> Kind:
    """What went wrong below HTTP. The SDK's transport calls a refused connection a timeout, too."""
    if isinstance(error, StreamError):
        return Kind.BROKEN
    cause = error.__cause__ if isinstance(error, openai.APIConnectionError) else error
    if isinstance(cause, httpx2.TimeoutException) and not isinstance(cause, httpx2.ConnectTimeout):
        return Kind.TIMEOUT
    return Kind.CONNECTION
