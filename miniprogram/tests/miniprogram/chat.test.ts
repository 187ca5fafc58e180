/** The built mini-program on a stubbed device: what is typed, streamed, stopped, lost, and gone on with. */

import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import type { FakeRequest } from '../unit/streaming/fakeWx';
import { behind, bytesOfEvents, errorBody, eventsOf, REQUEST_ID } from '../unit/streaming/transcript';
import { buildMiniProgram } from './build';
import { Device } from './device';
import type { Page } from './device';

const TEXT = '# 鹊桥 🌉\n\n七夕的**一座桥**，由`喜鹊`搭成。\n\n- 一\n  - 二\n\n```js\nlet 桥 = 1;\n```\n\n| 甲 | 乙 |\n|---|---|\n| 1 | 2 |\n\n$x^2$';
const EVENTS = eventsOf([...TEXT].map((text) => ({ text })));
const HEADERS = { 'X-Request-Id': REQUEST_ID };
const BUILD_MS = 300_000;

let folder: string;
let device: Device;
let page: Page;
let answer: (request: FakeRequest, number: number) => void;

beforeAll(async () => {
  folder = await buildMiniProgram();
  // One app, as on a phone; its pages come and go.
  device = new Device(folder);
  device.wx.onRequest = (request, number) => answer(request, number);
}, BUILD_MS);

afterAll(() => rmSync(folder, { recursive: true, force: true }));

beforeEach(() => {
  device.wx.requests.length = 0;
  page = device.open('pages/chat/chat');
});

function ask(): void {
  page.type('.question', '鹊桥是什么？');
  page.tap('.send');
}

function stream(request: FakeRequest, bytes: Uint8Array): void {
  request.headers(HEADERS);
  // Seven bytes cut characters and events alike.
  for (let at = 0; at < bytes.length; at += 7) {
    const piece = bytes.slice(at, at + 7);
    request.chunk(at % 2 ? piece : piece.buffer);
  }
}

function rest(request: FakeRequest): Uint8Array {
  return bytesOfEvents(behind(EVENTS, request.options.header['Last-Event-ID'] ?? ''));
}

async function shows(state: string): Promise<void> {
  await vi.waitFor(() => expect(page.text('.state')).toBe(state), { timeout: 3_000 });
}

describe('the built mini-program', () => {
  it('holds nothing that devices refuse, and no KaTeX', () => {
    const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.js'));
    expect(files).toContain('common/vendor.js');
    for (const name of files) {
      const source = readFileSync(join(folder, name), 'utf8');
      // Code from text is forbidden; lookbehind is a syntax error before iOS 16.4; TextDecoder is not there.
      expect(source, name).not.toMatch(/\bnew Function\(|\beval\(|\(\?<[=!]|\bnew TextDecoder\b|renderToString/);
    }
  });

  it('asks what was typed, and draws the answer with its own elements', async () => {
    answer = (request) => stream(request, bytesOfEvents(EVENTS));
    ask();
    await shows('stop');
    const [request] = device.wx.requests;
    expect(JSON.parse(request?.options.data ?? '')).toMatchObject({ messages: [{ content: '鹊桥是什么？' }], stream: true });
    await vi.waitFor(() => expect(page.texts('heading')).toEqual(['鹊桥 🌉']));
    expect(page.texts('strong')).toEqual(['一座桥']);
    expect(page.texts('item')).toEqual(['•一•二', '•二']);
    expect(page.texts('keyword')).toEqual(['let']);
    expect(page.texts('cell')).toEqual(['甲', '乙', '1', '2']);
    expect(page.texts('formula')).toEqual(['x²']);
    expect(page.text('.notice')).toBe('AI 生成');
  });

  it('draws while the answer is still coming', async () => {
    answer = (request) => stream(request, bytesOfEvents(EVENTS.slice(0, 20)));
    ask();
    await vi.waitFor(() => expect(page.texts('heading')).toEqual(['鹊桥 🌉']));
    expect(page.text('.state')).toBe('answering');
    device.wx.requests[0]?.chunk(bytesOfEvents(EVENTS.slice(20)));
    await shows('stop');
    await vi.waitFor(() => expect(page.texts('formula')).toEqual(['x²']));
  });

  it('stops', async () => {
    answer = (request) => {
      if (request.options.method === 'POST') return stream(request, bytesOfEvents(EVENTS.slice(0, 20)));
      request.succeed({ statusCode: 200, header: {} });
      return device.wx.requests[0]?.chunk(bytesOfEvents(eventsOf([{ text: TEXT.slice(0, 18) }], 'cancelled').slice(-2)));
    };
    ask();
    await shows('answering');
    page.tap('.stop');
    await shows('cancelled');
    expect(device.wx.requests.map(({ options }) => options.method)).toEqual(['POST', 'DELETE']);
    await vi.waitFor(() => expect(page.texts('heading')).toEqual(['鹊桥 🌉']));
  });

  it('loses the network, and goes on where it was when the network is back', async () => {
    answer = (request, number) => stream(request, number === 0 ? bytesOfEvents(EVENTS.slice(0, 30)) : rest(request));
    ask();
    await shows('answering');
    device.wx.network({ isConnected: false });
    device.wx.requests[0]?.fail('request:fail');
    await shows('interrupted');
    device.wx.network({ isConnected: true });
    await shows('stop');
    expect(device.wx.requests[1]?.options).toMatchObject({ url: `https://chat.example/v1/chat/streams/${REQUEST_ID}` });
    await vi.waitFor(() => expect(page.texts('cell')).toEqual(['甲', '乙', '1', '2']));
    expect(page.texts('strong')).toEqual(['一座桥']);
  });

  it('is hidden, cut by WeChat, and goes on when it is shown again', async () => {
    answer = (request, number) => stream(request, number === 0 ? bytesOfEvents(EVENTS.slice(0, 30)) : rest(request));
    ask();
    await shows('answering');
    device.wx.hide();
    device.wx.requests[0]?.fail('request:fail interrupted');
    await shows('interrupted');
    expect(device.wx.requests).toHaveLength(1);
    device.wx.show();
    await shows('stop');
    await vi.waitFor(() => expect(page.texts('cell')).toEqual(['甲', '乙', '1', '2']));
  });

  it('takes everything back when moderation says so', async () => {
    const refusal = { id: '', data: errorBody('content_policy_violation', '内容不合规', { action: 'retract', layer: null, label: null }) };
    answer = (request) => stream(request, bytesOfEvents([...EVENTS.slice(0, 40), refusal]));
    ask();
    await shows('retracted');
    expect(page.text('.notice')).toBe('内容不合规');
    await vi.waitFor(() => expect(page.texts('block')).toEqual([]));
  });
});
