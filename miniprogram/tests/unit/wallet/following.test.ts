/** Following an order: only the server says that it was paid. */

import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Order } from '../../../src/api/shapes';
import { followOrder } from '../../../src/wallet/following';

const EVERY_MS = 2_000;

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

function order(state: Order['state']): Order {
  const times = { created: 0, expires_at: 0, paid_at: null };
  return { id: 'order-1', state, channel: 'native', tokens: 1, amount: '1.00', refunded_fen: 0, payment: null, ...times };
}

/** Follows an order of which the server says this, one after the other; null: nobody answers. */
function follow(answers: (Order['state'] | null)[]) {
  const told: Order['state'][] = [];
  let asked = 0;
  const read = vi.fn(() => {
    const state = answers[Math.min(asked, answers.length - 1)] ?? null;
    asked += 1;
    return state === null ? Promise.reject(new Error('request:fail')) : Promise.resolve(order(state));
  });
  const stop = followOrder({ read, changed: ({ state }) => told.push(state) });
  return { told, read, stop };
}

describe('an order', () => {
  it.each(['paid', 'closed', 'refunded'] as const)('is asked about at once, and every two seconds until it is %s', async (last) => {
    const { told, read } = follow(['created', 'paying', last]);
    await vi.advanceTimersByTimeAsync(0);
    expect(told).toEqual(['created']);
    await vi.advanceTimersByTimeAsync(EVERY_MS - 1);
    expect(read).toHaveBeenCalledTimes(1);
    await vi.advanceTimersByTimeAsync(EVERY_MS + 1);
    expect(told).toEqual(['created', 'paying', last]);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(read).toHaveBeenCalledTimes(3);
  });

  it('is asked about again when nobody answers', async () => {
    const { told } = follow([null, null, 'paid']);
    await vi.advanceTimersByTimeAsync(2 * EVERY_MS);
    expect(told).toEqual(['paid']);
  });

  it('is never asked about twice at once', async () => {
    const read = vi.fn(() => new Promise<Order>(() => {}));
    followOrder({ read, changed: () => {} });
    await vi.advanceTimersByTimeAsync(60_000);
    expect(read).toHaveBeenCalledTimes(1);
  });

  it('is told of no more once nobody follows it', async () => {
    const { told, read, stop } = follow(['created']);
    await vi.advanceTimersByTimeAsync(0);
    stop();
    await vi.advanceTimersByTimeAsync(60_000);
    expect(read).toHaveBeenCalledTimes(1);
    expect(told).toEqual(['created']);
  });

  it('is told of no more, not even by an answer that was under way', async () => {
    const { told, read, stop } = follow(['paid']);
    stop();
    await vi.advanceTimersByTimeAsync(60_000);
    expect(read).toHaveBeenCalledTimes(1);
    expect(told).toEqual([]);
  });
});
