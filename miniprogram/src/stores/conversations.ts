/** The list of conversations: by day, searched, renamed, pinned, deleted. */

import { defineStore } from 'pinia';
import { computed, ref, shallowRef } from 'vue';
import { ApiError } from '@/api/errors';
import type { Conversation } from '@/api/shapes';
import { useServices } from '@/services';
import { groupByDay } from '@/thread/days';

const SEARCH_DELAY_MS = 250;

export const useConversations = defineStore('conversations', () => {
  const { api } = useServices();
  const items = shallowRef<readonly Conversation[]>([]);
  const query = ref('');
  const loading = ref(false);
  const failure = shallowRef<ApiError | null>(null);
  const next = ref<string | null>(null);
  let timer: ReturnType<typeof setTimeout> | undefined;
  // The newest reading: answers of older ones come too late.
  let reading = 0;

  const groups = computed(() => groupByDay(items.value, new Date()));

  async function read(more: boolean): Promise<void> {
    const mine = ++reading;
    loading.value = true;
    failure.value = null;
    try {
      const after = more ? (next.value ?? undefined) : undefined;
      const page = await api.conversations({ query: query.value.trim() || undefined, after });
      if (mine !== reading) return;
      items.value = more ? [...items.value, ...page.data] : page.data;
      next.value = page.has_more ? page.next_cursor : null;
    } catch (error) {
      if (mine === reading && error instanceof ApiError) failure.value = error;
    } finally {
      if (mine === reading) loading.value = false;
    }
  }

  const load = () => read(false);

  async function loadMore(): Promise<void> {
    if (next.value && !loading.value) await read(true);
  }

  function search(text: string): void {
    query.value = text;
    clearTimeout(timer);
    timer = setTimeout(() => void load(), SEARCH_DELAY_MS);
  }

  async function rename(id: string, title: string): Promise<void> {
    replace(await api.changeConversation(id, { title }));
  }

  async function pin(id: string, pinned: boolean): Promise<void> {
    await api.changeConversation(id, { pinned });
    await load();
  }

  async function remove(id: string): Promise<void> {
    await api.deleteConversation(id);
    items.value = items.value.filter((each) => each.id !== id);
  }

  function replace(changed: Conversation): void {
    items.value = items.value.map((each) => (each.id === changed.id ? { ...each, ...changed } : each));
  }

  /** Nothing of whoever was here stays, nor comes late. */
  function forget(): void {
    reading += 1;
    clearTimeout(timer);
    loading.value = false;
    failure.value = null;
    items.value = [];
    query.value = '';
    next.value = null;
  }

  return { items, groups, query, loading, failure, next, load, loadMore, search, rename, pin, remove, forget };
});
