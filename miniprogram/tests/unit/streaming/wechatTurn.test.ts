/** Turns by `wx`: what devices, the tools, PCs and WeChat Cloud Run make of a stream. */

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cloudRunEnvironment, wechatEnvironment } from '../../../src/streaming/platforms';
import type { Environment } from '../../../src/streaming/environment';
import { CORPUS } from './corpus';
import { FakeWx } from './fakeWx';
import type { FakeRequest } from './fakeWx';
import { TestTurn } from './harness';
import { behind, bytesOfEvents, errorBody, eventsOf, REQUEST_ID } from './transcript';

const PIECES = [{ reasoning: '想' }, ...CORPUS.slice(2, 5).map((text) => ({ text }))];
const EVENTS = eventsOf(PIECES);
const STREAM = bytesOfEvents(EVENTS);
const TEXT = CORPUS.slice(2, 5).join('');
const HEADERS = { 'X-Request-Id': REQUEST_ID, 'x-conversation-id': 'talk-1', 'X-CACHE': 'hit' };
const ANSWERED = { statusCode: 200, header: HEADERS };

function quick(environment: Environment): Environment {
  return { ...environment, random: () => 0, patience: { ...environment.patience, retryMs: 0, retryMaxMs: 0, silenceMs: 40 } };
}

function wechat(onRequest: FakeWx['onRequest']): { wx: FakeWx; turn: () => TestTurn } {
  const wx = new FakeWx();
  wx.onRequest = onRequest;
  const environment = quick(wechatEnvironment(wx));
  return { wx, turn: () => new TestTurn(environment) };
}

function rest(request: FakeRequest): Uint8Array {
  const last = request.options.header['Last-Event-ID'];
  return bytesOfEvents(last === undefined ? EVENTS : behind(EVENTS, last));
}

/** Answers with these bytes, in chunks of the device's kind. */
function play(request: FakeRequest, pieces: Uint8Array[], kind: 'device' | 'tools'): void {
  request.headers(HEADERS);
  pieces.forEach((piece) => request.chunk(kind === 'device' ? piece.slice().buffer : piece.slice()));
}

async function atEachByte(check: (cut: number) => Promise<void>): Promise<void> {
  await Promise.all(Array.from(STREAM, (_, cut) => check(cut)));
}

describe.each(['device', 'tools'] as const)('a turn in chunks of a %s', (kind) => {
  it('is told alike wherever the chunks are cut', async () => {
    await atEachByte(async (cut) => {
      const { turn } = wechat((request) => {
        play(request, [STREAM.slice(0, cut), STREAM.slice(cut)], kind);
        request.succeed(ANSWERED);
      });
      const told = turn();
      expect((await told.over).name).toBe('completed');
      expect(told.text).toBe(TEXT);
      expect(told.told[0]).toMatchObject({ requestId: REQUEST_ID, conversationId: 'talk-1', cached: true });
    });
  });

  it('whose line breaks at any byte goes on, and no character comes twice or is lost', async () => {
    await atEachByte(async (cut) => {
      const { wx, turn } = wechat((request, number) => {
        play(request, [number === 0 ? STREAM.slice(0, cut) : rest(request)], kind);
        if (number === 0) request.fail('request:fail interrupted');
        else request.succeed(ANSWERED);
      });
      const told = turn();
      expect((await told.over).name).toBe('completed');
      expect([told.text, told.reasoning]).toEqual([TEXT, '想']);
      expect(wx.requests.length).toBeLessThanOrEqual(2);
    });
  });

  it('survives any breaks in any chunks', async () => {
    const breaks = fc.array(fc.nat(STREAM.length), { maxLength: 6 });
    await fc.assert(
      fc.asyncProperty(breaks, fc.integer({ min: 1, max: 97 }), async (cuts, length) => {
        const { turn } = wechat((request, number) => {
          const bytes = rest(request).slice(0, cuts[number] ?? Infinity);
          const pieces = [];
          for (let at = 0; at < bytes.length; at += length) pieces.push(bytes.slice(at, at + length));
          play(request, pieces, kind);
          if (number < cuts.length) request.fail('request:fail');
          else request.succeed(ANSWERED);
        });
        const told = turn();
        expect((await told.over).name).toBe('completed');
        expect([told.text, told.reasoning]).toEqual([TEXT, '想']);
      }),
      { numRuns: 60 },
    );
  });
});

