"""What HTTP and WebSocket do alike with a turn that is asked for: read it, name it, find its model and its place."""

from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any

from starlette.datastructures import Headers

from services.gateway.admission.gate import Admitted, Gate
from services.gateway.admission.scheduler import OnPosition, TurnScheduler
from services.gateway.chat.client import ChatClient
from services.gateway.chat.requests import ChatRequest, chat_request, idempotency_key
from services.gateway.chat.turn_events import Turn
from services.gateway.identity.ids import turn_id
from services.gateway.identity.principals import Principals
from services.gateway.models.names import ModelNames
from services.gateway.policy.view import View, Views


@dataclass(frozen=True, slots=True)
class PreparedTurn:
    """A turn that may be asked; nobody has been asked yet. Entering `turn` begins it."""

    request_id: str
    admitted: Admitted
    asked: ChatRequest
    view: View
    turn: Turn


class Turns:
    """Prepares turns and gives them their places."""

    def __init__(
        self,
        gate: Gate,
        scheduler: TurnScheduler,
        principals: Principals,
        views: Views,
        models: ModelNames,
        chat: ChatClient,
    ) -> None:
        """Use these."""
        self._gate = gate
        self._scheduler = scheduler
        self._principals = principals
        self._views = views
        self._models = models
        self._chat = chat

    def arrival(self) -> AbstractContextManager[None]:
        """Inside, admit whoever asks; before any work is spent, what could neither run nor wait is refused.

        Raises:
            QueueFullError: There is no room.
        """
        return self._scheduler.arrival()

    async def prepare(
        self, admitted: Admitted, body: dict[str, Any], headers: Headers, *, client: Headers, request_id: str
    ) -> PreparedTurn:
        """Read what is asked; the body is consumed.

        Args:
            admitted: Who asks.
            body: The body of a chat completion.
            headers: What is said beside it: an idempotency key, how it may be cached.
            client: The headers that tell what kind of client this is.
            request_id: The turn's id where no idempotency key gives it one.

        Raises:
            ServiceError: It may not be asked, and this is why.
        """
        key = idempotency_key(headers)
        asked = chat_request(body, headers)
        principal = await self._principals.principal(admitted.user_id)
        view = await self._views.of(client, admitted)
        self._views.demand_hours(view)
        question = await self._models.real(asked.question)
        if key:
            request_id = turn_id(admitted.user_id, key)
        return PreparedTurn(request_id, admitted, asked, view, self._chat.turn(request_id, principal, question))

    @asynccontextmanager
    async def place(self, prepared: PreparedTurn, on_position: OnPosition | None) -> AsyncIterator[None]:
        """Wait until the turn may run, and hold its place inside.

        Raises:
            ServiceError: As `TurnScheduler.turn`.
        """
        admitted = prepared.admitted
        weight = self._gate.weight(admitted)
        async with self._scheduler.turn(admitted.user_id, weight=weight, on_position=on_position):
            yield
