/** The conversation on the screen, and others whose answers are still being written. */

import { defineStore } from 'pinia';
import { ref, shallowRef, watch } from 'vue';
import { ApiError } from '@/api/errors';
import type { Message, Rating } from '@/api/shapes';
import { useServices } from '@/services';
import { Thread } from '@/thread/thread';
import type { MessageNode } from '@/thread/nodes';
import { useAccount } from './account';
import { useConversations } from './conversations';

/** A question that could not be paid for, to come back to from the wallet. */
export interface Draft {
  text: string;
  images: readonly string[];
}

const NOTHING: Draft = { text: '', images: [] };

export const useChat = defineStore('chat', () => {
  const { api, openTurn, token, baseUrl, headers } = useServices();
  const account = useAccount();
  const conversations = useConversations();
  const threads = new Map<string, Thread>();
  const thread = shallowRef<Thread>(begun());
  const title = ref('');
  const loading = ref(false);
  const failure = shallowRef<ApiError | null>(null);
  const draft = ref<Draft>(NOTHING);

  let again: () => Promise<void> = () => Promise.resolve();

  function begun(id = randomId('c'), isNew = true): Thread {
    const made = new Thread(
      id,
      {
        openTurn,
        asker: () => {
          const { 'Accept-Language': language, ...others } = headers();
          return { baseUrl, token, language, headers: others };
        },
        newKey: () => randomId('k'),
        messages: allMessages,
        ended: (over) => void ended(over),
      },
      isNew,
    );
    threads.set(id, made);
    return made;
  }

  async function allMessages(id: string): Promise<Message[]> {
    const all: Message[] = [];
    let after: string | undefined;
    do {
      const page = await api.messages(id, after);
      all.push(...page.data);
      after = page.has_more ? (page.next_cursor ?? undefined) : undefined;
    } while (after);
    return all;
  }

  async function ended(over: Thread): Promise<void> {
    if (over !== thread.value && over.writing === null) threads.delete(over.id);
    await Promise.all([conversations.load(), account.refresh().catch(() => undefined)]);
  }

  // Whoever names it, the server or the person, the list knows first; one that a search hides keeps its name.
  watch(
    () => conversations.items,
    (items) => {
      const listed = items.find(({ id }) => id === thread.value.id);
      if (listed) title.value = listed.title;
    },
  );

  /** Begins a conversation; nothing is kept of it before the first question. */
  function begin(): void {
    leave();
    thread.value = begun();
    title.value = '';
    loading.value = false;
    failure.value = null;
  }

  /** Opens a conversation of the list. */
  async function open(id: string, name: string, newest: string | null): Promise<void> {
    if (id === thread.value.id && failure.value === null) return;
    leave();
    // One that is being written is shown as it is.
    const live = threads.get(id);
    const opened = live ?? begun(id, false);
    again = () => open(id, name, newest);
    thread.value = opened;
    title.value = name;
    loading.value = live === undefined;
    failure.value = null;
    try {
      const messages = await allMessages(id);
      opened.restore(messages, newest);
    } catch (error) {
      if (live) return;
      if (thread.value === opened && error instanceof ApiError) failure.value = error;
      if (threads.get(id) === opened) threads.delete(id);
    } finally {
      if (thread.value === opened) loading.value = false;
    }
  }

  /** Opens what could not be read once more. */
  const openAgain = () => again();

  /** Asks; `thread.model` follows the choice of the moment. */
  function ask({ text, images }: Draft): void {
    // Behind messages that are not here yet nothing can be asked.
    if (loading.value || failure.value) return;
    thread.value.model = account.model?.id ?? '';
    thread.value.ask(text, images);
    draft.value = NOTHING;
  }

  /** Runs something on the thread, with the model of the moment. */
  function act(action: (thread: Thread) => void): void {
    thread.value.model = account.model?.id ?? '';
    action(thread.value);
  }

  /** Likes, dislikes, or neither. @throws ApiError; the screen shows what was before then */
  async function rate(answer: MessageNode, rating: Rating): Promise<void> {
    const before = answer.rating;
    const wanted = before === rating ? null : rating;
    thread.value.rate(answer, wanted);
    try {
      await api.rate(thread.value.id, answer.id, wanted);
    } catch (error) {
      thread.value.rate(answer, before);
      throw error;
    }
  }

  function leave(): void {
    if (thread.value.writing === null) threads.delete(thread.value.id);
  }

  function forget(): void {
    threads.forEach((each) => each.detach());
    threads.clear();
    draft.value = NOTHING;
    begin();
  }

  return { thread, title, loading, failure, draft, begin, open, openAgain, ask, act, rate, forget };
});

/** 25 characters, of which 24 cannot be guessed. */
function randomId(prefix: string): string {
  const letters = 'abcdefghijklmnopqrstuvwxyz0123456789';
  let id = prefix;
  for (let place = 0; place < 24; place += 1) id += letters[Math.floor(Math.random() * letters.length)];
  return id;
}
