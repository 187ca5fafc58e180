/** Paying on this device. */

import type { Channel, Order, Policy } from '@/api/shapes';

/** How one try to pay ended. `asked`: the device says it was paid, which only the server can confirm. */
export type Payment = 'asked' | 'cancelled' | 'failed' | 'scan';

// What each kind of client can pay by, the best first.
const BY_CLIENT: Readonly<Record<string, readonly Channel[]>> = {
  h5: ['native'],
  'mp-android': ['virtual', 'jsapi', 'jsapi_v2'],
  'mp-ios': ['virtual', 'jsapi', 'jsapi_v2'],
};

/** Whether this kind of client can pay an order that was made for this way. */
export function canPay(channel: Channel, client: string): boolean {
  return (BY_CLIENT[client] ?? ['native']).includes(channel);
}

/** The way to pay here; null when there is none, or the platform forbids it. */
export function usableChannel(
  configured: readonly Channel[],
  purchase: Policy['purchase'],
  client: string,
): Channel | null {
  if (purchase === 'none') return null;
  const usable = (BY_CLIENT[client] ?? ['native']).filter((channel) => configured.includes(channel));
  return usable.find((channel) => purchase === 'any' || channel === 'virtual') ?? null;
}

/** Opens what the platform has to pay an order with. Never rejects. */
export function pay({ channel, payment }: Order): Promise<Payment> {
  if (channel === 'native' || payment === null) return Promise.resolve('scan');
  let paid: Promise<Payment> = Promise.resolve('failed');
  // #ifdef MP-WEIXIN
  paid = new Promise((resolve) => {
    const options = {
      ...payment,
      success: () => resolve('asked'),
      fail: ({ errMsg }: { errMsg: string }) => resolve(errMsg.includes('cancel') ? 'cancelled' : 'failed'),
    };
    const { requestPayment, requestVirtualPayment } = wx as unknown as Record<string, (options: object) => void>;
    const open = channel === 'virtual' ? requestVirtualPayment : requestPayment;
    if (open) open(options);
    else resolve('failed');
  });
  // #endif
  return paid;
}

// #ifdef MP-WEIXIN
declare const wx: object;
// #endif
