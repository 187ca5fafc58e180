/** Turns over real HTTP, by `fetch`. */

import { afterEach, describe, expect, it } from 'vitest';
import { HttpChannel } from '../../../src/streaming/httpChannel';
import { FetchTransport } from '../../../src/streaming/transports/browserFetch';
import type { TurnRequest } from '../../../src/streaming/types';
import { CORPUS } from './corpus';
import { TestGateway } from './gateway';
import type { Asked, Reaction } from './gateway';
import { environmentOf, TestLifecycle, TestTurn } from './harness';
import { bytesOfEvents, errorBody, eventsOf, REQUEST_ID } from './transcript';

const PIECES = [{ reasoning: '想一想' }, ...CORPUS.slice(0, 3).map((text) => ({ text }))];
const EVENTS = eventsOf(PIECES);
const TEXT = CORPUS.slice(0, 3).join('');
const REFUSED = { status: 401, body: errorBody('invalid_api_key', '请重新登录') };

let gateway: TestGateway;
afterEach(() => gateway.stop());

async function ask(
  react: (asked: Asked, number: number) => Reaction,
  more: Parameters<typeof environmentOf>[1] = {},
  request: Partial<TurnRequest> = {},
): Promise<TestTurn> {
  gateway = await TestGateway.start(EVENTS, react);
  const environment = environmentOf([new HttpChannel(new FetchTransport(fetch))], more);
  return new TestTurn(environment, { baseUrl: gateway.url, ...request });
}