describe('a mini-program', () => {
  it('passes success, so that uni-app answers a task, and asks for chunks and for time', async () => {
    const { wx, turn } = wechat((request) => play(request, [STREAM], 'device'));
    await turn().over;
    expect(wx.requests[0]?.options).toMatchObject({ enableChunked: true, responseType: 'arraybuffer', timeout: 600_000 });
    expect(wx.requests[0]?.options.success).toBeTypeOf('function');
  });

  it('leaves the line when the turn is over, and no word of it is heard any more', async () => {
    const { wx, turn } = wechat((request) => play(request, [STREAM], 'device'));
    const told = turn();
    await told.over;
    expect(wx.requests[0]?.aborted).toBe(true);
    const count = told.told.length;
    wx.requests[0]?.chunk(STREAM);
    wx.requests[0]?.succeed(ANSWERED);
    expect(told.told).toHaveLength(count);
  });

  it('knows the turn by its first event where the device tells no headers in time', async () => {
    const { turn } = wechat((request) => request.chunk(STREAM.slice().buffer));
    const told = turn();
    expect((await told.over).name).toBe('completed');
    expect(told.told[0]).toMatchObject({ name: 'started', requestId: REQUEST_ID, conversationId: 'talk-1' });
  });

  it('reads an error that comes in chunks before its status', async () => {
    const body = new TextEncoder().encode(errorBody('insufficient_quota', '余额不足'));
    const { turn } = wechat((request) => {
      request.chunk(body.slice(0, 50));
      request.chunk(body.slice(50));
      request.succeed({ statusCode: 402 });
    });
    expect(await turn().over).toMatchObject({ name: 'failed', code: 'insufficient_quota', message: '余额不足', status: 402 });
  });

  it('reads an error that comes with success', async () => {
    const { turn } = wechat((request) => {
      const header = { 'retry-after': '3' };
      request.succeed({ statusCode: 429, header, data: JSON.parse(errorBody('rate_limit_exceeded', '慢一点')) });
    });
    expect(await turn().over).toMatchObject({ code: 'rate_limit_exceeded', retryAfterS: 3, status: 429 });
  });

  it('reads a stream that comes whole with success', async () => {
    const { turn } = wechat((request) => request.succeed({ ...ANSWERED, data: STREAM.slice().buffer }));
    const told = turn();
    await told.over;
    expect(told.text).toBe(TEXT);
  });

  it('reads a stream that comes as text with success', async () => {
    const { turn } = wechat((request) => request.succeed({ ...ANSWERED, data: new TextDecoder().decode(STREAM) }));
    const told = turn();
    await told.over;
    expect(told.text).toBe(TEXT);
  });

  it('goes on when it is shown again after WeChat cut its line', async () => {
    const { wx, turn } = wechat((request, number) => {
      play(request, [number === 0 ? STREAM.slice(0, 900) : rest(request)], 'device');
    });
    const told = turn();
    await told.heard('started');
    wx.hide();
    wx.requests[0]?.fail('request:fail interrupted');
    expect(told.told.slice(-1)).toEqual([{ name: 'interrupted', attempt: 1, retryInMs: null }]);
    expect(wx.requests).toHaveLength(1);
    wx.show();
    expect((await told.over).name).toBe('completed');
    expect(told.text).toBe(TEXT);
  });

  it('goes on when the network is back', async () => {
    const { wx, turn } = wechat((request, number) => {
      play(request, [number === 0 ? STREAM.slice(0, 900) : rest(request)], 'device');
    });
    const told = turn();
    await told.heard('started');
    wx.network({ isConnected: false });
    wx.requests[0]?.fail('request:fail');
    expect(told.told.slice(-1)).toEqual([{ name: 'interrupted', attempt: 1, retryInMs: null }]);
    wx.network({ isConnected: true });
    await told.over;
    expect(told.text).toBe(TEXT);
  });
});

