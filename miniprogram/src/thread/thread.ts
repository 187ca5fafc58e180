/** One conversation under way: its messages, and the turns that write them. */

import { computed, shallowReactive, shallowRef } from 'vue';
import type { Message } from '@/api/shapes';
import type { OpenTurn, TurnBody, TurnHandle, TurnRequest } from '@/streaming';
import { Answering } from './answering';
import { blankNode, isUnderWay } from './nodes';
import type { MessageNode } from './nodes';
import { nodeOf } from './restored';
import { MessageTree } from './tree';

/** What a turn needs beside its body. */
export type Asker = () => Omit<TurnRequest, 'body' | 'idempotencyKey'>;

/** How a thread reaches the server. */
export interface ThreadPorts {
  openTurn: OpenTurn;
  asker: Asker;
  /** A new key for each question: 1–255 visible ASCII characters. */
  newKey: () => string;
  /** Reads a conversation's messages, for what a lost line kept from us. */
  messages: (conversationId: string) => Promise<readonly Message[]>;
  /** Told when a turn ended: lists and wallets have changed. */
  ended: (thread: Thread) => void;
}

/** Where in the conversation a turn takes place, in the API's words. */
type Place = Pick<TurnBody, 'parent_id' | 'regenerate_id' | 'continue_id'>;

const BEGINNING = '0';

/** One turn as it was asked; `asksNew` when it asks a question, and does not go on with one. */
interface Asked {
  body: TurnBody;
  asksNew: boolean;
  key: string;
}

export class Thread {
  private readonly tree = new MessageTree<MessageNode>();
  // Says that the tree has changed; its messages are reactive themselves.
  private readonly version = shallowRef(0);
  private readonly turns = new Map<string, TurnHandle>();
  // What was asked with whose answer was lost with the line: asked again under the same key it is not paid twice.
  private readonly lost = new Map<string, Asked>();
  private made = 0;
  /** The model to ask; "" lets the server choose. */
  model = '';

  /** @param isNew nobody has written in this conversation yet. */
  constructor(
    readonly id: string,
    private readonly ports: ThreadPorts,
    private isNew: boolean,
  ) {}

  private readonly shownPath = computed<readonly MessageNode[]>(() => {
    void this.version.value;
    return this.tree.path();
  });

  /** The messages that are shown, the oldest first. */
  get path(): readonly MessageNode[] {
    return this.shownPath.value;
  }

  /** The answer that is being written on the path; null when none is. */
  get writing(): MessageNode | null {
    return this.path.find(isUnderWay) ?? null;
  }

  branch(node: MessageNode) {
    void this.version.value;
    return this.tree.branch(node.id);
  }

  flip(node: MessageNode, step: number): void {
    this.tree.flip(node.id, step);
    this.changed();
  }

  /** Shows what the server has; messages that are here already stay as they are, and so does all while a turn goes on. */
  restore(messages: readonly Message[], newest: string | null): void {
    // What is being written may be remembered already, under an id that is not known here yet.
    if (this.turns.size > 0) return;
    for (const message of messages) {
      const node = nodeOf(message);
      if (node && !this.tree.get(node.id)) this.tree.add(shallowReactive(node));
    }
    if (newest) this.tree.show(newest);
    if (messages.length) this.isNew = false;
    this.changed();
  }

  /** Asks a question behind the last message that is shown. */
  ask(text: string, images: readonly string[] = []): void {
    this.askBehind(this.tree.leaf(), text, images);
  }

  /** Asks another question in the place of this one, as a branch. */
  edit(question: MessageNode, text: string): void {
    this.askBehind(this.tree.get(question.parent), text, question.images);
  }

  /** Another answer to the same question, as a branch. */
  regenerate(answer: MessageNode): void {
    // An answer and what continues it are one.
    let question = this.tree.get(answer.parent);
    while (question?.role === 'assistant') question = this.tree.get(question.parent);
    if (!answer.saved) this.retry(answer);
    else if (question) this.answer(question, { regenerate_id: answer.id });
  }

  /** Goes on with an answer that was cut short. */
  continue(answer: MessageNode): void {
    if (answer.saved) this.answer(answer, { continue_id: answer.id });
    else this.retry(answer);
  }

