/** Money in and money out. The server alone says what the wallet holds. */

import { defineStore } from 'pinia';
import { computed, shallowRef } from 'vue';
import type { Channel, Order, Package, Packages, Transaction, Usage } from '@/api/shapes';
import { useServices } from '@/services';
import { questionsOf } from '@/wallet/estimate';
import { followOrder } from '@/wallet/following';
import { usableChannel } from '@/wallet/paying';
import { useAccount } from './account';

export const useWallet = defineStore('wallet', () => {
  const { api, client } = useServices();
  const account = useAccount();
  const packages = shallowRef<Packages | null>(null);
  const transactions = shallowRef<readonly Transaction[]>([]);
  const nextTransactions = shallowRef<string | null>(null);
  const orders = shallowRef<readonly Order[]>([]);
  const usage = shallowRef<Usage | null>(null);

  const wallet = computed(() => account.me?.wallet ?? null);
  /** About how many questions the wallet pays for; null while nobody can say. */
  const questions = computed(() => questionsOf(wallet.value?.available_micros ?? 0, usage.value, account.model));
  /** How this device may pay; null: nothing can be bought here. */
  const channel = computed<Channel | null>(() =>
    usableChannel(packages.value?.channels ?? [], account.policy?.purchase ?? 'none', client),
  );
  const offered = computed<readonly Package[]>(() => {
    const { value } = channel;
    return value === null ? [] : (packages.value?.data.filter(({ channels }) => channels.includes(value)) ?? []);
  });

  /** @throws ApiError */
  async function load(): Promise<void> {
    const [sold, used, moved] = await Promise.all([
      api.packages(),
      api.usage(),
      api.transactions(),
      account.refresh(),
    ]);
    packages.value = sold;
    usage.value = used;
    transactions.value = moved.data;
    nextTransactions.value = moved.has_more ? moved.next_cursor : null;
  }

  /** @throws ApiError */
  async function moreTransactions(): Promise<void> {
    if (nextTransactions.value === null) return;
    const page = await api.transactions(nextTransactions.value);
    transactions.value = [...transactions.value, ...page.data];
    nextTransactions.value = page.has_more ? page.next_cursor : null;
  }

  /** @throws ApiError */
  async function loadUsage(): Promise<void> {
    usage.value = await api.usage();
  }

  /** @throws ApiError */
  async function loadOrders(): Promise<void> {
    orders.value = (await api.orders()).data;
  }

  /** @param key makes the order once, however often this is called. @throws ApiError */
  async function order(packageId: string, by: Channel, key: string): Promise<Order> {
    return api.order(packageId, by, key);
  }

  /** Tells of an order until it is settled; answers how to stop. */
  function follow(id: string, changed: (order: Order) => void): () => void {
    return followOrder({
      read: () => api.orderState(id),
      changed: async (value) => {
        // Whoever is told that it is paid is told what they have now.
        if (value.state === 'paid') await account.refresh().catch(() => undefined);
        changed(value);
      },
    });
  }

  /** Nothing of whoever was here stays. */
  function forget(): void {
    packages.value = null;
    transactions.value = [];
    nextTransactions.value = null;
    orders.value = [];
    usage.value = null;
  }

  return {
    wallet,
    questions,
    channel,
    offered,
    packages,
    transactions,
    nextTransactions,
    orders,
    usage,
    load,
    moreTransactions,
    loadUsage,
    loadOrders,
    order,
    follow,
    forget,
  };
});
