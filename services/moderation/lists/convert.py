"""Word lists to protos and back; a request that does not fit is refused here, field by field."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime

from google.protobuf.timestamp_pb2 import Timestamp
from queqiao.moderation.v1 import lexicon_pb2

from services.moderation.domain import OTHER
from services.moderation.errors import ListNotFoundError
from services.moderation.learned.judging import Explanation
from services.moderation.lexicon.entries import WITHIN_DEFAULT, Entry, Evasion, Tier
from services.moderation.lexicon.findings import Match
from services.moderation.lexicon.judging import Judged
from services.moderation.lists.domain import ADDED, Info, Signature, StoredList, Version
from services.moderation.lists.editing import PutReport
from services.moderation.lists.formats import BYTES_MAX, Form, Format
from services.moderation.lists.trial import Trial
from services.runtime.errors import InvalidRequestError

_TEXTS_MAX = 10_000
_CHANGES_MAX = 1_000
_TEXT_CHARACTERS_MAX = 65_536
_HITS_MAX = 100
_PAGE_DEFAULT, _PAGE_MAX = 50, 1_000
_AUTHOR_CHARACTERS_MAX = 64
_REASON_CHARACTERS_MAX = 200
_VERSION = re.compile(r"[1-9][0-9]{0,17}")
_NAME = re.compile(r"[a-z0-9_-]{1,64}")
_NAME_RULE = "must be 1 to 64 characters of a-z, 0-9, _ and -"

_FORMATS = {Format.TXT: lexicon_pb2.LIST_FORMAT_TXT, Format.CSV: lexicon_pb2.LIST_FORMAT_CSV}
_WANTED_FORMATS = {number: format_ for format_, number in _FORMATS.items()}
_TIERS = {
    Tier.BLOCK: lexicon_pb2.TIER_BLOCK,
    Tier.REVIEW: lexicon_pb2.TIER_REVIEW,
    Tier.LOG: lexicon_pb2.TIER_LOG,
    Tier.ALLOW: lexicon_pb2.TIER_ALLOW,
}
_WANTED_TIERS = {number: tier for tier, number in _TIERS.items()} | {lexicon_pb2.TIER_UNSPECIFIED: Tier.BLOCK}
_EVASIONS = {
    Evasion.PINYIN: lexicon_pb2.EVASION_PINYIN,
    Evasion.INITIALS: lexicon_pb2.EVASION_INITIALS,
    Evasion.HOMOPHONES: lexicon_pb2.EVASION_HOMOPHONES,
    Evasion.REVERSED: lexicon_pb2.EVASION_REVERSED,
}
_WANTED_EVASIONS = {number: evasion for evasion, number in _EVASIONS.items()}

_Signed = (
    lexicon_pb2.PutListRequest
    | lexicon_pb2.DeleteListRequest
    | lexicon_pb2.AddEntriesRequest
    | lexicon_pb2.RemoveEntriesRequest
    | lexicon_pb2.RestoreVersionRequest
)


def put(request: lexicon_pb2.PutListRequest) -> tuple[Form, Signature | None]:
    """The list's form, and who stores it; None for a dry run.

    Raises:
        InvalidRequestError: `fields` names everything that is wrong.
    """
    wrong = {} if request.dry_run else _wrong_signature(request)
    if not _NAME.fullmatch(request.name):
        wrong["name"] = _NAME_RULE
    elif request.name == ADDED:
        wrong["name"] = f'must not be "{ADDED}", which AddEntries and RemoveEntries change'
    if request.format not in _WANTED_FORMATS:
        wrong["format"] = "must be TXT or CSV"
    if request.tier not in _WANTED_TIERS:
        wrong["tier"] = "is not one that the protos name"
    if len(request.content) > BYTES_MAX:
        wrong["content"] = f"must be at most {BYTES_MAX:,} bytes"
    if len(request.texts) > _TEXTS_MAX:
        wrong["texts"] = f"must be at most {_TEXTS_MAX:,} texts"
    _refuse(wrong)
    form = Form(_WANTED_FORMATS[request.format], request.label or OTHER, _WANTED_TIERS[request.tier])
    return form, None if request.dry_run else _signature(request)


def name(value: str) -> str:
    """A stored list's name.

    Raises:
        ListNotFoundError: No list has such a name.
    """
    if not _NAME.fullmatch(value):
        raise ListNotFoundError(f"No stored list has such a name, which {_NAME_RULE}.")
    return value


def deletion(request: lexicon_pb2.DeleteListRequest) -> tuple[str, Signature]:
    """The list's name, and who deletes it.

    Raises:
        InvalidRequestError: `fields` names everything that is wrong.
        ListNotFoundError: No list has such a name.
    """
    _refuse(_wrong_signature(request))
    return name(request.name), _signature(request)


def added(request: lexicon_pb2.AddEntriesRequest) -> tuple[list[Entry], Signature]:
    """The entries, and who adds them. Whether they can be entries is told elsewhere.

    Raises:
        InvalidRequestError: `fields` names everything that is wrong.
    """
    wrong = _wrong_signature(request) | _wrong_count("entries", len(request.entries))
    for index, entry in enumerate(request.entries):
        if entry.tier not in _WANTED_TIERS:
            wrong[f"entries[{index}].tier"] = "is not one that the protos name"
        if any(evasion not in _WANTED_EVASIONS for evasion in entry.also):
            wrong[f"entries[{index}].also"] = "must be PINYIN, INITIALS, HOMOPHONES or REVERSED"
    _refuse(wrong)
    return list(map(_entry, request.entries)), _signature(request)


def removed(request: lexicon_pb2.RemoveEntriesRequest) -> tuple[list[str], Signature]:
    """The words, and who removes them.

    Raises:
        InvalidRequestError: `fields` names everything that is wrong.
    """
    _refuse(_wrong_signature(request) | _wrong_count("words", len(request.words)))
    return list(request.words), _signature(request)


def page(request: lexicon_pb2.ListVersionsRequest) -> tuple[int | None, int]:
    """Before which version, and how many.

    Raises:
        InvalidRequestError: `fields` names everything that is wrong.
    """
    wrong = {} if 0 <= request.page_size <= _PAGE_MAX else {"page_size": f"must be 0 to {_PAGE_MAX}"}
    if request.page_token and not _VERSION.fullmatch(request.page_token):
        wrong["page_token"] = "must be the next_page_token of the page before"  # noqa: S105  # no password
    _refuse(wrong)
    return int(request.page_token) if request.page_token else None, request.page_size or _PAGE_DEFAULT


def restoration(request: lexicon_pb2.RestoreVersionRequest) -> tuple[int, Signature]:
    """The version, and who returns to it.

    Raises:
        InvalidRequestError: `fields` names everything that is wrong.
    """
    _refuse(_wrong_signature(request))
    return request.stored_version, _signature(request)


def text(request: lexicon_pb2.ExplainTextRequest) -> str:
    """The text.

    Raises:
        InvalidRequestError: It is empty or too long.
    """
    ok = 1 <= len(request.text) <= _TEXT_CHARACTERS_MAX
    _refuse({} if ok else {"text": f"must be 1 to {_TEXT_CHARACTERS_MAX} characters"})
    return request.text


def lexicon(info: Info, problem: str) -> lexicon_pb2.GetLexiconResponse:
    """What is in force."""
    return lexicon_pb2.GetLexiconResponse(
        version=info.version,
        stored_version=info.stored_version,
        entries=info.entries,
        load_time=_timestamp(info.loaded_at),
        lists=[
            lexicon_pb2.ListInfo(
                name=one.name,
                stored=one.stored,
                entries=len(one.entries),
                author=one.author,
                update_time=_timestamp(one.updated_at) if one.updated_at is not None else None,
            )
            for one in info.lists
        ],
        problem=problem,
    )


def report(report: PutReport) -> lexicon_pb2.PutListResponse:
    """What was stored, or would be."""
    return lexicon_pb2.PutListResponse(
        stored_version=report.version,
        entries=report.entries,
        added=report.added,
        removed=report.removed,
        trial=_trial(report.trial),
    )


def stored_list(stored: StoredList) -> lexicon_pb2.GetListResponse:
    """A stored list."""
    return lexicon_pb2.GetListResponse(
        info=lexicon_pb2.ListInfo(
            name=stored.name,
            stored=True,
            entries=stored.entries,
            author=stored.author,
            update_time=_timestamp(stored.updated_at),
        ),
        format=_FORMATS[stored.form.format],
        content=stored.content,
        label=stored.form.label,
        tier=_TIERS[stored.form.tier],
    )


def version(version: Version) -> lexicon_pb2.Version:
    """A change of the stored lists."""
    return lexicon_pb2.Version(
        stored_version=version.number,
        change=version.change,
        author=version.author,
        reason=version.reason,
        create_time=_timestamp(version.created_at),
    )


def explanation(
    text: str, judged: Judged, matches: Sequence[Match], scores: Sequence[Explanation]
) -> lexicon_pb2.ExplainTextResponse:
    """What is found in a text."""
    return lexicon_pb2.ExplainTextResponse(
        refused=judged.refused is not None,
        referred=bool(judged.referred),
        hits=[
            lexicon_pb2.Hit(
                entry=_proto_entry(match.entry),
                list=match.entry.list_name,
                start=match.start,
                end=match.end,
                evasion=match.evasion,
                found=text[match.start : match.end],
            )
            for match in matches[:_HITS_MAX]
        ],
        scores=[
            lexicon_pb2.LearnedScore(
                label=score.label,
                score=score.score,
                refer_from=score.refer_from,
                block_from=score.block_from,
                grams=[lexicon_pb2.WeighedGram(gram=gram, weight=weight) for gram, weight in score.grams],
            )
            for score in scores
        ],
    )


def _trial(trial: Trial) -> lexicon_pb2.Trial:
    return lexicon_pb2.Trial(
        texts=trial.texts,
        refused_before=trial.refused_before,
        refused_after=trial.refused_after,
        changes=[
            lexicon_pb2.TrialChange(excerpt=change.excerpt, refused=change.refused, word=change.word)
            for change in trial.changes
        ],
    )


def _entry(entry: lexicon_pb2.Entry) -> Entry:
    return Entry(
        word=entry.word,
        label=entry.label or OTHER,
        tier=_WANTED_TIERS[entry.tier],
        also=frozenset(_WANTED_EVASIONS[evasion] for evasion in entry.also),
        near=tuple(entry.near),
        within=entry.within_characters or WITHIN_DEFAULT,
        list_name=ADDED,
    )


def _proto_entry(entry: Entry) -> lexicon_pb2.Entry:
    return lexicon_pb2.Entry(
        word=entry.word,
        label=entry.label,
        tier=_TIERS[entry.tier],
        also=[_EVASIONS[evasion] for evasion in sorted(entry.also)],
        near=entry.near,
        within_characters=entry.within if entry.near else 0,
    )


def _wrong_signature(request: _Signed) -> dict[str, str]:
    wrong: dict[str, str] = {}
    for field, low, high in (("author", 1, _AUTHOR_CHARACTERS_MAX), ("reason", 0, _REASON_CHARACTERS_MAX)):
        value = getattr(request, field)
        if not (low <= len(value) <= high and value.isprintable()):
            wrong[field] = f"must be {low} to {high} printable characters"
    return wrong


def _wrong_count(field: str, count: int) -> dict[str, str]:
    return {} if 1 <= count <= _CHANGES_MAX else {field: f"must be 1 to {_CHANGES_MAX:,}"}


def _signature(request: _Signed) -> Signature:
    return Signature(request.author, request.reason)


def _refuse(wrong: Mapping[str, str]) -> None:
    if wrong:
        field, why = next(iter(wrong.items()))
        raise InvalidRequestError(f"{field} {why}.", fields=wrong)


def _timestamp(moment: datetime) -> Timestamp:
    timestamp = Timestamp()
    timestamp.FromDatetime(moment)
    return timestamp