describe('a turn over HTTP', () => {
  it('is told from its beginning to its end', async () => {
    const turn = await ask(() => ({}));
    expect(await turn.over).toEqual({
      name: 'completed',
      finishReason: 'stop',
      model: 'simulated',
      usage: { promptTokens: 5, completionTokens: 7, totalTokens: 12, cachedTokens: 2, reasoningTokens: 3 },
      aiLabel: 'AI 生成',
      question: '1',
      answer: '2',
    });
    expect([turn.text, turn.reasoning]).toEqual([TEXT, '想一想']);
    expect(turn.told[0]).toEqual({
      name: 'started',
      requestId: REQUEST_ID,
      conversationId: 'talk-1',
      model: 'simulated',
      cached: false,
    });
    const [asked] = gateway.asked;
    expect(asked).toMatchObject({ method: 'POST', path: '/v1/chat/completions' });
    expect(asked?.headers).toMatchObject({
      authorization: 'Bearer token-1',
      'idempotency-key': 'key-1',
      'accept-language': 'zh-CN',
    });
    expect(JSON.parse(asked?.body ?? '')).toMatchObject({ stream: true, conversation_id: 'talk-1' });
  });

  it.each(EVENTS.map((event, index) => [event.id, index + 1] as const))(
    'that is cut behind event %s goes on behind it, and nothing comes twice or is lost',
    async (id, count) => {
      const cutBytes = bytesOfEvents(EVENTS.slice(0, count)).length;
      const turn = await ask((_, number) => (number === 0 ? { cutBytes } : {}));
      expect((await turn.over).name).toBe('completed');
      expect([turn.text, turn.reasoning]).toEqual([TEXT, '想一想']);
      expect(turn.names.filter((name) => name === 'started')).toHaveLength(1);
      if (count < EVENTS.length - 1) {
        expect(gateway.asked[1]).toMatchObject({ method: 'GET', path: `/v1/chat/streams/${REQUEST_ID}` });
        expect(gateway.asked[1]?.headers['last-event-id']).toBe(id);
        expect(turn.names).toContain('resumed');
      } else {
        // The event that says how the turn ended has arrived.
        expect(gateway.asked).toHaveLength(1);
      }
    },
  );

  it('survives a cut behind every event of every line', async () => {
    const turn = await ask((asked) => {
      const last = asked.headers['last-event-id'];
      const index = last === undefined ? 0 : EVENTS.findIndex(({ id }) => id === last) + 1;
      return { cutBytes: bytesOfEvents(EVENTS.slice(index, index + 1)).length };
    });
    expect((await turn.over).name).toBe('completed');
    expect([turn.text, turn.reasoning]).toEqual([TEXT, '想一想']);
  });

  it('that is lost before its first event is asked again under the same key', async () => {
    const turn = await ask((_, number) => (number === 0 ? { cutBytes: 5 } : {}));
    expect((await turn.over).name).toBe('completed');
    expect(turn.text).toBe(TEXT);
    expect(gateway.asked.map(({ method, headers }) => [method, headers['idempotency-key']])).toEqual([
      ['POST', 'key-1'],
      ['POST', 'key-1'],
    ]);
  });

  it('tells its position while it waits', async () => {
    const turn = await ask(() => ({ comments: ['queue 2', 'ping', 'queue 1'] }));
    await turn.over;
    expect(turn.told.slice(0, 3)).toMatchObject([
      { name: 'queued', position: 2, where: 'server' },
      { name: 'queued', position: 1, where: 'server' },
      { name: 'started' },
    ]);
  });

  it('is refused with the sentence, the code and the wait of the server', async () => {
    const turn = await ask(() => ({
      status: 429,
      headers: { 'Retry-After': '7' },
      body: errorBody('rate_limit_exceeded', '请稍后再试'),
    }));
    expect(await turn.over).toEqual({
      name: 'failed',
      code: 'rate_limit_exceeded',
      message: '请稍后再试',
      retryAfterS: 7,
      status: 429,
      partial: false,
    });
    expect(gateway.asked).toHaveLength(1);
  });

  it('is asked again when something between could not reach the server', async () => {
    const gone: Reaction = { status: 502, body: '<html>Bad Gateway</html>' };
    const turn = await ask((_, number) => (number === 0 ? gone : {}));
    expect((await turn.over).name).toBe('completed');
    expect(turn.text).toBe(TEXT);
  });

  it('waits and goes on when the server cannot be resumed from just now', async () => {
    const busy: Reaction = { status: 503, body: errorBody('service_unavailable', '稍后') };
    const turn = await ask((_, number) => [{ cutBytes: 900 }, busy, {}][number] ?? {});
    expect((await turn.over).name).toBe('completed');
    expect(turn.text).toBe(TEXT);
    expect(gateway.asked).toHaveLength(3);
  });

  it('keeps the partial text when its stream is not known any more', async () => {
    const gone: Reaction = { status: 404, body: errorBody('not_found', '找不到') };
    const cutBytes = bytesOfEvents(EVENTS.slice(0, 3)).length;
    const turn = await ask((_, number) => (number === 0 ? { cutBytes } : gone));
    expect(await turn.over).toMatchObject({ name: 'failed', code: 'not_found', status: 404, partial: true });
    expect(turn.text).toBe(CORPUS[0]);
  });

  it('fails with its partial text when the model breaks off', async () => {
    const broken = { id: '', data: errorBody('upstream_error', '模型出错了') };
    const turn = await ask(() => ({ events: [...EVENTS.slice(0, 3), broken] }));
    expect(await turn.over).toMatchObject({ name: 'failed', code: 'upstream_error', status: null, partial: true });
  });

  it.each([
    ['retract', 'retracted'],
    ['vanish', 'retracted'],
    ['block', 'failed'],
  ])('that moderation ends with %s is %s', async (action, name) => {
    const refusal = { id: '', data: errorBody('content_policy_violation', '内容不合规', { action, layer: null, label: null }) };
    const turn = await ask(() => ({ events: [...EVENTS.slice(0, 4), refusal] }));
    expect(await turn.over).toMatchObject({ name, message: '内容不合规' });
  });

  it('whose question is refused has nothing to take back', async () => {
    const body = errorBody('content_policy_violation', '提问涉及敏感话题', { action: 'retract', layer: 'openai', label: 20006 });
    const turn = await ask(() => ({ status: 403, body }));
    expect(await turn.over).toMatchObject({ name: 'failed', code: 'content_policy_violation', partial: false });
  });

  it('refreshes a refused token once, and goes on with the new one', async () => {
    const refusals: (string | undefined)[] = [];
    const token = (refused?: string) => {
      refusals.push(refused);
      return Promise.resolve(refused === undefined ? 'old' : 'new');
    };
    const turn = await ask((asked) => (asked.headers.authorization === 'Bearer new' ? {} : REFUSED), {}, { token });
    expect((await turn.over).name).toBe('completed');
    expect(refusals).toEqual([undefined, 'old']);
  });

  it('fails when the new token is refused, too, and when there is none', async () => {
    const turn = await ask(() => REFUSED);
    expect(await turn.over).toMatchObject({ name: 'failed', code: 'invalid_api_key', status: 401 });
    expect(gateway.asked).toHaveLength(2);
    await gateway.stop();
    const nobody = await ask(() => ({}), {}, { token: () => Promise.reject(new Error('logged out')) });
    expect(await nobody.over).toMatchObject({ name: 'failed', code: 'unauthenticated' });
    expect(gateway.asked).toHaveLength(0);
  });

  it('gives up after its attempts, and says that there is partial text', async () => {
    const turn = await ask((_, number) => ({ cutBytes: number === 0 ? bytesOfEvents(EVENTS.slice(0, 4)).length : 0 }), {
      patience: { attemptsMax: 3 },
    });
    expect(await turn.over).toMatchObject({ name: 'failed', code: 'connection_lost', partial: true, status: null });
    expect(turn.told.filter(({ name }) => name === 'interrupted')).toMatchObject([
      { attempt: 1, retryInMs: 1 },
      { attempt: 2, retryInMs: 2 },
      { attempt: 3, retryInMs: 2 },
    ]);
  });

  it('takes a silent line for a lost one', async () => {
    const silent = { events: EVENTS.slice(0, 3), open: true };
    const turn = await ask((_, number) => (number === 0 ? silent : {}), { patience: { silenceMs: 40 } });
    expect((await turn.over).name).toBe('completed');
    expect([turn.text, turn.reasoning]).toEqual([TEXT, '想一想']);
    expect(gateway.asked).toHaveLength(2);
  });
});

