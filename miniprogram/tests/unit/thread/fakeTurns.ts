/** Turns as a thread asks them; a test plays the server. */

import type { Message } from '../../../src/api/shapes';
import type { TurnBody, TurnEvents, TurnFailure, TurnHandlers, TurnRequest } from '../../../src/streaming/types';
import { Thread } from '../../../src/thread/thread';

/** One turn that was asked. */
export class FakeTurn {
  stopped = false;
  left = false;

  constructor(
    readonly request: TurnRequest,
    private readonly handlers: TurnHandlers,
  ) {}

  get body(): TurnBody {
    return this.request.body;
  }

  tell<Name extends keyof TurnEvents>(name: Name, event: TurnEvents[Name]): void {
    (this.handlers[name] as ((event: TurnEvents[Name]) => void) | undefined)?.(event);
  }

  start(requestId = 'req_1'): this {
    this.tell('started', { requestId, conversationId: 'talk-1', model: 'simulated', cached: false });
    return this;
  }

  write(text: string): this {
    this.tell('delta', { text });
    return this;
  }

  complete(ids: { question?: string | null; answer: string | null }, finishReason = 'stop'): void {
    const { question = null, answer } = ids;
    this.tell('completed', { finishReason, model: 'simulated', usage: null, aiLabel: 'AI 生成', question, answer });
  }

  fail(failure: Partial<TurnFailure>): void {
    this.tell('failed', { code: 'connection_lost', message: '', retryAfterS: null, status: null, partial: false, ...failure });
  }
}

/** A thread, and the server that it asks. */
export class TestThread {
  readonly turns: FakeTurn[] = [];
  /** What the server remembers; null: it cannot be reached. */
  remembered: readonly Message[] | null = [];
  ended = 0;
  readonly thread: Thread;
  private keys = 0;

  constructor(isNew = true) {
    const ports = {
      openTurn: (request: TurnRequest, handlers: TurnHandlers) => {
        const turn = new FakeTurn(request, handlers);
        this.turns.push(turn);
        return { stop: () => (turn.stopped = true), detach: () => (turn.left = true) };
      },
      asker: () => ({ baseUrl: 'https://chat.example', token: () => Promise.resolve('token-1') }),
      newKey: () => `key-${(this.keys += 1)}`,
      messages: () => (this.remembered ? Promise.resolve(this.remembered) : Promise.reject(new Error('no network'))),
      ended: () => {
        this.ended += 1;
      },
    };
    this.thread = new Thread('talk-1', ports, isNew);
  }

  /** The newest turn. */
  get turn(): FakeTurn {
    return at(this.turns, -1);
  }

  /** A message on the path; -1 is the last one. */
  at(index: number) {
    return at(this.thread.path, index);
  }

  /** The path in short: who says what, and what became of it. */
  get shown(): string[] {
    return this.thread.path.map(({ role, text, status }) => `${role === 'user' ? 'Q' : 'A'} ${text}${status === 'complete' ? '' : ` (${status})`}`);
  }

  /** Asks, and answers as a server that remembers both. */
  answered(question: string, answer: string, ids: { question: string; answer: string }, finishReason = 'stop'): void {
    this.thread.ask(question);
    this.turn.start().write(answer).complete(ids, finishReason);
  }
}

/** A message that the server remembers. */
export function kept(id: string, parent_id: string | null, content: string, more: Partial<Message> = {}): Message {
  const role = Number(id) % 2 ? 'user' : 'assistant';
  const answer = role === 'assistant';
  return {
    id,
    parent_id,
    role,
    content,
    state: answer ? 'complete' : null,
    model: answer ? 'simulated' : null,
    request_id: answer ? `req_${id}` : null,
    created_at: 1_700_000_000,
    ...more,
  };
}

function at<Item>(items: readonly Item[], index: number): Item {
  const item = items[index < 0 ? items.length + index : index];
  if (item === undefined) throw new Error(`There is no ${index} among ${items.length}.`);
  return item;
}
