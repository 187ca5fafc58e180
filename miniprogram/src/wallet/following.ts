/** Asks how an order stands until it is settled: what the device says after paying is no proof. */

import type { Order } from '@/api/shapes';

export interface Following {
  read: () => Promise<Order>;
  changed: (order: Order) => void;
  /** Between two questions, in ms. The server wants 2,000 at least. */
  everyMs?: number;
}

const EVERY_MS = 2_000;
const OVER: readonly Order['state'][] = ['paid', 'refunded', 'closed'];

/** Begins to ask; answers how to stop. A reading that fails is tried again. */
export function followOrder({ read, changed, everyMs = EVERY_MS }: Following): () => void {
  let stopped = false;
  let timer: ReturnType<typeof setTimeout> | undefined;

  const ask = async (): Promise<void> => {
    const order = await read().catch(() => null);
    if (stopped) return;
    if (order) changed(order);
    if (!order || !OVER.includes(order.state)) timer = setTimeout(() => void ask(), everyMs);
  };
  void ask();
  return () => {
    stopped = true;
    clearTimeout(timer);
  };
}
