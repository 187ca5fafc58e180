"""Which label a kept text has, by all that the layers did about it. Pure."""

from collections.abc import Iterable, Sequence
from typing import Protocol

from services.moderation.domain import Action, Layer
from services.moderation.learned.samples import Sample

_REMOTE = (Layer.WECHAT, Layer.OPENAI)


class JudgedText(Protocol):
    """What was kept of a text, and what one layer did about it."""

    @property
    def text(self) -> str: ...
    @property
    def action(self) -> Action: ...
    @property
    def layer(self) -> Layer: ...
    @property
    def label(self) -> int: ...
    @property
    def appealed(self) -> bool: ...


def labelled(judged: Iterable[JudgedText], *, remote: bool) -> list[Sample]:
    """Each text once: innocent when an appeal was granted, else of the label for which it was refused.

    A remote layer's label counts before a list's. What the learned layer alone refused says nothing new. What was only
    referred is innocent where `remote` layers were there to refuse it; else nothing is known of it.
    """
    texts: dict[str, list[JudgedText]] = {}
    for each in judged:
        texts.setdefault(each.text, []).append(each)
    found = ((text, _label(known, remote=remote)) for text, known in texts.items())
    return [Sample(label, text) for text, label in found if label is not None]


def _label(known: Sequence[JudgedText], *, remote: bool) -> int | None:
    if any(each.appealed for each in known):
        return 0
    refusals = [each for each in known if each.action is Action.REFUSED]
    for layers in (_REMOTE, (Layer.LEXICON,)):
        for each in refusals:
            if each.layer in layers:
                return each.label
    return 0 if remote and not refusals else None
