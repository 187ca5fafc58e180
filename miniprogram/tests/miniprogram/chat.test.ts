/** The chat on a phone: what is typed, streamed, stopped, lost, gone on with, taken back, and asked again. */

import { afterEach, beforeAll, beforeEach, describe, expect, inject, it } from 'vitest';
import type { FakeRequest } from '../unit/streaming/fakeWx';
import { behind, bytesOfEvents, errorBody, eventsOf, REQUEST_ID } from '../unit/streaming/transcript';
import { GATEWAY } from './build';
import { Device } from './device';
import { seen } from './seen';
import { LOGGED_IN, Service } from './service';

const TEXT = '# 鹊桥 🌉\n\n七夕的**一座桥**，由`喜鹊`搭成。\n\n- 一\n  - 二\n\n```js\nlet 桥 = 1;\n```\n\n| 甲 | 乙 |\n|---|---|\n| 1 | 2 |\n\n$x^2$';
const EVENTS = eventsOf([...TEXT].map((text) => ({ text })));
const HEADERS = { 'X-Request-Id': REQUEST_ID };
const FIELD = '问点什么…';
const QUESTION = '鹊桥是什么？';

let device: Device;
let service: Service;

beforeAll(() => {
  device = new Device(inject('miniProgram'), LOGGED_IN);
  service = new Service(device.wx);
});

afterEach(() => expect(device.errors.splice(0)).toEqual([]));

beforeEach(() => {
  service.refuses = () => null;
  service.turns.length = 0;
  device.screen.press('新对话');
});

const shows = (text: string) => seen(() => expect(device.screen.text).toContain(text));
const writes = () => seen(() => expect(device.screen.has('停止')).toBe(true));
const isOver = () => seen(() => expect(device.screen.has('发送')).toBe(true));

async function ask(question = QUESTION): Promise<void> {
  await shows('今天想聊点什么？');
  await send(question);
}

async function send(question: string): Promise<void> {
  device.screen.type(FIELD, question);
  await seen(() => expect(device.screen.said('发送', 'ariaDisabled')).toBe(false));
  device.screen.press('发送');
}

function stream(request: FakeRequest, bytes: Uint8Array): void {
  request.headers(HEADERS);
  // Seven bytes cut characters and events alike.
  for (let at = 0; at < bytes.length; at += 7) {
    const piece = bytes.slice(at, at + 7);
    request.chunk(at % 2 ? piece : piece.buffer);
  }
}

function refuse(request: FakeRequest, statusCode: number, code: string, message: string): void {
  request.succeed({ statusCode, header: {}, data: JSON.parse(errorBody(code, message)) });
}

const rest = (request: FakeRequest) => bytesOfEvents(behind(EVENTS, request.options.header['Last-Event-ID'] ?? ''));
const answer = (request: FakeRequest) => stream(request, bytesOfEvents(EVENTS));
const half = (request: FakeRequest, count = 30) => stream(request, bytesOfEvents(EVENTS.slice(0, count)));
const body = (index: number) => JSON.parse(service.turns[index]?.options.data ?? '{}') as Record<string, unknown>;

describe('a question', () => {
  it('is asked as it was typed, and its answer drawn with the elements of the phone', async () => {
    service.onTurn = answer;
    await ask();
    await shows('AI 生成');
    expect(service.turns[0]?.options).toMatchObject({ url: `${GATEWAY}/v1/chat/completions`, method: 'POST', enableChunked: true });
    expect(service.turns[0]?.options.header).toMatchObject({ Authorization: 'Bearer access-1', 'X-Client': 'mp-android' });
    expect(body(0)).toMatchObject({ messages: [{ role: 'user', content: QUESTION }], model: 'simulated', stream: true });
    const { screen } = device;
    expect(screen.texts('bubble')).toEqual([QUESTION]);
    expect(screen.texts('heading-1')).toEqual(['鹊桥 🌉']);
    expect(screen.texts('strong')).toEqual(['一座桥']);
    expect(screen.texts('item')).toEqual(['•一•二', '•二']);
    expect(screen.texts('keyword')).toEqual(['let']);
    expect(screen.texts('cell')).toEqual(['甲', '乙', '1', '2']);
    expect(screen.texts('formula')).toEqual(['x²']);
  });

  it('of nothing is not sent', async () => {
    await shows('今天想聊点什么？');
    device.screen.type(FIELD, '  ');
    device.screen.press('发送');
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(service.turns).toEqual([]);
  });

  it('is suggested', async () => {
    service.onTurn = answer;
    await shows('今天想聊点什么？');
    device.screen.press('解释一个概念');
    await seen(() => expect(device.screen.said('发送', 'ariaDisabled')).toBe(false));
    device.screen.press('发送');
    await seen(() => expect(body(0).messages).toEqual([{ role: 'user', content: expect.stringContaining('通货膨胀') as string }]));
    await isOver();
  });

  it('follows the answer before it, in the same conversation', async () => {
    service.onTurn = answer;
    await ask();
    await shows('AI 生成');
    await send('然后呢？');
    await seen(() => expect(service.turns).toHaveLength(2));
    expect(body(1)).toMatchObject({ parent_id: '2', conversation_id: body(0).conversation_id });
    await isOver();
  });

  it('is edited, and stands beside the first one', async () => {
    service.onTurn = answer;
    await ask();
    await shows('AI 生成');
    device.screen.press('编辑并重发');
    await shows('编辑问题');
    device.screen.type('编辑问题', '鹊桥有多长？');
    await new Promise((resolve) => setTimeout(resolve, 50));
    device.screen.press('重发');
    await seen(() => expect(device.screen.texts('bubble')).toEqual(['鹊桥有多长？']));
    expect(body(1)).toMatchObject({ messages: [{ content: '鹊桥有多长？' }], parent_id: '0' });
    await shows('2 / 2');
    await isOver();
  });
});

