"""The audit in PostgreSQL."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime

import asyncpg
import structlog

from services.moderation.audit import sql
from services.moderation.audit.ports import BadRecordError, StoreAwayError
from services.moderation.audit.records import Filter, JudgedText, Note, Position, Record, Refusal
from services.moderation.audit.texts import KeptTexts
from services.moderation.domain import Action, Direction, Layer
from services.moderation.errors import RefusalNotFoundError
from services.runtime.errors import UnavailableError
from services.runtime.postgres import FAILED

# What is wrong with the records themselves: driver and server refuse them today and tomorrow.
_BAD = (ValueError, asyncpg.DataError, asyncpg.IntegrityConstraintViolationError, asyncpg.ProgramLimitExceededError)

_ID_MAX = 2**63 - 1

log = structlog.get_logger()


class RefusalStore:
    """Writes as the port `NoteStore`; every other method raises UnavailableError when the database does not answer."""

    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]", texts: KeptTexts) -> None:
        """Use this pool, and encrypt texts by `texts`."""
        self._pool = pool
        self._texts = texts

    async def new_ids(self, count: int) -> list[int]:
        """Ids that nobody else gets."""
        try:
            return [row["id"] for row in await self._pool.fetch(sql.NEW_IDS, count)]
        except FAILED as error:
            raise StoreAwayError(type(error).__name__) from error

    async def add(self, ids: Sequence[int], notes: Sequence[Note]) -> None:
        """Write all of these or none, each once however often it is written under its id."""
        try:
            rows = [self._row(refusal_id, note) for refusal_id, note in zip(ids, notes, strict=True)]
            await self._pool.execute(sql.ADD, *map(list, zip(*rows, strict=True)))
        except _BAD as error:
            raise BadRecordError(type(error).__name__) from error
        except FAILED as error:
            raise StoreAwayError(type(error).__name__) from error

    async def refusals(self, wanted: Filter, *, before: Position | None = None, limit: int) -> list[Refusal]:
        """Refusals, the newest first, from before a position on."""
        statement, arguments = sql.search(wanted, before, limit)
        with _answering():
            return [_refusal(row) for row in await self._pool.fetch(statement, *arguments)]

    async def refusal(self, refusal_id: int) -> tuple[Refusal, str]:
        """One refusal, and what was kept of its text: "" when nothing was.

        Raises:
            RefusalNotFoundError: There is none of that id, or it is no longer kept.
        """
        if not 0 < refusal_id <= _ID_MAX:
            raise _not_found()
        with _answering():
            row = await self._pool.fetchrow(sql.REFUSAL, refusal_id)
        if row is None:
            raise _not_found()
        return _refusal(row), self._text(row)

    async def mark_appealed(self, refusal_id: int) -> None:
        """Note that an appeal was granted; the first time counts."""
        with _answering():
            await self._pool.execute(sql.MARK_APPEALED, refusal_id)

    async def delete_before(self, moment: datetime, limit: int) -> int:
        """Delete the oldest refusals from before a moment; answers how many, which are at most `limit`."""
        with _answering():
            done = await self._pool.execute(sql.DELETE_OLD, moment, limit)
        return int(done.removeprefix("DELETE "))

    async def recent(self, limit: int) -> list[str]:
        """What was kept of the texts of the newest `limit` refusals, the newest first, each text once."""
        with _answering():
            rows = await self._pool.fetch(sql.RECENT_TEXTS, limit)
        # Decrypting thousands of texts takes longer than others may wait.
        return await asyncio.to_thread(self._unsealed, rows)

    async def judged_texts(self, limit: int) -> list[JudgedText]:
        """What was kept of the questions among the newest `limit` refusals, the newest first, one a finding."""
        with _answering():
            rows = await self._pool.fetch(sql.TRAINING_TEXTS, limit)
        return await asyncio.to_thread(self._judged, rows)

    def _judged(self, rows: Sequence[asyncpg.Record]) -> list[JudgedText]:
        found = ((row, self._texts.unseal(row["text_sha256"], row["text_sealed"])) for row in rows)
        return [
            JudgedText(text, Action(row["action"]), Layer(row["layer"]), row["label"], row["appealed_at"] is not None)
            for row, text in found
            if text
        ]

    def _unsealed(self, rows: Sequence[asyncpg.Record]) -> list[str]:
        texts = (self._texts.unseal(row["text_sha256"], row["text_sealed"]) for row in rows)
        return list(dict.fromkeys(filter(None, texts)))

    def _text(self, row: asyncpg.Record) -> str:
        if row["text_sealed"] is None:
            return ""
        text = self._texts.unseal(row["text_sha256"], row["text_sealed"])
        if text is None:
            log.warning("a kept text cannot be decrypted: AUDIT_SECRET is not what it was", refusal_id=row["id"])
        return text or ""

    def _row(self, refusal_id: int, note: Note) -> tuple[object, ...]:
        record = note.record
        return (
            refusal_id,
            record.found_at,
            record.action.value,
            record.direction.value,
            record.layer.value,
            record.rule,
            record.label,
            record.evasion,
            record.start,
            record.end,
            record.text_sha256,
            record.request_id,
            record.trace_id,
            record.user_id,
            record.version,
            self._texts.seal(record.text_sha256, note.excerpt),
            record.score,
            " ".join(record.grams),
        )


def _refusal(row: asyncpg.Record) -> Refusal:
    record = Record(
        found_at=row["created_at"],
        action=Action(row["action"]),
        direction=Direction(row["direction"]),
        layer=Layer(row["layer"]),
        rule=row["rule"],
        label=row["label"],
        evasion=row["evasion"],
        start=row["start_at"],
        end=row["end_at"],
        text_sha256=row["text_sha256"],
        request_id=row["request_id"],
        trace_id=row["trace_id"],
        user_id=row["user_id"],
        version=row["version"],
        score=row["score"],
        grams=tuple(row["grams"].split()),
    )
    return Refusal(row["id"], record, row["appealed_at"])


def _not_found() -> RefusalNotFoundError:
    return RefusalNotFoundError("There is no refusal of this id, or it is no longer kept.")


@contextmanager
def _answering() -> Iterator[None]:
    try:
        yield
    except FAILED as error:
        raise UnavailableError("The audit does not answer; try again shortly.", retry_after_s=1) from error
