/** A conversation under way: what is asked, where, and what is shown of it. */

import { beforeEach, describe, expect, it } from 'vitest';
import { kept, TestThread } from './fakeTurns';

/** Longer than what is collected before it is drawn. */
const FRAME_MS = 50;

let test: TestThread;

beforeEach(() => {
  test = new TestThread();
});

describe('asking', () => {
  it('names the conversation, and no place in one that is new', () => {
    test.thread.ask('鹊桥是什么？');
    expect(test.turn.body).toEqual({ conversation_id: 'talk-1', messages: [{ role: 'user', content: '鹊桥是什么？' }] });
    expect(test.turn.request).toMatchObject({ baseUrl: 'https://chat.example', idempotencyKey: 'key-1' });
    expect(test.shown).toEqual(['Q 鹊桥是什么？', 'A  (waiting)']);
  });

  it('names the model when one was chosen', () => {
    test.thread.model = 'gpt-4o-mini';
    test.thread.ask('鹊桥是什么？');
    expect(test.turn.body.model).toBe('gpt-4o-mini');
  });

  it('sends images beside the words, and without any', () => {
    test.thread.ask('这是什么？', ['data:image/jpeg;base64,AA']);
    const image = { type: 'image_url', image_url: { url: 'data:image/jpeg;base64,AA' } };
    expect(test.turn.body.messages[0]?.content).toEqual([{ type: 'text', text: '这是什么？' }, image]);
    test.turn.start().complete({ question: '1', answer: '2' });
    test.thread.ask('', ['data:image/jpeg;base64,AA']);
    expect(test.turn.body.messages[0]?.content).toEqual([image]);
  });

  it('shows what the turn tells of itself', () => {
    test.thread.ask('鹊桥是什么？');
    test.turn.tell('queued', { position: 2, where: 'server' });
    expect(test.at(1).position).toBe(2);
    test.turn.start('req_9');
    expect(test.at(1)).toMatchObject({ position: null, requestId: 'req_9', model: 'simulated' });
    test.turn.tell('interrupted', { attempt: 1, retryInMs: null });
    expect(test.at(1).offline).toBe(true);
    test.turn.tell('resumed', { attempt: 1 });
    expect(test.at(1).offline).toBe(false);
    test.turn.tell('delta', { reasoning: '想一想' });
    test.turn.write('一座桥').complete({ question: '1', answer: '2' });
    expect(test.at(1)).toMatchObject({ id: '2', saved: true, text: '一座桥', reasoning: '想一想', aiLabel: 'AI 生成' });
    expect(test.at(0)).toMatchObject({ id: '1', saved: true });
    expect(test.thread.writing).toBeNull();
    expect(test.ended).toBe(1);
  });

  it('follows the last answer, each question with a key of its own', () => {
    test.answered('一', '甲', { question: '1', answer: '2' });
    test.thread.ask('二');
    expect(test.turn.body).toEqual({ conversation_id: 'talk-1', messages: [{ role: 'user', content: '二' }], parent_id: '2' });
    expect(test.turn.request.idempotencyKey).toBe('key-2');
  });

  it('follows the last message that the server knows where the last answer is not remembered', () => {
    test.answered('一', '甲', { question: '1', answer: '2' });
    test.thread.ask('二');
    test.turn.start('req_2').tell('retracted', { message: '内容不合规' });
    test.thread.ask('三');
    expect(test.turn.body.parent_id).toBe('2');
    expect(test.shown).toEqual(['Q 一', 'A 甲', 'Q 二', 'A  (retracted)', 'Q 三', 'A  (waiting)']);
  });

  it('stops, and keeps what was written', () => {
    test.thread.ask('一');
    test.turn.start().write('甲');
    test.thread.stop();
    expect(test.turn.stopped).toBe(true);
    test.turn.complete({ question: '1', answer: '2' }, 'cancelled');
    expect(test.shown).toEqual(['Q 一', 'A 甲 (stopped)']);
  });

  it('says that an answer reached its limit', () => {
    test.answered('一', '甲', { question: '1', answer: '2' }, 'length');
    expect(test.at(1).status).toBe('length');
  });

  it('takes everything back that was retracted, what was not drawn yet too', async () => {
    test.thread.ask('一');
    test.turn.start().tell('delta', { reasoning: '想' });
    test.turn.write('甲').tell('retracted', { message: '内容不合规' });
    await new Promise((resolve) => setTimeout(resolve, FRAME_MS));
    expect(test.at(1)).toMatchObject({ status: 'retracted', text: '', reasoning: '', blocks: [], notice: '内容不合规', saved: false });
    expect(test.ended).toBe(1);
  });

  it('leaves turns that are under way to the server', () => {
    test.thread.ask('一');
    test.thread.detach();
    expect(test.turn.left).toBe(true);
  });
});

