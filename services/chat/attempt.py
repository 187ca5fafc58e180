"""One attempt to answer a question: by one model, with one prompt, under one name in the ledger. Pure."""

from dataclasses import dataclass, field

from services.chat.domain import InputCheck, Message, Model, Question, Where
from services.chat.draft import Draft
from services.chat.ports import Recollection
from services.chat.window import Prompt


@dataclass(frozen=True, slots=True)
class Attempt:
    """What is asked of whom, and what has come of it so far.

    `asked` are the new messages, with their weights; they are remembered unless they are already.
    """

    question: Question
    known: Recollection
    check: InputCheck
    model: Model
    asked: tuple[Message, ...]
    prompt: Prompt
    draft: Draft = field(default_factory=Draft)

    @property
    def is_new(self) -> bool:
        """Whether the question is not remembered yet."""
        return self.question.place.where in (Where.NEWEST, Where.AFTER)
