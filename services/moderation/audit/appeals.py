"""Grants appeals: a phrase that was refused becomes innocent."""

from services.moderation.audit.ports import Allowing
from services.moderation.audit.records import Record
from services.moderation.audit.store import RefusalStore
from services.moderation.domain import Direction, Layer
from services.moderation.errors import AppealImpossibleError
from services.moderation.learned.features import Featurizer
from services.moderation.lexicon.entries import Entry, Evasion, Tier
from services.moderation.lexicon.lexicon import Lexicon
from services.runtime.errors import InvalidRequestError


class Appeals:
    """Grants appeals."""

    def __init__(self, store: RefusalStore, allowing: Allowing) -> None:
        """Look refusals up here, and allow phrases there."""
        self._store = store
        self._allowing = allowing

    async def grant(self, refusal_id: int, phrase: str, author: str, reason: str) -> int:
        """Allow the phrase and mark the refusal; answers the version of the stored lists.

        Granting it again, or after a failure half way, has the same result.

        Raises:
            RefusalNotFoundError: There is none of that id, or it is no longer kept.
            AppealImpossibleError: A remote layer refused.
            InvalidRequestError: The phrase does not contain what was refused, or nothing of what weighed.
            InvalidListError: The phrase can be no entry.
            UnavailableError: The database does not answer.
        """
        refusal, text = await self._store.refusal(refusal_id)
        check_phrase(refusal.record, text, phrase)
        version = await self._allowing.allow(phrase, author, reason)
        await self._store.mark_appealed(refusal_id)
        return version


def check_phrase(record: Record, text: str, phrase: str) -> None:
    """See that allowing the phrase answers this refusal; `text` is what was kept of it, "" when nothing was.

    The phrase must contain the refused word, written in the way it was. That is asked of a lexicon of this word alone:
    the one in force no longer finds it once the phrase is allowed, and the same appeal may be granted again.

    Raises:
        AppealImpossibleError: A remote layer refused.
        InvalidRequestError: The phrase does not contain what was refused.
    """
    if record.layer is Layer.LEARNED:
        _check_weighed(record, text, phrase)
        return
    if record.layer is not Layer.LEXICON:
        raise AppealImpossibleError(
            f"{record.layer.value} refused, and no list changes its judgement: appeal there, or change the policy."
        )
    also = frozenset(evasion for evasion in Evasion if evasion.value == record.evasion)
    word = Entry(record.rule, also=also)
    if not Lexicon([word]).find(phrase):
        raise _wrong_phrase("does not contain what was refused")
    # A phrase is allowed as it is written, without anything between its characters.
    if Lexicon([word, Entry(phrase, tier=Tier.ALLOW)]).find(phrase):
        raise _wrong_phrase("would be refused all the same: what is written with gaps cannot be allowed")
    # Of an answer only the passage that was judged is kept, and the phrase may reach beyond it.
    if text and record.direction is Direction.INPUT and phrase not in text:
        raise _wrong_phrase("is not in the text that was refused")


def _check_weighed(record: Record, text: str, phrase: str) -> None:
    """An allowed phrase is taken out of a text before it is scored: it helps only when it holds what weighed."""
    seen = Featurizer.shipped().view(phrase)
    if not any(gram in seen for gram in record.grams):
        raise _wrong_phrase("holds none of the n-grams that weighed: `queqiao audit show` names them")
    if text and record.direction is Direction.INPUT and phrase not in text:
        raise _wrong_phrase("is not in the text that was refused")


def _wrong_phrase(why: str) -> InvalidRequestError:
    return InvalidRequestError(f"The phrase {why}.", fields={"phrase": why})
