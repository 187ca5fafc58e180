/** Answers that came to nothing, or to a part: what stays of them, and how it goes on. */

import { beforeEach, describe, expect, it, vi } from 'vitest';
import { kept, TestThread } from './fakeTurns';

let test: TestThread;

beforeEach(() => {
  test = new TestThread();
});

/** Lets what the thread asks of the server be answered. */
const settled = (count: number) => vi.waitFor(() => expect(test.ended).toBe(count));

describe('a question that never arrived', () => {
  beforeEach(() => {
    test.thread.ask('一');
    test.turn.fail({ code: 'connection_lost' });
  });

  it('is asked again in its place, and nothing is left of the try', () => {
    expect(test.shown).toEqual(['Q 一', 'A  (failed)']);
    test.thread.retry(test.at(1));
    expect(test.turn.body).toEqual({ conversation_id: 'talk-1', messages: [{ role: 'user', content: '一' }] });
    // It may have arrived all the same: under the same key it is not paid twice.
    expect(test.turn.request.idempotencyKey).toBe('key-1');
    test.turn.start().write('甲').complete({ question: '1', answer: '2' });
    expect(test.shown).toEqual(['Q 一', 'A 甲']);
    expect(test.thread.branch(test.at(1))).toEqual({ index: 0, count: 1 });
  });

  it('can be asked otherwise', () => {
    test.thread.edit(test.at(0), '一改');
    expect(test.turn.body).toEqual({ conversation_id: 'talk-1', messages: [{ role: 'user', content: '一改' }] });
  });

  it('is asked again where it stood, within a conversation', () => {
    test.thread.retry(test.at(1));
    test.turn.start().write('甲').complete({ question: '1', answer: '2' });
    test.thread.ask('二');
    test.turn.fail({ code: 'rate_limit_exceeded', retryAfterS: 3 });
    test.thread.retry(test.at(3));
    expect(test.turn.body).toMatchObject({ messages: [{ content: '二' }], parent_id: '2' });
  });
});

describe('an answer that broke off', () => {
  beforeEach(() => {
    test.thread.ask('一');
    test.turn.start('req_2').write('半');
  });

  it('is gone on with when the server kept it', async () => {
    test.remembered = [kept('1', null, '一'), kept('2', '1', '半', { state: 'interrupted' })];
    test.turn.fail({ partial: true });
    await settled(1);
    expect(test.at(0)).toMatchObject({ id: '1', saved: true });
    expect(test.at(1)).toMatchObject({ id: '2', saved: true, status: 'failed' });
    test.thread.continue(test.at(1));
    expect(test.turn.body).toEqual({ conversation_id: 'talk-1', messages: [], continue_id: '2' });
  });

  it('is asked anew beside the question that the server kept', async () => {
    test.remembered = [kept('1', null, '一'), kept('2', '1', '半', { state: 'interrupted' })];
    test.turn.fail({ partial: true });
    await settled(1);
    test.thread.retry(test.at(1));
    expect(test.turn.body).toEqual({ conversation_id: 'talk-1', messages: [], regenerate_id: '2' });
    expect(test.thread.branch(test.at(1))).toEqual({ index: 1, count: 2 });
  });

  it('stays as a branch when the server kept nothing', async () => {
    test.turn.fail({ partial: true });
    await settled(1);
    test.thread.continue(test.at(1));
    expect(test.turn.body).toEqual({ conversation_id: 'talk-1', messages: [{ role: 'user', content: '一' }] });
    test.turn.start('req_3').write('全').complete({ question: '1', answer: '2' });
    expect(test.shown).toEqual(['Q 一', 'A 全']);
    test.thread.flip(test.at(1), -1);
    expect(test.shown).toEqual(['Q 一', 'A 半 (failed)']);
  });

  it('stays, too, while the server cannot be asked', async () => {
    test.remembered = null;
    test.turn.fail({ partial: true });
    await settled(1);
    expect(test.shown).toEqual(['Q 一', 'A 半 (failed)']);
    expect(test.at(1).saved).toBe(false);
  });

  it('is not mistaken for an older answer', async () => {
    test.remembered = [kept('1', null, '一'), kept('2', '1', '别的', { request_id: 'req_1' })];
    test.turn.fail({ partial: true });
    await settled(1);
    expect(test.at(1).saved).toBe(false);
  });

  it('is known to the server also when it was stopped and nobody heard how', async () => {
    test.remembered = [kept('1', null, '一'), kept('2', '1', '半', { state: 'interrupted' })];
    test.turn.complete({ question: null, answer: null }, 'cancelled');
    await settled(1);
    expect(test.at(1)).toMatchObject({ id: '2', saved: true, status: 'stopped' });
    test.thread.ask('二');
    expect(test.turn.body.parent_id).toBe('2');
  });
});

describe('another try at an answer that is known', () => {
  beforeEach(() => test.answered('一', '甲', { question: '1', answer: '2' }, 'length'));

  it('repeats the regeneration that failed', () => {
    test.thread.regenerate(test.at(1));
    test.turn.fail({ code: 'service_unavailable' });
    test.thread.retry(test.at(1));
    expect(test.turn.body).toEqual({ conversation_id: 'talk-1', messages: [], regenerate_id: '2' });
    expect(test.thread.branch(test.at(1))).toEqual({ index: 1, count: 2 });
  });

  it('repeats the continuation that failed', () => {
    test.thread.continue(test.at(1));
    test.turn.fail({ code: 'service_unavailable' });
    test.thread.retry(test.at(2));
    expect(test.turn.body).toEqual({ conversation_id: 'talk-1', messages: [], continue_id: '2' });
    expect(test.shown).toEqual(['Q 一', 'A 甲 (length)', 'A  (waiting)']);
  });
});
