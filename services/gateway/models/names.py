"""Which model a name means: where names are aliased, clients ask by the names that they were shown."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

from services.gateway.chat.domain import Question
from services.gateway.models.domain import Model
from services.gateway.policy.view import Views


class Models(Protocol):
    """Lists models."""

    async def list_models(self) -> Sequence[Model]:
        """The models that can be asked."""
        ...


class ModelNames:
    """Tells models by any name of theirs."""

    def __init__(self, models: Models, views: Views) -> None:
        """Look among these."""
        self._models = models
        self._views = views

    async def real(self, question: Question) -> Question:
        """The question, asked to the model that its name means.

        Raises:
            ServiceError: The chat service does not answer.
        """
        return replace(question, model=await self.real_name(question.model))

    async def real_name(self, name: str) -> str:
        """The model of this name; the name itself when it hides none.

        Raises:
            ServiceError: The chat service does not answer.
        """
        if not self._views.is_alias(name):
            return name
        return self._views.real_model(name, [model.id for model in await self._models.list_models()])
