/** Settings on another kind of phone: how the app looks and speaks, and how one leaves it. */

import { afterEach, beforeAll, beforeEach, describe, expect, inject, it } from 'vitest';
import { Device } from './device';
import { seen } from './seen';
import { LOGGED_IN, Service } from './service';

let device: Device;
let service: Service;

beforeAll(() => {
  device = new Device(inject('miniProgram'), LOGGED_IN, 'ios');
  service = new Service(device.wx);
});

afterEach(() => expect(device.errors.splice(0)).toEqual([]));

const shows = (text: string) => seen(() => expect(device.screen.text).toContain(text));
const kept = () => JSON.parse(device.kept.get('queqiao.settings') ?? '{}') as Record<string, unknown>;

describe('settings', () => {
  beforeEach(async () => {
    service.refuses = () => null;
    while (device.open.length > 1) device.back();
    device.screen.press('设置');
    await seen(() => expect(device.open).toEqual(['pages/chat/chat', 'pages/settings/settings']));
    await shows('u1');
  });

  it('say to the server what kind of phone asks', () => {
    expect(service.askedOf('GET', '/v1/me')[0]?.header).toMatchObject({ 'X-Client': 'mp-ios' });
  });

  it('make the app dark, and keep that', async () => {
    expect(device.screen.texts('dark')).toHaveLength(0);
    device.screen.press('深色');
    await seen(() => expect(device.screen.texts('dark')).toHaveLength(1));
    expect(kept()).toMatchObject({ theme: 'dark', agreed: true });
  });

  it('make letters larger, and keep that', async () => {
    device.screen.press('特大');
    await seen(() => expect(kept()).toMatchObject({ fontScale: 1.3 }));
  });

  it('speak English, to the server too', async () => {
    device.screen.press('English');
    await shows('Appearance');
    device.screen.press('Back');
    await shows('What is on your mind today?');
    device.screen.press('Settings');
    await seen(() => expect(device.open).toHaveLength(2));
    await seen(() => expect(service.asked[service.asked.length - 1]?.header).toMatchObject({ 'Accept-Language': 'en' }));
    device.screen.press('简体中文');
    await shows('外观');
  });

  it('turn on minors’ mode, on the server', async () => {
    expect(device.screen.said('未成年人模式', 'ariaChecked')).toBe(false);
    device.screen.press('未成年人模式');
    await seen(() => expect(device.screen.said('未成年人模式', 'ariaChecked')).toBe(true));
    expect(service.askedOf('POST', '/v1/me')[0]).toMatchObject({ body: { minor_mode: true }, header: { 'X-HTTP-Method-Override': 'PATCH' } });
  });

  it('say so when the server cannot be reached', async () => {
    service.refuses = () => 'no network';
    device.screen.press('未成年人模式');
    await seen(() => expect(device.toasts).toEqual(['出了点问题，请重试']));
  });

  it('copy the number of the user', async () => {
    device.screen.press('用户编号');
    await seen(() => expect(device.clipboard).toBe('u1'));
  });

  it('delete everything when that was confirmed, and lead to the welcome', async () => {
    device.screen.press('删除我的数据');
    await shows('会被永久删除');
    expect(service.askedOf('DELETE', '/v1/me')).toEqual([]);
    device.screen.press('永久删除');
    await seen(() => expect(device.open).toEqual(['pages/welcome/welcome']));
    expect(service.askedOf('DELETE', '/v1/me')).toHaveLength(1);
    expect(device.kept.has('queqiao.session')).toBe(false);
  });
});
