/** The app is opened for the first time on a phone: nobody is logged in, and nothing was agreed to. */

import { afterEach, beforeAll, describe, expect, inject, it } from 'vitest';
import { Device } from './device';
import { seen } from './seen';
import { Service } from './service';

const AGREE = '我已阅读并同意《隐私说明》';
const START = '微信登录并开始';

let device: Device;
let service: Service;

beforeAll(() => {
  device = new Device(inject('miniProgram'));
  service = new Service(device.wx);
});

afterEach(() => expect(device.errors.splice(0)).toEqual([]));

// One app on one phone: each step goes on from the one before.
describe('the first run', () => {
  it('welcomes, and asks nothing of the server', async () => {
    await seen(() => expect(device.open).toEqual(['pages/welcome/welcome']));
    expect(device.screen.text).toContain('你好，我是鹊桥');
    expect(service.asked).toEqual([]);
  });

  it('wants the privacy statement to be accepted first', async () => {
    device.screen.press(START);
    await seen(() => expect(device.screen.text).toContain('请先阅读并同意'));
    expect(service.asked).toEqual([]);
  });

  it('shows the privacy statement', async () => {
    device.screen.press('《隐私说明》');
    await seen(() => expect(device.open).toEqual(['pages/welcome/welcome', 'pages/about/about']));
    await seen(() => expect(device.screen.text).toContain('我们保存什么'));
    device.screen.press('返回');
    await seen(() => expect(device.open).toEqual(['pages/welcome/welcome']));
  });

  it('says so when WeChat logs nobody in', async () => {
    device.screen.press(AGREE);
    await seen(() => expect(device.screen.said(AGREE, 'ariaChecked')).toBe(true));
    device.onLogin = ({ fail }) => fail({ errMsg: 'login:fail' });
    device.screen.press(START);
    await seen(() => expect(device.screen.text).toContain('登录没有成功'));
  });

  it('says so when there is no network', async () => {
    device.onLogin = ({ success }) => success({ code: 'code-1' });
    service.refuses = () => 'no network';
    device.screen.press(START);
    await seen(() => expect(device.screen.text).toContain('网络连不上'));
    expect(device.kept.has('queqiao.session')).toBe(false);
  });

  it('logs in with the code of WeChat, and opens the chat in place of all else', async () => {
    service.refuses = () => null;
    service.asked.length = 0;
    device.screen.press(START);
    await seen(() => expect(device.open).toEqual(['pages/chat/chat']));
    expect(service.asked[0]).toMatchObject({ method: 'POST', path: '/v1/auth/wechat', body: { code: 'code-1' } });
    expect(service.asked[0]?.header).toMatchObject({ 'X-Client': 'mp-android', 'Accept-Language': 'zh-CN' });
    expect(service.askedOf('GET', '/v1/me')[0]?.header).toMatchObject({ Authorization: 'Bearer access-1' });
    await seen(() => expect(device.screen.text).toContain('今天想聊点什么？'));
  });

  it('keeps on the phone who is logged in, and what was agreed to', () => {
    expect(JSON.parse(device.kept.get('queqiao.session') ?? '')).toMatchObject({ refresh_token: 'refresh-1' });
    expect(JSON.parse(device.kept.get('queqiao.settings') ?? '')).toMatchObject({ agreed: true });
  });

  it('leads back to the welcome when the server takes the session no more', async () => {
    service.refuses = () => ({ statusCode: 401, data: { error: { code: 'invalid_api_key', message: '请登录' } } });
    device.screen.press('对话列表');
    await seen(() => expect(device.open).toEqual(['pages/welcome/welcome']));
    expect(device.kept.has('queqiao.session')).toBe(false);
    expect(service.askedOf('POST', '/v1/auth/refresh')).toHaveLength(1);
  });
});