describe('a client that gets no chunks', () => {
  it('is answered over a socket, the next turn too', async () => {
    const { wx, turn } = wechat((request) => request.succeed(ANSWERED));
    wx.onSocket = (socket) => {
      socket.play('open');
      socket.message({ type: 'started', id: 'turn', request_id: REQUEST_ID, model: 'm', cached: false });
      socket.message({ type: 'delta', id: 'turn', event_id: '2', text: '鹊桥' });
      socket.message({ type: 'completed', id: 'turn', event_id: '2.2', finish_reason: 'stop' });
    };
    for (let count = 1; count <= 2; count += 1) {
      const told = turn();
      expect(await told.over).toMatchObject({ name: 'completed', finishReason: 'stop' });
      expect(told.text).toBe('鹊桥');
      expect([wx.requests.length, wx.sockets.length]).toEqual([1, count]);
    }
    expect(wx.sockets[0]?.sent[0]).toMatchObject({ type: 'start', token: 'token-1', idempotency_key: 'key-1' });
  });

  it('is answered whole where there are no sockets either, and pays once: the key is the same', async () => {
    const { wx, turn } = wechat((request) => {
      const chunked = 'enableChunked' in request.options && request.options.enableChunked;
      request.succeed(chunked ? ANSWERED : { ...ANSWERED, data: STREAM.slice().buffer });
    });
    wx.onSocket = (socket) => socket.play('error', { errMsg: 'url not in domain list' });
    const told = turn();
    expect((await told.over).name).toBe('completed');
    expect(told.text).toBe(TEXT);
    expect(wx.requests.map(({ options }) => options.header['Idempotency-Key'])).toEqual(['key-1', 'key-1']);
    expect(told.names).not.toContain('interrupted');
  });

  it('is found out by its silence', async () => {
    const { wx, turn } = wechat(() => {});
    wx.onSocket = (socket) => {
      socket.play('open');
      socket.message({ type: 'started', id: 'turn', request_id: REQUEST_ID, model: 'm', cached: false });
      socket.message({ type: 'completed', id: 'turn', event_id: '0.2', finish_reason: 'stop' });
    };
    expect((await turn().over).name).toBe('completed');
    expect(wx.requests[0]?.aborted).toBe(true);
  });

  it('is not what a client is that had chunks before', async () => {
    const { wx, turn } = wechat((request, number) => {
      if (number === 1) request.succeed(ANSWERED);
      else play(request, [rest(request)], 'device');
    });
    await turn().over;
    await turn().over;
    expect([wx.requests.length, wx.sockets.length]).toEqual([3, 0]);
  });
});

describe('WeChat Cloud Run', () => {
  const place = { env: 'prod-1', service: 'queqiao' };

  it('streams over the socket of its container', async () => {
    const wx = new FakeWx();
    wx.onSocket = (socket) => {
      socket.play('open');
      socket.message({ type: 'started', id: 'turn', request_id: REQUEST_ID, model: 'm', cached: false });
      socket.message({ type: 'delta', id: 'turn', event_id: '2', text: '鹊桥' });
      socket.message({ type: 'completed', id: 'turn', event_id: '2.2', finish_reason: 'stop' });
    };
    const told = new TestTurn(quick(cloudRunEnvironment(wx, place)), { baseUrl: '' });
    expect((await told.over).name).toBe('completed');
    expect(told.text).toBe('鹊桥');
    expect(wx.sockets[0]?.url).toBe('queqiao:/v1/ws');
  });

  it('answers whole by its container where it has no socket', async () => {
    const wx = new FakeWx();
    wx.onSocket = (socket) => socket.play('close', { code: 1006 });
    wx.onRequest = (request) => request.succeed({ ...ANSWERED, data: STREAM.slice().buffer });
    const told = new TestTurn(quick(cloudRunEnvironment(wx, place)), { baseUrl: '' });
    expect((await told.over).name).toBe('completed');
    expect(told.text).toBe(TEXT);
    expect(wx.requests[0]?.options).toMatchObject({
      path: '/v1/chat/completions',
      config: { env: 'prod-1' },
      header: { 'X-WX-SERVICE': 'queqiao' },
    });
  });
});
