"""The model's provider: any OpenAI-compatible API, through the official SDK with its raw stream."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import openai
from openai import AsyncOpenAI
from opentelemetry import propagate, trace
from opentelemetry.trace import SpanKind, StatusCode

from services.chat.domain import Chunk, Message, Model, Options
from services.chat.errors import ModelNotFoundError, UpstreamBusyError, UpstreamError, UpstreamTimeoutError
from services.chat.sse import StreamError, StreamReader
from services.runtime.errors import InvalidRequestError, ServiceError
from services.runtime.trace import outgoing_headers

# How long the end of a finished answer is waited for before its connection is given up.
_END_S = 0.2

# What a provider's 429 is worth waiting for when it does not say.
_BUSY_S = 2.0


class OpenAIUpstream:
    """Streams answers and lists models."""

    def __init__(self, client: AsyncOpenAI, tracer: trace.Tracer) -> None:
        """Use a client that was set up with base URL, key and timeouts."""
        self._client = client
        self._tracer = tracer

    async def list_models(self) -> Sequence[Model]:
        """What the provider says it runs; figures are filled in by the catalogue."""
        with _translated():
            page = await self._client.models.list()
        try:
            return [Model(m.id, 0, 0, "", created_s=m.created or 0, owned_by=m.owned_by or "") for m in page.data]
        except (AttributeError, TypeError):
            raise UpstreamError("The provider's list of models cannot be read: check OPENAI_BASE_URL.") from None

    @asynccontextmanager
    async def answer(
        self, model: Model, prompt: Sequence[Message], options: Options
    ) -> AsyncIterator[AsyncGenerator[Chunk]]:
        """Ask the model; leaving the context closes the connection, which cancels the generation.

        The span follows the OpenTelemetry semantic conventions for generative AI; it carries no content.
        """
        span = self._tracer.start_span(
            f"chat {model.id}",
            kind=SpanKind.CLIENT,
            attributes={
                "gen_ai.operation.name": "chat",
                "gen_ai.provider.name": "openai",
                "gen_ai.request.model": model.id,
                "gen_ai.request.max_tokens": options.max_output_tokens or 0,
                "server.address": self._client.base_url.host,
            },
        )
        try:
            with _translated(model.id):
                async with self._client.chat.completions.with_streaming_response.create(
                    # The body goes past the SDK's typed parameters: walking them by reflection costs as much as
                    # everything else that a request does, and each of its fields is checked at our own edge.
                    model=model.id,
                    messages=(),
                    stream=True,
                    extra_body=_body(prompt, options),
                    extra_headers=_headers(span),
                ) as response:
                    yield _chunks(response.iter_bytes(), span)
        except BaseException as error:
            span.set_status(StatusCode.ERROR)
            span.set_attribute("error.type", type(error).__name__)
            raise
        finally:
            span.end()


async def _chunks(data: AsyncIterator[bytes], span: trace.Span) -> AsyncGenerator[Chunk]:
    # The transport hands over all bytes that have arrived, so one step reads many chunks of the provider.
    reader = StreamReader()
    async for piece in data:
        chunk = reader.feed(piece)
        if chunk is not None:
            if chunk.finish_reason:
                span.set_attribute("gen_ai.response.finish_reasons", [chunk.finish_reason.value])
            if chunk.usage:
                span.set_attribute("gen_ai.usage.input_tokens", chunk.usage.input)
                span.set_attribute("gen_ai.usage.output_tokens", chunk.usage.output)
            yield chunk
        if reader.done:
            break
    # A connection can be used again only when its answer was read to the very end, which follows [DONE] at once.
    with contextlib.suppress(TimeoutError, httpx2.HTTPError):
        async with asyncio.timeout(_END_S):
            async for _ in data:
                pass


def _headers(span: trace.Span) -> dict[str, str]:
    """The trace goes on from this span; without tracing, from the caller's trace."""
    if not span.get_span_context().is_valid:
        return outgoing_headers()
    headers: dict[str, str] = {}
    propagate.inject(headers, context=trace.set_span_in_context(span))
    return headers


def _body(prompt: Sequence[Message], options: Options) -> dict[str, Any]:
    """The rest of the body; a parameter that nobody gave is left out, so it stays the provider's to choose."""
    body: dict[str, Any] = {
        "messages": [{"role": message.role.value, "content": message.content} for message in prompt],
        "stream_options": {"include_usage": True},
        "max_tokens": options.max_output_tokens,
        "temperature": options.temperature,
        "top_p": options.top_p,
        "presence_penalty": options.presence_penalty,
        "frequency_penalty": options.frequency_penalty,
        "seed": options.seed,
        "stop": list(options.stop) or None,
    }
    return {name: value for name, value in body.items() if value is not None}


@contextlib.contextmanager
def _translated(model_id: str = "") -> Iterator[None]:
    """The SDK's errors as ours; a provider's own words stay here, they may name keys and accounts."""
    try:
        yield
    except openai.APIStatusError as error:
        raise _from_status(error, model_id) from None
    except (openai.APIConnectionError, httpx2.HTTPError, StreamError) as error:
        raise _from_connection(error) from None


def _from_connection(error: Exception) -> ServiceError:
    """What went wrong below HTTP. The SDK's transport calls a refused connection a timeout, too."""
    cause = error.__cause__ if isinstance(error, openai.APIConnectionError) else error
    if isinstance(cause, httpx2.TimeoutException) and not isinstance(cause, httpx2.ConnectTimeout):
        return UpstreamTimeoutError("The model was silent for too long; ask again.", retry_after_s=1)
    return UpstreamError("The model's provider cannot be reached or broke off; ask again.", retry_after_s=1)


def _from_status(error: openai.APIStatusError, model_id: str) -> ServiceError:
    match error.status_code:
        case 400 | 422:
            return InvalidRequestError(
                "The model refuses these parameters or messages; change them.", metadata={"problem": "model_refuses"}
            )
        case 401 | 403:
            return UpstreamError("The model's provider refuses our key: check OPENAI_API_KEY.")
        case 404:
            return ModelNotFoundError("The provider does not run this model any more.", metadata={"model": model_id})
        case 429:
            wait = error.response.headers.get("retry-after", "")
            retry_after_s = float(wait) if wait.isdecimal() else _BUSY_S
            return UpstreamBusyError("The model is busy; try again shortly.", retry_after_s=retry_after_s)
        case _:
            return UpstreamError("The model's provider failed; ask again.", retry_after_s=1)
