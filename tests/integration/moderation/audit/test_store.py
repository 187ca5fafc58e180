"""What was refused is kept, found and hidden."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest
from structlog.testing import capture_logs

from services.moderation.audit import sql
from services.moderation.audit.ports import BadRecordError, StoreAwayError
from services.moderation.audit.records import Filter, Position, Refusal, notes, text_sha256
from services.moderation.audit.store import RefusalStore
from services.moderation.audit.texts import KeptTexts
from services.moderation.domain import Action, Direction, Layer
from services.moderation.errors import RefusalNotFoundError
from services.runtime.errors import UnavailableError
from tests.integration.moderation.audit.conftest import BEGIN, Pool, finding, no_connections, written


def position(refusal: Refusal) -> Position:
    return Position(refusal.record.found_at, refusal.refusal_id)


def requests(refusals: list[Refusal]) -> list[str]:
    return [refusal.record.request_id for refusal in refusals]


async def test_what_was_written_is_read_again(store: RefusalStore) -> None:
    (note,) = await written(store, [finding(1, evasion="pinyin")], trace_id="ab" * 16)
    (found,) = await store.refusals(Filter(), limit=10)
    assert found.record == note.record
    assert found.appealed_at is None
    assert await store.refusal(found.refusal_id) == (found, "毒品和第1件私密的事")


async def test_refusals_are_found_by_each_of_their_facts(store: RefusalStore) -> None:
    other = {
        "layer": Layer.WECHAT,
        "direction": Direction.OUTPUT,
        "action": Action.LOGGED,
        "label": 20002,
        "user_id": "other",
        "request_id": "wanted",
        "rule": "keyword",
        "text": "另一句",
    }
    await written(store, [finding(0), finding(1, **other), finding(2)])
    searches = [
        Filter(layer=Layer.WECHAT),
        Filter(direction=Direction.OUTPUT),
        Filter(action=Action.LOGGED),
        Filter(label=20002),
        Filter(user_id="other"),
        Filter(request_id="wanted"),
        Filter(rule="keyword"),
        Filter(text_sha256=text_sha256("另一句")),
        Filter(start=BEGIN + timedelta(seconds=1), end=BEGIN + timedelta(seconds=2)),
        Filter(layer=Layer.WECHAT, direction=Direction.OUTPUT, user_id="other", end=BEGIN + timedelta(hours=1)),
    ]
    for wanted in searches:
        assert requests(await store.refusals(wanted, limit=10)) == ["wanted"], wanted
    assert await store.refusals(Filter(layer=Layer.WECHAT, user_id="u"), limit=10) == []
    assert requests(await store.refusals(Filter(user_id="u"), limit=10)) == ["r2", "r0"]


async def test_what_looks_like_sql_is_only_looked_for(store: RefusalStore) -> None:
    await written(store, [finding(0)])
    assert await store.refusals(Filter(user_id="u' OR '1'='1", rule="$1; DROP TABLE refusals"), limit=10) == []
    assert len(await store.refusals(Filter(), limit=10)) == 1


async def test_pages_neither_repeat_nor_miss_while_new_refusals_come(store: RefusalStore) -> None:
    await written(store, [finding(n) for n in range(10)])
    seen: list[str] = []
    before = None
    for round_ in range(5):
        page = await store.refusals(Filter(), before=before, limit=2)
        seen += requests(page)
        before = position(page[-1])
        await written(store, [finding(100 + round_)], begin=BEGIN + timedelta(hours=1 + round_))
    assert seen == [f"r{n}" for n in reversed(range(10))]
    assert await store.refusals(Filter(), before=before, limit=2) == []


async def test_refusals_of_one_moment_are_told_apart_by_their_ids(store: RefusalStore) -> None:
    batch = notes([finding(n) for n in range(5)], BEGIN, "", keep_texts=False)
    await store.add(await store.new_ids(5), batch)
    first = await store.refusals(Filter(), limit=2)
    rest = await store.refusals(Filter(), before=position(first[-1]), limit=10)
    assert requests(first + rest) == ["r4", "r3", "r2", "r1", "r0"]


async def test_one_user_one_turn_and_one_text_are_found_by_their_indexes(store: RefusalStore, pool: Pool) -> None:
    for user in range(40):
        await written(store, [finding(100 * user + n, user_id=f"u{user}") for n in range(100)])
    await pool.execute("ANALYZE refusals")
    for wanted, index in {
        Filter(user_id="u7"): "refusals_by_user",
        Filter(request_id="r777"): "refusals_by_request",
        Filter(text_sha256=text_sha256("毒品和第777件私密的事")): "refusals_by_text",
        Filter(start=BEGIN, end=BEGIN + timedelta(seconds=3)): "refusals_by_time",
        Filter(): "refusals_by_time",
    }.items():
        assert await store.refusals(wanted, limit=1)
        statement, arguments = sql.search(wanted, None, 51)
        plan = await pool.fetch(f"EXPLAIN {statement}", *arguments)
        assert index in str([line[0] for line in plan]), plan


async def test_kept_texts_are_unreadable_in_the_database(store: RefusalStore, pool: Pool) -> None:
    secret_words = "绝不外泄的原话 never to be read"
    await written(store, [finding(0, text=secret_words, user_id="u")])
    (row,) = await pool.fetch("SELECT refusals::text AS row, text_sealed FROM refusals")
    for word in ("绝不外泄", "never to be read"):
        assert word.encode() not in row["text_sealed"]
        assert word.encode("utf-16-le") not in row["text_sealed"]
        assert word not in row["row"]
        assert word.encode().hex() not in row["row"]
    (found,) = await store.refusals(Filter(), limit=1)
    assert (await store.refusal(found.refusal_id))[1] == secret_words


async def test_one_text_is_encrypted_differently_each_time(store: RefusalStore, pool: Pool) -> None:
    await written(store, [finding(0, text="同一句话"), finding(1, text="同一句话")])
    first, second = await pool.fetch("SELECT text_sealed FROM refusals")
    assert first["text_sealed"] != second["text_sealed"]


async def test_a_text_that_is_moved_to_another_refusal_is_not_shown(store: RefusalStore, pool: Pool) -> None:
    await written(store, [finding(0), finding(1)])
    await pool.execute(
        "UPDATE refusals SET text_sealed = (SELECT text_sealed FROM refusals WHERE request_id = 'r0') "
        "WHERE request_id = 'r1'"
    )
    newest, _ = await store.refusals(Filter(), limit=2)
    with capture_logs() as events:
        assert (await store.refusal(newest.refusal_id))[1] == ""
    assert [event["refusal_id"] for event in events] == [newest.refusal_id]
    assert "私密" not in repr(events)


async def test_without_the_secret_a_kept_text_stays_closed(store: RefusalStore, pool: Pool) -> None:
    await written(store, [finding(0)])
    (found,) = await store.refusals(Filter(), limit=1)
    for secret in ("", "another secret of more than 32 characters"):
        stranger = RefusalStore(pool, KeptTexts(secret, keep=False))
        assert await stranger.refusal(found.refusal_id) == (found, "")
        assert await stranger.recent(10) == []


async def test_texts_are_not_kept_unless_that_is_switched_on(pool: Pool) -> None:
    store = RefusalStore(pool, KeptTexts("", keep=False))
    await store.add(await store.new_ids(1), notes([finding(0)], BEGIN, "", keep_texts=False))
    assert await pool.fetchval("SELECT text_sealed FROM refusals") is None


async def test_recent_texts_are_the_newest_each_once(store: RefusalStore) -> None:
    await written(store, [finding(n, text=text) for n, text in enumerate(["甲", "乙", "丙", "乙"])])
    assert await store.recent(10) == ["乙", "丙", "甲"]
    assert await store.recent(3) == ["乙", "丙"]


async def test_what_is_written_twice_under_its_id_is_there_once(store: RefusalStore) -> None:
    ids, batch = await store.new_ids(3), notes([finding(n) for n in range(3)], BEGIN, "", keep_texts=False)
    await store.add(ids[:2], batch[:2])
    await store.add(ids, batch)
    assert requests(await store.refusals(Filter(), limit=10)) == ["r2", "r1", "r0"]


async def test_nobody_gets_the_same_ids(store: RefusalStore) -> None:
    drawn = await asyncio.gather(*(store.new_ids(50) for _ in range(10)))
    assert len({one for ids in drawn for one in ids}) == 500


async def test_a_record_that_the_database_refuses_is_told_apart_from_one_that_is_away(
    store: RefusalStore, postgres_url: str, database_url: str
) -> None:
    (note,) = notes([finding(0)], BEGIN, "", keep_texts=True)
    bad = [
        replace(note, record=replace(note.record, rule="\x00")),
        replace(note, record=replace(note.record, start=5, end=1)),
        replace(note, record=replace(note.record, label=2**40)),
        replace(note, excerpt="\ud800"),
    ]
    for one in bad:
        with pytest.raises(BadRecordError):
            await store.add(await store.new_ids(2), [note, one])
    assert await store.refusals(Filter(), limit=10) == []
    async with no_connections(postgres_url, database_url):
        with pytest.raises(StoreAwayError):
            await store.add([1], [note])
        with pytest.raises(StoreAwayError):
            await store.new_ids(1)
        with pytest.raises(UnavailableError) as caught:
            await store.refusals(Filter(), limit=1)
    assert database_url not in caught.value.message
    await store.add(await store.new_ids(1), [note])


async def test_a_refusal_that_is_not_there_is_not_found(store: RefusalStore) -> None:
    for refusal_id in (1, 2**63 - 1, 2**63, 10**18 * 9 + 5, -1):
        with pytest.raises(RefusalNotFoundError):
            await store.refusal(refusal_id)


async def test_the_first_appeal_counts(store: RefusalStore) -> None:
    await written(store, [finding(0), finding(1)])
    _, oldest = await store.refusals(Filter(), limit=2)
    await store.mark_appealed(oldest.refusal_id)
    first, _ = await store.refusal(oldest.refusal_id)
    await store.mark_appealed(oldest.refusal_id)
    second, _ = await store.refusal(oldest.refusal_id)
    assert first.appealed_at is not None
    assert first.appealed_at == second.appealed_at
    newest, _ = await store.refusals(Filter(), limit=2)
    assert newest.appealed_at is None
