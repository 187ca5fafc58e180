"""`/v1/models`, in OpenAI's shape, with what a question may hold and cost."""

from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec
import structlog
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
from services.gateway.models.names import ModelNames
from services.gateway.policy.view import View, Views
from services.gateway.wallet.client import BillingClient
from services.gateway.wallet.domain import ModelPrice
from services.runtime.errors import Code, RemoteError, ServiceError

# The price of every model that has none of its own.
_ANY = "*"

log = structlog.get_logger()


class ModelTerms(msgspec.Struct):
    """What a million tokens cost, in micro-yuan (CNY × 10⁻⁶)."""

    input_micros_per_million: int
    cached_input_micros_per_million: int
    output_micros_per_million: int
    currency: Literal["CNY"] = "CNY"


class ModelShape(msgspec.Struct):
    """A model that can be asked: OpenAI's fields, and how many tokens it takes and what they cost.

    `price` is null while billing does not answer.
    """

    id: str
    created: int
    owned_by: str
    context_tokens: int
    max_output_tokens: int
    price: ModelTerms | None
    object: Literal["model"] = "model"


class ModelRoutes:
    """Lists models."""

    def __init__(self, gate: Gate, views: Views, names: ModelNames, chat: ChatClient, billing: BillingClient) -> None:
        """Use these."""
        self._gate = gate
        self._views = views
        self._names = names
        self._chat = chat
        self._billing = billing

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
                errors=("MODEL_NOT_FOUND", "MODEL_NOT_PRICED"),
            ),
        )

    async def list(self, request: Request) -> Response:
        """Every model that can be asked, the default first."""
        view = await self._views.of(request.headers, await self._gate.enter(request.scope, Scope.CHAT))
        prices = await self._prices()
        models = await self._chat.list_models()
        return json_response(ListOf([_shape(model, prices, view) for model in models if _is_offered(model, prices)]))

    async def one(self, request: Request) -> Response:
        """One model."""
        view = await self._views.of(request.headers, await self._gate.enter(request.scope, Scope.CHAT))
        asked = request.path_params["model_id"]
        model_id = await self._names.real_name(asked)
        model = next((model for model in await self._chat.list_models() if model.id == model_id), None)
        # The errors that asking this model would give.
        if model is None:
            raise RemoteError(
                Code.NOT_FOUND,
                "MODEL_NOT_FOUND",
                "There is no such model.",
                metadata={"model": shown(asked)},
                fields={"model": "names no model"},
            )
        prices = await self._prices()
        if not _is_offered(model, prices):
            raise RemoteError(
                Code.FAILED_PRECONDITION,
                "MODEL_NOT_PRICED",
                "The model has no price.",
                metadata={"model": shown(asked)},
                fields={"model": "has no price"},
            )
        return json_response(_shape(model, prices, view))

    async def _prices(self) -> Mapping[str, ModelPrice] | None:
        """What models cost now, by the names of prices; None while nobody knows."""
        try:
            return {price.model: price for price in (await self._billing.prices()).prices}
        except ServiceError as error:
            log.warning("models are listed without prices: billing does not answer", reason=error.wire_reason)
            return None


def _is_offered(model: Model, prices: Mapping[str, ModelPrice] | None) -> bool:
    """Whether it can be paid for; without a price each turn of it is refused."""
    return prices is None or model.price in prices or _ANY in prices


def _shape(model: Model, prices: Mapping[str, ModelPrice] | None, view: View) -> ModelShape:
    price = None if prices is None else prices.get(model.price) or prices[_ANY]
    terms = None
    if price is not None:
        terms = ModelTerms(
            price.input_micros_per_million, price.cached_input_micros_per_million, price.output_micros_per_million
        )
    name = view.model(model.id)
    # Who made a model that has another name here, tells its own.
    owned_by = model.owned_by if name == model.id else "queqiao"
    return ModelShape(name, model.created_s, owned_by, model.context_tokens, model.max_output_tokens, terms)