describe('stopping', () => {
  it('stops the model and tells how the turn ended', async () => {
    const cancelled = eventsOf(PIECES.slice(0, 2), 'cancelled').slice(-2);
    const turn = await ask((asked) => {
      if (asked.method === 'POST') return { events: EVENTS.slice(0, 3), open: true };
      setTimeout(() => gateway.finish(cancelled), 5);
      return { status: 200, body: '{}' };
    });
    await turn.heard('delta', 2);
    turn.handle.stop();
    expect(await turn.over).toMatchObject({ name: 'completed', finishReason: 'cancelled', answer: '2' });
    expect(gateway.asked[1]).toMatchObject({ method: 'DELETE', path: `/v1/chat/streams/${REQUEST_ID}` });
    expect(turn.text).toBe(CORPUS[0]);
  });

  it('ends by itself when the server does not say how', async () => {
    const open = { events: EVENTS.slice(0, 3), open: true };
    const turn = await ask(() => open, { patience: { stopMs: 30 } });
    await turn.heard('delta');
    turn.handle.stop();
    expect(await turn.over).toMatchObject({ name: 'completed', finishReason: 'cancelled', usage: null });
  });

  it('between two lines takes the next one at once', async () => {
    const cutBytes = bytesOfEvents(EVENTS.slice(0, 3)).length;
    const cancelled = eventsOf(PIECES.slice(0, 2), 'cancelled').slice(-2);
    const turn = await ask(
      (asked) => {
        if (asked.method === 'POST') return { cutBytes };
        return asked.method === 'GET' ? { events: cancelled } : { status: 200, body: '{}' };
      },
      { patience: { retryMs: 60_000, retryMaxMs: 60_000 } },
    );
    await turn.heard('interrupted');
    turn.handle.stop();
    expect(await turn.over).toMatchObject({ name: 'completed', finishReason: 'cancelled', answer: '2' });
  });

  it('leaves the queue of the server at once', async () => {
    const turn = await ask(() => ({ events: [], comments: ['queue 4'], open: true }));
    await turn.heard('queued');
    turn.handle.stop();
    expect(await turn.over).toMatchObject({ name: 'completed', finishReason: 'cancelled' });
  });

  it('leaves the queue of the device without asking anything', async () => {
    gateway = await TestGateway.start(EVENTS, () => ({ events: EVENTS.slice(0, 2), open: true }));
    const environment = environmentOf([new HttpChannel(new FetchTransport(fetch))], { places: 1 });
    const first = new TestTurn(environment, { baseUrl: gateway.url });
    const second = new TestTurn(environment, { baseUrl: gateway.url });
    const third = new TestTurn(environment, { baseUrl: gateway.url });
    await first.heard('delta');
    expect(third.told).toEqual([{ name: 'queued', position: 2, where: 'device' }]);
    second.handle.stop();
    expect(await second.over).toMatchObject({ name: 'completed', finishReason: 'cancelled' });
    expect(third.told.slice(-1)).toEqual([{ name: 'queued', position: 1, where: 'device' }]);
    expect(gateway.asked).toHaveLength(1);
    first.handle.detach();
    await third.heard('delta');
    third.handle.detach();
    expect(gateway.asked).toHaveLength(2);
  });

  it('tells nothing after a turn was left', async () => {
    const lifecycle = new TestLifecycle();
    const turn = await ask(() => ({ events: EVENTS.slice(0, 3), open: true }), { lifecycle });
    await turn.heard('delta', 2);
    turn.handle.detach();
    const count = turn.told.length;
    gateway.finish(EVENTS.slice(3));
    lifecycle.set({ visible: false });
    lifecycle.set({ visible: true });
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(turn.told).toHaveLength(count);
    expect(lifecycle.listeners.size).toBe(0);
  });
});

