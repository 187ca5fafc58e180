/** Turns over a real WebSocket, whose server speaks the gateway's frames. */

import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { WebSocketServer } from 'ws';
import type { WebSocket as Peer } from 'ws';
import { SocketChannel } from '../../../src/streaming/socketChannel';
import { BrowserSocketTransport } from '../../../src/streaming/transports/sockets';
import WebSocket from 'ws';
import { environmentOf, TestTurn } from './harness';
import { errorBody, REQUEST_ID, USAGE } from './transcript';

type Frame = Record<string, unknown>;

const STARTED = { type: 'started', request_id: REQUEST_ID, model: 'simulated', cached: false, conversation_id: 'talk-1' };
const CONVERSATION = { id: 'talk-1', question_id: '1', answer_id: '2' };
const ANSWER: Frame[] = [
  { type: 'delta', event_id: '1', reasoning: '想' },
  { type: 'delta', event_id: '3', text: '鹊桥' },
  { type: 'delta', event_id: '5', text: '😀！' },
  { type: 'usage', event_id: '5.1', usage: USAGE, charged_micros: 3 },
  { type: 'completed', event_id: '5.2', finish_reason: 'stop', conversation: CONVERSATION, ai_label: 'AI 生成' },
];

let server: WebSocketServer;
afterEach(() => {
  server.clients.forEach((client) => client.terminate());
  return new Promise((resolve) => server.close(resolve));
});

async function serve(react: (frame: Frame, peer: Peer, send: (frame: Frame) => void) => void): Promise<string> {
  server = new WebSocketServer({ port: 0, host: '127.0.0.1', path: '/v1/ws' });
  server.on('connection', (peer) => {
    peer.on('message', (data) => {
      const frame = JSON.parse(String(data)) as Frame;
      react(frame, peer, (said) => peer.send(JSON.stringify({ id: frame.id, ...said })));
    });
  });
  await new Promise((resolve) => server.on('listening', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function ask(baseUrl: string, patience = {}): TestTurn {
  const transport = new BrowserSocketTransport(WebSocket as unknown as typeof globalThis.WebSocket, baseUrl);
  return new TestTurn(environmentOf([new SocketChannel(transport)], { patience }), { baseUrl });
}

function behindId(last: unknown): Frame[] {
  return ANSWER.slice(ANSWER.findIndex(({ event_id: id }) => id === last) + 1);
}

describe('a turn over a WebSocket', () => {
  it('is told from its beginning to its end', async () => {
    const asked: Frame[] = [];
    const turn = ask(
      await serve((frame, _, send) => {
        asked.push(frame);
        [{ type: 'queue', position: 1 }, STARTED, ...ANSWER].forEach(send);
      }),
    );
    expect(await turn.over).toEqual({
      name: 'completed',
      finishReason: 'stop',
      model: 'simulated',
      usage: { promptTokens: 5, completionTokens: 7, totalTokens: 12, cachedTokens: 2, reasoningTokens: 3 },
      aiLabel: 'AI 生成',
      question: '1',
      answer: '2',
    });
    expect([turn.text, turn.reasoning]).toEqual(['鹊桥😀！', '想']);
    expect(turn.told.slice(0, 2)).toMatchObject([
      { name: 'queued', position: 1, where: 'server' },
      { name: 'started', requestId: REQUEST_ID, conversationId: 'talk-1' },
    ]);
    expect(asked[0]).toMatchObject({ type: 'start', token: 'token-1', idempotency_key: 'key-1' });
  });

  it.each([0, 1, 2, 3, 4])('that is cut behind %i of its events goes on behind them', async (count) => {
    const asked: Frame[] = [];
    const turn = ask(
      await serve((frame, peer, send) => {
        asked.push(frame);
        send(STARTED);
        if (frame.type === 'resume') {
          behindId(frame.last_event_id).forEach(send);
        } else {
          ANSWER.slice(0, count).forEach(send);
          peer.close();
        }
      }),
    );
    expect(await turn.over).toMatchObject({ name: 'completed', answer: '2', usage: { completionTokens: 7 } });
    expect([turn.text, turn.reasoning]).toEqual(['鹊桥😀！', '想']);
    expect(asked[1]).toMatchObject({ type: 'resume', request_id: REQUEST_ID });
  });

  it('is stopped by a frame, in the queue and while it is written', async () => {
    for (const first of [{ type: 'queue', position: 2 }, STARTED]) {
      const seen: unknown[] = [];
      const turn = ask(
        await serve((frame, _, send) => {
          seen.push(frame.type);
          if (frame.type === 'start') send(first);
          if (frame.type === 'cancel') send({ type: 'completed', event_id: '0.2', finish_reason: 'cancelled' });
        }),
      );
      await turn.heard(first === STARTED ? 'started' : 'queued');
      turn.handle.stop();
      expect(await turn.over).toMatchObject({ name: 'completed', finishReason: 'cancelled' });
      await new Promise((resolve) => setTimeout(resolve, 10));
      expect(seen).toEqual(['start', 'cancel']);
      await new Promise((resolve) => server.close(resolve));
    }
  });

  it('is refused, also by a frame about the whole socket', async () => {
    const body = JSON.parse(errorBody('rate_limit_exceeded', '慢一点')) as Frame;
    const turn = ask(await serve((_frame, _peer, send) => send({ type: 'error', ...body, id: null, retry_after_s: 2 })));
    expect(await turn.over).toMatchObject({ name: 'failed', code: 'rate_limit_exceeded', retryAfterS: 2, partial: false });
  });

  it('is taken back when moderation says so', async () => {
    const moderation = { action: 'retract', layer: null, label: null };
    const body = JSON.parse(errorBody('content_policy_violation', '内容不合规', moderation)) as Frame;
    const turn = ask(
      await serve((_frame, _peer, send) => [STARTED, ...ANSWER.slice(0, 2), { type: 'error', ...body }].forEach(send)),
    );
    expect(await turn.over).toEqual({ name: 'retracted', message: '内容不合规' });
  });
});