  /** Asks again what came to nothing. What was shown of it stays, as a branch; an answer without a word goes. */
  retry(answer: MessageNode): void {
    const asked = this.tree.get(answer.parent);
    if (!asked) return;
    const lost = answer.saved ? undefined : this.lost.get(answer.id);
    if (!answer.text && !answer.saved) this.tree.remove(answer.id);
    if (lost) return this.send(asked, lost);
    if (asked.role === 'assistant') return this.continue(asked);
    const known = this.tree.behind(asked.id).find(({ saved }) => saved);
    if (known) this.answer(asked, { regenerate_id: known.id });
    // Its answer was lost, not the question: it is asked anew beside it.
    else if (asked.saved) this.edit(asked, asked.text);
    else this.answer(asked, this.placeBehind(this.tree.get(asked.parent)));
  }

  /** Stops the answer that is being written; what was written stays. */
  stop(): void {
    const { writing } = this;
    if (writing) this.turns.get(writing.id)?.stop();
  }

  rate(answer: MessageNode, rating: MessageNode['rating']): void {
    answer.rating = rating;
  }

  /** Listens no more; turns go on by themselves on the server. */
  detach(): void {
    this.turns.forEach((turn) => turn.detach());
    this.turns.clear();
  }

  private askBehind(last: MessageNode | undefined, text: string, images: readonly string[]): void {
    const question = shallowReactive(blankNode(this.newId(), last?.id ?? '', 'user'));
    question.text = text;
    question.images = images;
    this.tree.add(question);
    this.answer(question, this.placeBehind(last));
  }

  private placeBehind(last: MessageNode | undefined): Place {
    if (this.isNew) return {};
    // A message that the server does not know can have nothing behind it: it follows the last one that it does know.
    let known = last;
    while (known && !known.saved) known = this.tree.get(known.parent);
    return { parent_id: known?.id ?? BEGINNING };
  }

  private answer(parent: MessageNode, place: Place): void {
    const asksNew = place.regenerate_id === undefined && place.continue_id === undefined;
    const body: TurnBody = {
      conversation_id: this.id,
      messages: asksNew ? [{ role: 'user', content: contentOf(parent) }] : [],
      ...(this.model ? { model: this.model } : {}),
      ...place,
    };
    this.send(parent, { body, asksNew, key: this.ports.newKey() });
  }

  private send(parent: MessageNode, asked: Asked): void {
    const { body, asksNew, key } = asked;
    const node = shallowReactive(blankNode(this.newId(), parent.id, 'assistant'));
    this.tree.add(node);
    this.tree.show(node.id);
    const answering = new Answering(node, {
      remembered: (question, answer) => this.remember(asksNew ? parent : null, node, question, answer),
      over: () => {
        if (node.failure?.code === 'connection_lost') this.lost.set(node.id, asked);
        void this.over(node, asksNew ? parent : null);
      },
    });
    const request = { ...this.ports.asker(), body, idempotencyKey: key };
    this.turns.set(node.id, this.ports.openTurn(request, answering.handlers()));
    this.changed();
  }

  private remember(question: MessageNode | null, answer: MessageNode, questionId: string | null, id: string | null): void {
    this.isNew = false;
    if (question && questionId) this.saved(question, questionId);
    // Its turn is over; it was known by the id that the answer has no more.
    this.turns.delete(answer.id);
    if (id) this.saved(answer, id);
  }

  private saved(node: MessageNode, id: string): void {
    this.tree.rename(node.id, id);
    node.saved = true;
  }

  private async over(answer: MessageNode, question: MessageNode | null): Promise<void> {
    this.turns.delete(answer.id);
    this.changed();
    const cut = answer.status === 'stopped' || answer.failure?.partial;
    if (cut && !answer.saved && answer.requestId) await this.adopt(answer, question);
    this.ports.ended(this);
  }

  /** The server may have kept what was written before a turn was cut off: then it can be gone on with. */
  private async adopt(answer: MessageNode, question: MessageNode | null): Promise<void> {
    try {
      const messages = await this.ports.messages(this.id);
      const kept = messages.find((each) => each.request_id === answer.requestId && each.role === 'assistant');
      if (kept) this.remember(question, answer, kept.parent_id, kept.id);
    } catch {
      // It can still be asked again.
    }
    this.changed();
  }

  private newId(): string {
    this.made += 1;
    return `new-${this.made}`;
  }

  private changed(): void {
    this.version.value += 1;
  }
}

function contentOf({ text, images }: MessageNode): TurnBody['messages'][number]['content'] {
  if (!images.length) return text;
  return [
    ...(text ? [{ type: 'text' as const, text }] : []),
    ...images.map((url) => ({ type: 'image_url' as const, image_url: { url } })),
  ];
}
