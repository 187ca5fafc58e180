"""One attempt to answer a question: by one model, with one prompt, under one name in the ledger. Pure."""

from dataclasses import dataclass, field

from services.chat.domain import Message, Model, Question, Role, Where
from services.chat.draft import Draft
from services.chat.ports import Recollection
from services.chat.verdicts import InputCheck
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

    @property
    def asked_before(self) -> int:
        """The number of the remembered message that is answered again or gone on answering; 0 when there is none."""
        if self.is_new:
            return 0
        questions = (message.number for message in reversed(self.known.messages) if message.role is not Role.ASSISTANT)
        return self.known.asked[-1].number if self.known.asked else next(questions, 0)
