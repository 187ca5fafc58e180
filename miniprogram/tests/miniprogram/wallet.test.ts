/** Paying on a phone: the device says what it likes, the screen follows the server. */

import { afterEach, beforeAll, beforeEach, describe, expect, inject, it, vi } from 'vitest';
import type { Order } from '../../src/api/shapes';
import { Device } from './device';
import type { Payment } from './device';
import { LOGGED_IN, Service } from './service';

const POLLED_MS = 2_000;

let device: Device;
let service: Service;

beforeAll(() => {
  device = new Device(inject('miniProgram'), LOGGED_IN);
  service = new Service(device.wx);
});

afterEach(() => expect(device.errors.splice(0)).toEqual([]));

// Orders are asked about every two seconds.
beforeEach(() => vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval'] }));
afterEach(() => {
  while (device.open.length > 1) device.back();
  vi.useRealTimers();
});

async function shows(text: string): Promise<void> {
  for (let tries = 0; tries < 50 && !device.screen.text.includes(text); tries += 1) await vi.advanceTimersByTimeAsync(20);
  expect(device.screen.text).toContain(text);
}

async function opens(page: string): Promise<void> {
  for (let tries = 0; tries < 50 && device.screen.path !== page; tries += 1) await vi.advanceTimersByTimeAsync(20);
  expect(device.screen.path).toBe(page);
}

/** Opens the wallet, and buys what is offered. */
async function buy(): Promise<Payment> {
  device.payments.length = 0;
  await enter();
  device.screen.press('小包');
  await opens('pages/wallet/pay');
  await shows('订单号 order-1');
  const [payment] = device.payments;
  if (payment === undefined) throw new Error('Nothing was opened to pay with.');
  return payment;
}

async function enter(): Promise<void> {
  device.screen.press('钱包');
  await opens('pages/wallet/wallet');
  await shows('¥12.34');
}

function become(state: Order['state']): void {
  if (service.order) service.order = { ...service.order, state };
}

describe('the wallet', () => {
  it('shows what there is, and what can be bought', async () => {
    await enter();
    await shows('¥6.00小包约 1,000 字');
  });

  it('sells nothing where the platform forbids it', async () => {
    service.purchase = 'none';
    await enter();
    await shows('这台设备上不能充值');
    expect(device.screen.text).not.toContain('小包');
    service.purchase = 'any';
  });

  it('says how many questions that is about, and where it went', async () => {
    await enter();
    // Seven questions cost 0.07 yuan.
    await shows('大约还能问 1,234 个问题');
    device.screen.press('用量');
    await opens('pages/wallet/usage');
    await shows('2026-11-01 至 2026-11-27');
    expect(device.screen.texts('value')).toEqual(['¥0.0700', '7', '3,345']);
    expect(device.screen.texts('bar').length).toBeGreaterThanOrEqual(27);
    await shows('simulated7 次 · ¥0.07');
  });

  it('is tried again when there was no network', async () => {
    service.refuses = () => 'no network';
    device.screen.press('钱包');
    await opens('pages/wallet/wallet');
    // What was loaded before is shown meanwhile, or else a way to try again.
    await shows('重试');
    service.refuses = () => null;
    device.screen.press('重试');
    await shows('¥12.34');
  });
});

describe.each([
  { way: 'jsapi', by: 'requestPayment', channels: ['jsapi'], parameters: { package: 'prepay_id=1', paySign: 's' } },
  { way: 'virtual payment', by: 'requestVirtualPayment', channels: ['jsapi', 'virtual'], parameters: { mode: 'short_series_coin', paySig: 'p' } },
] as const)('paying by $way', ({ by, channels, parameters }) => {
  beforeEach(() => {
    service.channels = [...channels];
  });

  it('opens it with what the server signed', async () => {
    const payment = await buy();
    expect(payment.by).toBe(by);
    expect(payment.options).toMatchObject(parameters);
  });

  it('is done when the server says so, whatever the device says', async () => {
    const payment = await buy();
    payment.options.success();
    await vi.advanceTimersByTimeAsync(3 * POLLED_MS);
    await shows('正在等待支付结果');
    expect(device.screen.text).not.toContain('充值成功');
    become('paid');
    service.balanceMicros += 6_000_000;
    await vi.advanceTimersByTimeAsync(POLLED_MS);
    await shows('充值成功');
    await shows('余额现在是 ¥18.34');
    service.balanceMicros -= 6_000_000;
    device.screen.press('回到钱包');
    await opens('pages/wallet/wallet');
  });

  it('is done even when the device says that it failed', async () => {
    const payment = await buy();
    payment.options.fail({ errMsg: `${by}:fail` });
    await shows('支付没有打开');
    become('paid');
    await vi.advanceTimersByTimeAsync(POLLED_MS);
    await shows('充值成功');
  });

  it('that was left is opened again, for the same order', async () => {
    const made = service.askedOf('POST', '/v1/orders').length;
    const payment = await buy();
    payment.options.fail({ errMsg: `${by}:fail cancel` });
    await shows('支付没有完成');
    device.screen.press('重新支付');
    await shows('正在等待支付结果');
    expect(device.payments).toHaveLength(2);
    expect(device.payments[1]?.options).toMatchObject(parameters);
    expect(service.askedOf('POST', '/v1/orders')).toHaveLength(made + 1);
  });
});

describe('an order', () => {
  it('that was closed says that nothing was charged', async () => {
    await buy();
    become('closed');
    await vi.advanceTimersByTimeAsync(POLLED_MS);
    await shows('订单已关闭');
  });

  it('is asked about no more when its page was left', async () => {
    await buy();
    device.screen.press('返回');
    await opens('pages/wallet/wallet');
    const asked = service.askedOf('GET', '/v1/orders/order-1').length;
    await vi.advanceTimersByTimeAsync(5 * POLLED_MS);
    expect(service.askedOf('GET', '/v1/orders/order-1')).toHaveLength(asked);
  });

  it('that is not paid yet is paid from the list', async () => {
    await buy();
    device.back();
    device.payments.length = 0;
    device.screen.press('订单');
    await opens('pages/wallet/orders');
    await shows('去支付');
    device.screen.press('去支付');
    await opens('pages/wallet/pay');
    await shows('订单号 order-1');
    expect(device.payments).toHaveLength(1);
  });
});