describe('an answer', () => {
  it('is drawn while it is still coming', async () => {
    service.onTurn = (request) => half(request, 20);
    await ask();
    await seen(() => expect(device.screen.texts('heading-1')).toEqual(['鹊桥 🌉']));
    expect(device.screen.has('停止')).toBe(true);
    service.turns[0]?.chunk(bytesOfEvents(EVENTS.slice(20)));
    await isOver();
    expect(device.screen.texts('formula')).toEqual(['x²']);
  });

  it('is stopped, and what was written stays', async () => {
    service.onTurn = (request) => {
      if (request.options.method === 'POST') return half(request, 20);
      request.succeed({ statusCode: 200, header: {} });
      return service.turns[0]?.chunk(bytesOfEvents(eventsOf([{ text: TEXT.slice(0, 18) }], 'cancelled').slice(-2)));
    };
    await ask();
    await seen(() => expect(device.screen.texts('heading-1')).toEqual(['鹊桥 🌉']));
    device.screen.press('停止');
    await shows('已停止，写到这里');
    expect(service.turns.map(({ options }) => options.method)).toEqual(['POST', 'DELETE']);
    expect(device.screen.texts('heading-1')).toEqual(['鹊桥 🌉']);
    expect(device.screen.has('继续')).toBe(true);
  });

  it('goes on where it was when the network is back', async () => {
    service.onTurn = (request, number) => (number === 0 ? half(request) : stream(request, rest(request)));
    await ask();
    await writes();
    device.wx.network({ isConnected: false });
    service.turns[0]?.fail('request:fail');
    await shows('网络断开了');
    device.wx.network({ isConnected: true });
    await isOver();
    expect(service.turns[1]?.options).toMatchObject({ url: `${GATEWAY}/v1/chat/streams/${REQUEST_ID}` });
    expect(device.screen.texts('cell')).toEqual(['甲', '乙', '1', '2']);
    expect(device.screen.texts('strong')).toEqual(['一座桥']);
  });

  it('that WeChat cut while the app was hidden goes on when it is shown again', async () => {
    service.onTurn = (request, number) => (number === 0 ? half(request) : stream(request, rest(request)));
    await ask();
    await writes();
    device.wx.hide();
    service.turns[0]?.fail('request:fail interrupted');
    await shows('网络断开了');
    expect(service.turns).toHaveLength(1);
    device.wx.show();
    await isOver();
    expect(device.screen.texts('cell')).toEqual(['甲', '乙', '1', '2']);
  });

  it('is taken back whole when moderation says so', async () => {
    const refusal = { id: '', data: errorBody('content_policy_violation', '内容不合规', { action: 'retract', layer: null, label: null }) };
    service.onTurn = (request) => stream(request, bytesOfEvents([...EVENTS.slice(0, 40), refusal]));
    await ask();
    await shows('内容不合规');
    expect(device.screen.texts('block')).toEqual([]);
    expect(device.screen.text).not.toContain('鹊桥 🌉');
  });

  it('is copied, liked, and says what it cost', async () => {
    service.onTurn = answer;
    service.asked.length = 0;
    await ask();
    await shows('AI 生成');
    device.screen.press('复制');
    await seen(() => expect(device.toasts).toContain('已复制'));
    expect(device.clipboard).toBe(TEXT);
    device.screen.press('有帮助');
    await seen(() => expect(device.screen.said('有帮助', 'ariaPressed')).toBe(true));
    const path = `/v1/conversations/${String(body(0).conversation_id)}/messages/2/rating`;
    expect(service.askedOf('PUT', path)[0]?.body).toEqual({ rating: 'up' });
    device.screen.press('这次花了多少');
    await shows('问了 5 个字，答了 7 个字。');
    expect(service.askedOf('GET', `/v1/wallet/receipts/${REQUEST_ID}`)).toHaveLength(1);
    device.screen.press('关闭');
  });

  it('is written anew, and both can be looked at', async () => {
    service.onTurn = (request, number) => stream(request, bytesOfEvents(number === 0 ? EVENTS : eventsOf([{ text: '另一座桥' }])));
    await ask();
    await shows('AI 生成');
    device.screen.press('重新回答');
    await shows('另一座桥');
    expect(body(1)).toMatchObject({ messages: [], regenerate_id: '2' });
    await shows('2 / 2');
    device.screen.press('上一个回答');
    await seen(() => expect(device.screen.texts('heading-1')).toEqual(['鹊桥 🌉']));
  });
});

describe('a question that comes to nothing', () => {
  it('is asked again where it stood', async () => {
    service.onTurn = (request, number) => (number === 0 ? refuse(request, 400, 'something_new', '出错了') : answer(request));
    await ask();
    await shows('出错了');
    device.screen.press('重试');
    await shows('AI 生成');
    expect(device.screen.texts('bubble')).toEqual([QUESTION]);
    expect(device.screen.text).not.toContain('出错了');
  });

  it('for want of money leads to the wallet, and back with the question kept', async () => {
    service.onTurn = (request) => refuse(request, 402, 'insufficient_quota', '余额不足');
    await ask();
    await shows('余额不够回答这个问题了');
    device.screen.press('去充值');
    await seen(() => expect(device.open).toEqual(['pages/chat/chat', 'pages/wallet/wallet']));
    await shows('回到刚才的问题');
    device.screen.press('回到刚才的问题');
    await seen(() => expect(device.open).toEqual(['pages/chat/chat']));
    await seen(() => expect(device.screen.said(FIELD, 'value')).toBe(QUESTION));
  });
});