describe('an app in the background, or without a network', () => {
  const cutBytes = bytesOfEvents(EVENTS.slice(0, 3)).length;

  it('goes on when it is shown again', async () => {
    const lifecycle = new TestLifecycle(5_000);
    lifecycle.visible = false;
    const turn = await ask((_, number) => (number === 0 ? { cutBytes } : {}), { lifecycle });
    await turn.heard('interrupted');
    expect(turn.told.slice(-1)).toEqual([{ name: 'interrupted', attempt: 1, retryInMs: null }]);
    lifecycle.set({ visible: true });
    expect((await turn.over).name).toBe('completed');
    expect(turn.text).toBe(TEXT);
  });

  it('goes on when the network is back', async () => {
    const lifecycle = new TestLifecycle();
    lifecycle.online = false;
    const turn = await ask((_, number) => (number === 0 ? { cutBytes } : {}), { lifecycle });
    await turn.heard('interrupted');
    lifecycle.set({ online: true });
    expect((await turn.over).name).toBe('completed');
    expect(turn.text).toBe(TEXT);
  });

  it('renews a line that the platform cut without telling', async () => {
    const lifecycle = new TestLifecycle(0);
    const turn = await ask((_, number) => (number === 0 ? { events: EVENTS.slice(0, 3), open: true } : {}), { lifecycle });
    await turn.heard('delta', 2);
    lifecycle.set({ visible: false });
    lifecycle.set({ visible: true });
    expect((await turn.over).name).toBe('completed');
    expect([turn.text, turn.reasoning]).toEqual([TEXT, '想一想']);
    expect(turn.names).not.toContain('interrupted');
  });
});
