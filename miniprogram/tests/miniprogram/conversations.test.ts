/** The list of conversations on a phone: opened, searched, renamed, pinned, deleted. */

import { afterEach, beforeAll, beforeEach, describe, expect, inject, it } from 'vitest';
import type { Conversation } from '../../src/api/shapes';
import { bytesOfEvents, eventsOf } from '../unit/streaming/transcript';
import { kept } from '../unit/thread/fakeTurns';
import { Device } from './device';
import { seen } from './seen';
import { LOGGED_IN, Service } from './service';

const TODAY = Math.floor(Date.now() / 1000);

let device: Device;
let service: Service;

beforeAll(() => {
  device = new Device(inject('miniProgram'), LOGGED_IN);
  service = new Service(device.wx);
});

afterEach(() => expect(device.errors.splice(0)).toEqual([]));

beforeEach(async () => {
  service.refuses = () => null;
  service.asked.length = 0;
  service.conversations = [talk('talk-1', '鹊桥是什么'), talk('talk-2', '牛郎与织女', { pinned: true }), talk('talk-3', '')];
  service.messages = [kept('1', null, '鹊桥是什么？'), kept('2', '1', '一座**桥**。')];
  while (device.open.length > 1) device.back();
  await enter();
});

async function enter(): Promise<void> {
  device.screen.press('对话列表');
  await seen(() => expect(device.screen.path).toBe('pages/conversations/conversations'));
  await shows('牛郎与织女');
}

const shows = (text: string) => seen(() => expect(device.screen.text).toContain(text));
const loses = (text: string) => seen(() => expect(device.screen.text).not.toContain(text));

function talk(id: string, title: string, more: Partial<Conversation> = {}): Conversation {
  return { id, title, message_count: 2, newest_id: '2', pinned: false, created_at: TODAY, updated_at: TODAY, ...more };
}

async function act(title: string, action: string): Promise<void> {
  device.screen.press(`更多操作 ${title}`);
  await seen(() => expect(device.screen.has('导出')).toBe(true));
  device.screen.press(action);
}

describe('the list', () => {
  it('stands by days, what is pinned first, and what has no name is called so', () => {
    expect(device.screen.texts('day')).toEqual(['置顶', '今天']);
    expect(device.screen.texts('name')).toEqual(['牛郎与织女', '鹊桥是什么', '未命名的对话']);
  });

  it('is searched by the server', async () => {
    device.screen.type('搜索标题和内容', '织女');
    await seen(() => expect(service.asked.map(({ path }) => path)).toContain(`/v1/conversations?limit=50&query=${encodeURIComponent('织女')}`));
    service.conversations = [];
    device.screen.type('搜索标题和内容', '没有的');
    await shows('没有找到“没有的”');
    device.screen.press('清空');
    await shows('还没有对话');
  });

  it('opens a conversation with its messages, and goes on with it', async () => {
    device.screen.press('鹊桥是什么');
    await seen(() => expect(device.open).toEqual(['pages/chat/chat']));
    await seen(() => expect(device.screen.texts('bubble')).toEqual(['鹊桥是什么？']));
    expect(device.screen.texts('strong')).toEqual(['桥']);
    expect(device.screen.text).toContain('AI 生成');
    device.screen.type('问点什么…', '然后呢？');
    await seen(() => expect(device.screen.said('发送', 'ariaDisabled')).toBe(false));
    device.screen.press('发送');
    await seen(() => expect(service.turns).toHaveLength(1));
    expect(JSON.parse(service.turns[0]?.options.data ?? '')).toMatchObject({ conversation_id: 'talk-1', parent_id: '2' });
    service.turns[0]?.chunk(bytesOfEvents(eventsOf([{ text: '然后…' }])));
    await seen(() => expect(device.screen.has('发送')).toBe(true));
  });

  it('asks nothing behind messages that are still being loaded, and leaves them for a new chat', async () => {
    service.refuses = ({ path }) => (path.includes('/messages') ? 'slow network' : null);
    const { length } = service.turns;
    device.screen.press('未命名的对话');
    await seen(() => expect(device.open).toEqual(['pages/chat/chat']));
    device.screen.type('问点什么…', '然后呢？');
    await seen(() => expect(device.screen.said('发送', 'ariaDisabled')).toBe(false));
    device.screen.press('发送');
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(service.turns).toHaveLength(length);
    expect(device.screen.said('问点什么…', 'value')).toBe('然后呢？');
    device.screen.press('新对话');
    await shows('今天想聊点什么？');
    device.screen.press('发送');
    await seen(() => expect(service.turns).toHaveLength(length + 1));
    service.turns[length]?.chunk(bytesOfEvents(eventsOf([{ text: '好。' }])));
    await shows('好。');
  });

  it('says when a conversation could not be loaded; then it can be opened again', async () => {
    service.refuses = ({ path }) => (path.includes('/messages') ? 'no network' : null);
    device.screen.press('牛郎与织女');
    await seen(() => expect(device.open).toEqual(['pages/chat/chat']));
    await shows('对话没有加载出来');
    service.refuses = () => null;
    await enter();
    device.screen.press('牛郎与织女');
    await seen(() => expect(device.open).toEqual(['pages/chat/chat']));
    await seen(() => expect(device.screen.texts('bubble')).toEqual(['鹊桥是什么？']));
  });
});

describe('a conversation', () => {
  it('is renamed', async () => {
    await act('鹊桥是什么', '重命名');
    await seen(() => expect(device.screen.has('保存')).toBe(true));
    device.screen.type('重命名', '七夕');
    await seen(() => expect(device.screen.said('保存', 'ariaDisabled')).toBe(false));
    device.screen.press('保存');
    await seen(() => expect(device.screen.texts('name')).toContain('七夕'));
    expect(service.askedOf('POST', '/v1/conversations/talk-1')[0]).toMatchObject({
      body: { title: '七夕' },
      header: { 'X-HTTP-Method-Override': 'PATCH' },
    });
  });

  it('is pinned', async () => {
    await act('鹊桥是什么', '置顶');
    await seen(() => expect(service.askedOf('POST', '/v1/conversations/talk-1')[0]?.body).toEqual({ pinned: true }));
    await seen(() => expect(device.screen.texts('day')).toEqual(['置顶', '今天']));
    await seen(() => expect(device.screen.texts('name').slice(0, 2).sort()).toEqual(['牛郎与织女', '鹊桥是什么'].sort()));
  });

  it('is deleted when that was confirmed', async () => {
    await act('鹊桥是什么', '删除');
    await seen(() => expect(device.screen.text).toContain('删除后不能恢复'));
    expect(service.askedOf('DELETE', '/v1/conversations/talk-1')).toEqual([]);
    device.screen.press('删除');
    await loses('鹊桥是什么');
    expect(service.askedOf('DELETE', '/v1/conversations/talk-1')).toHaveLength(1);
  });

  it('stays when the server cannot be reached, and says so', async () => {
    service.refuses = ({ method }) => (method === 'DELETE' ? 'no network' : null);
    await act('鹊桥是什么', '删除');
    await seen(() => expect(device.screen.text).toContain('删除后不能恢复'));
    device.screen.press('删除');
    await seen(() => expect(device.toasts).toContain('出了点问题，请重试'));
    expect(device.screen.texts('name')).toContain('鹊桥是什么');
  });
});
