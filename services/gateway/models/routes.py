"""`/v1/models`, in OpenAI's shape."""

from collections.abc import Sequence
from typing import Literal

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from services.gateway.admission.gate import Gate
from services.gateway.chat.client import ChatClient
from services.gateway.edge.body import shown
from services.gateway.edge.operations import Operation, Parameter
from services.gateway.edge.responses import json_response
from services.gateway.edge.schemas import ListOf
from services.gateway.identity.domain import Scope
from services.gateway.models.domain import Model
from services.runtime.errors import Code, RemoteError


class ModelShape(msgspec.Struct):
    """A model that can be asked."""

    id: str
    created: int
    owned_by: str
    object: Literal["model"] = "model"


class ModelRoutes:
    """Lists models."""

    def __init__(self, gate: Gate, chat: ChatClient) -> None:
        """Use these."""
        self._gate = gate
        self._chat = chat

    def operations(self) -> Sequence[Operation]:
        """What is offered here."""
        return (
            Operation(
                "GET",
                "/v1/models",
                self.list,
                "List the models that can be asked, the default first",
                "models",
                ListOf[ModelShape],
                scope=Scope.CHAT,
            ),
            Operation(
                "GET",
                "/v1/models/{model_id:path}",
                self.one,
                "Look a model up",
                "models",
                ModelShape,
                scope=Scope.CHAT,
                parameters=(Parameter("model_id", "path", "The model's name, which may contain slashes."),),
                errors=("MODEL_NOT_FOUND",),
            ),
        )

    async def list(self, request: Request) -> Response:
        """Every model that can be asked, the default first."""
        await self._gate.enter(request.scope, Scope.CHAT)
        models = await self._chat.list_models()
        return json_response(ListOf([_model(model) for model in models]))

    async def one(self, request: Request) -> Response:
        """One model."""
        await self._gate.enter(request.scope, Scope.CHAT)
        model_id = request.path_params["model_id"]
        for model in await self._chat.list_models():
            if model.id == model_id:
                return json_response(_model(model))
        # The error that asking this model would give.
        raise RemoteError(
            Code.NOT_FOUND,
            "MODEL_NOT_FOUND",
            "There is no such model.",
            metadata={"model": shown(model_id)},
            fields={"model": "names no model"},
        )


def _model(model: Model) -> ModelShape:
    return ModelShape(model.id, model.created_s, model.owned_by)
