/** A turn under test: what it was asked with, and everything that was told of it. */

import { ChannelLadder } from '../../../src/streaming/channel';
import type { Channel } from '../../../src/streaming/channel';
import type { Environment, Lifecycle, Patience } from '../../../src/streaming/environment';
import { PATIENCE } from '../../../src/streaming/environment';
import { createOpenTurn } from '../../../src/streaming/openTurn';
import { RequestQueue } from '../../../src/streaming/requestQueue';
import type { TurnEvents, TurnHandle, TurnRequest } from '../../../src/streaming/types';

export type Told = { [Name in keyof TurnEvents]: { name: Name } & TurnEvents[Name] }[keyof TurnEvents];

const NAMES = ['started', 'queued', 'delta', 'completed', 'retracted', 'interrupted', 'resumed', 'failed'] as const;
const LAST = new Set<string>(['completed', 'retracted', 'failed']);

/** An app that a test hides, shows and takes the network from. */
export class TestLifecycle implements Lifecycle {
  visible = true;
  online = true;
  readonly listeners = new Set<() => void>();

  constructor(readonly cutAfterMs: number | null = null) {}

  isVisible(): boolean {
    return this.visible;
  }

  isOnline(): boolean {
    return this.online;
  }

  subscribe(changed: () => void): () => void {
    this.listeners.add(changed);
    return () => this.listeners.delete(changed);
  }

  set(state: { visible?: boolean; online?: boolean }): void {
    Object.assign(this, state);
    [...this.listeners].forEach((changed) => changed());
  }
}

export function environmentOf(
  channels: [Channel, ...Channel[]],
  more: { patience?: Partial<Patience>; lifecycle?: Lifecycle; places?: number } = {},
): Environment {
  return {
    channels: new ChannelLadder(channels),
    queue: new RequestQueue(more.places ?? 3),
    lifecycle: more.lifecycle ?? new TestLifecycle(),
    patience: { ...PATIENCE, retryMs: 2, retryMaxMs: 4, ...more.patience },
    random: () => 0,
  };
}

export const REQUEST: TurnRequest = {
  baseUrl: 'https://chat.example',
  token: () => Promise.resolve('token-1'),
  body: { messages: [{ role: 'user', content: '鹊桥是什么？' }], conversation_id: 'talk-1' },
  idempotencyKey: 'key-1',
  language: 'zh-CN',
};

export class TestTurn {
  readonly told: Told[] = [];
  readonly over: Promise<Told>;
  readonly handle: TurnHandle;
  private readonly waiting: { name: string; met: () => void }[] = [];

  constructor(environment: Environment, request: Partial<TurnRequest> = {}) {
    let finish: (last: Told) => void = () => {};
    this.over = new Promise((resolve) => {
      finish = resolve;
    });
    const hear = (name: string) => (event: object) => {
      const told = { name, ...event } as Told;
      this.told.push(told);
      this.waiting.filter((each) => each.name === name).forEach(({ met }) => met());
      if (LAST.has(name)) finish(told);
    };
    const handlers = Object.fromEntries(NAMES.map((name) => [name, hear(name)]));
    this.handle = createOpenTurn(environment)({ ...REQUEST, ...request }, handlers);
  }

  get names(): string[] {
    return this.told.map(({ name }) => name);
  }

  get text(): string {
    return this.told.map((each) => (each.name === 'delta' ? (each.text ?? '') : '')).join('');
  }

  get reasoning(): string {
    return this.told.map((each) => (each.name === 'delta' ? (each.reasoning ?? '') : '')).join('');
  }

  /** Resolves when so many of these were told. */
  async heard(name: string, count = 1): Promise<void> {
    while (this.names.filter((each) => each === name).length < count) {
      await new Promise<void>((met) => this.waiting.push({ name, met }));
    }
  }
}