describe('branches', () => {
  beforeEach(() => {
    test.answered('一', '甲', { question: '1', answer: '2' });
    test.answered('二', '乙', { question: '3', answer: '4' });
  });

  it('an edited question begins one behind the message before it', () => {
    test.thread.edit(test.at(2), '二改');
    expect(test.turn.body).toMatchObject({ messages: [{ content: '二改' }], parent_id: '2' });
    expect(test.shown).toEqual(['Q 一', 'A 甲', 'Q 二改', 'A  (waiting)']);
    test.turn.start().write('丙').complete({ question: '5', answer: '6' });
    expect(test.thread.branch(test.at(2))).toEqual({ index: 1, count: 2 });
    test.thread.flip(test.at(2), -1);
    expect(test.shown).toEqual(['Q 一', 'A 甲', 'Q 二', 'A 乙']);
  });

  it('an edited first question begins the conversation anew', () => {
    test.thread.edit(test.at(0), '一改');
    expect(test.turn.body.parent_id).toBe('0');
    expect(test.shown).toEqual(['Q 一改', 'A  (waiting)']);
  });

  it('another answer stands beside the first one, and the question is not sent again', () => {
    test.thread.regenerate(test.at(3));
    expect(test.turn.body).toEqual({ conversation_id: 'talk-1', messages: [], regenerate_id: '4' });
    test.turn.start().write('丁').complete({ answer: '5' });
    expect(test.shown).toEqual(['Q 一', 'A 甲', 'Q 二', 'A 丁']);
    expect(test.thread.branch(test.at(3))).toEqual({ index: 1, count: 2 });
    expect(test.at(2)).toMatchObject({ id: '3', saved: true });
  });

  it('several are written at once, each where it belongs', () => {
    test.thread.regenerate(test.at(3));
    const first = test.turn.start('req_a');
    test.thread.flip(test.at(3), -1);
    expect(test.thread.writing).toBeNull();
    test.thread.regenerate(test.at(3));
    const second = test.turn.start('req_b');
    second.write('戊');
    first.write('丁').complete({ answer: '5' });
    expect(test.thread.branch(test.at(3))).toEqual({ index: 2, count: 3 });
    test.thread.stop();
    expect([first.stopped, second.stopped]).toEqual([false, true]);
    second.complete({ answer: '6' }, 'cancelled');
    expect(test.shown.slice(-1)).toEqual(['A 戊 (stopped)']);
    test.thread.flip(test.at(3), -1);
    expect(test.shown.slice(-1)).toEqual(['A 丁']);
  });

  it('an answer that was cut short is gone on with behind itself', () => {
    test.answered('三', '丙', { question: '5', answer: '6' }, 'length');
    test.thread.continue(test.at(5));
    expect(test.turn.body).toEqual({ conversation_id: 'talk-1', messages: [], continue_id: '6' });
    test.turn.start().write('丙后').complete({ answer: '7' });
    expect(test.shown.slice(-2)).toEqual(['A 丙 (length)', 'A 丙后']);
  });

  it('another answer in the place of one and what continues it answers the question', () => {
    test.answered('三', '丙', { question: '5', answer: '6' }, 'length');
    test.thread.continue(test.at(5));
    test.turn.start().write('丙后').complete({ answer: '7' });
    test.thread.regenerate(test.at(6));
    expect(test.turn.body.regenerate_id).toBe('7');
    test.turn.start().write('丁').complete({ answer: '8' });
    // As the server keeps it: behind the question, not behind the half answer.
    expect(test.shown.slice(-2)).toEqual(['Q 三', 'A 丁']);
  });
});

describe('what the server remembers', () => {
  const talk = [kept('1', null, '一'), kept('2', '1', '甲'), kept('3', '2', '二'), kept('4', '3', '乙'), kept('6', '1', '丙')];

  beforeEach(() => {
    test = new TestThread(false);
  });

  it('is shown along the branch in use', () => {
    test.thread.restore(talk, '4');
    expect(test.shown).toEqual(['Q 一', 'A 甲', 'Q 二', 'A 乙']);
    expect(test.at(3)).toMatchObject({ saved: true, requestId: 'req_4', blocks: [{ type: 'paragraph' }] });
    expect(test.thread.branch(test.at(1))).toEqual({ index: 0, count: 2 });
  });

  it('is gone on with', () => {
    test.thread.restore(talk, '4');
    test.thread.ask('三');
    expect(test.turn.body.parent_id).toBe('4');
  });

  it('shows images, ratings, and how an answer ended; and nothing of the system', () => {
    const parts = [{ type: 'text', text: '一' }, { type: 'image_url', image_url: { url: 'data:x' } }];
    test.thread.restore(
      [
        kept('1', null, '你是助手', { role: 'system' }),
        kept('3', null, '一', { message: { content: parts } }),
        kept('4', '3', '甲', { state: 'interrupted', rating: 'up' }),
      ],
      '4',
    );
    expect(test.shown).toEqual(['Q 一', 'A 甲 (interrupted)']);
    expect([test.at(0).images, test.at(1).rating]).toEqual([['data:x'], 'up']);
  });

  it('disturbs no answer that is being written', () => {
    test.thread.restore(talk, '4');
    test.thread.ask('三');
    test.turn.start('req_8').write('丁');
    const newer = [...talk, kept('7', '4', '三'), kept('8', '7', '丁')];
    test.thread.restore(newer, '8');
    expect(test.thread.writing).not.toBeNull();
    test.turn.complete({ question: '7', answer: '8' });
    expect(test.shown.slice(-2)).toEqual(['Q 三', 'A 丁']);
    expect([test.at(4).id, test.at(5).id]).toEqual(['7', '8']);
    expect(test.thread.branch(test.at(4))).toEqual({ index: 0, count: 1 });
    test.thread.restore([...newer, kept('9', '8', '四'), kept('10', '9', '戊')], '10');
    expect(test.shown.slice(-3)).toEqual(['A 丁', 'Q 四', 'A 戊']);
    expect(test.thread.path).toHaveLength(8);
  });
});
