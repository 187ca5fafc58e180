/** What a turn needs to know of the platform that it runs on. */

import type { ChannelLadder } from './channel';
import type { RequestQueue } from './requestQueue';

/** Calls off what was subscribed to. */
export type Unsubscribe = () => void;

/** Whether the app is seen, and the network there. */
export interface Lifecycle {
  isVisible(): boolean;
  isOnline(): boolean;
  /** Called when either changes. */
  subscribe(changed: () => void): Unsubscribe;
  /** Connections of an app that was hidden for so long are cut, told or not; null: they live on. In milliseconds. */
  readonly cutAfterMs: number | null;
}

/** How patient a turn is; all in milliseconds. */
export interface Patience {
  /** Silence after which a streaming line is given up; the server's heartbeats come every 15 s. */
  silenceMs: number;
  /** The same for a way that brings everything at the end. */
  wholeSilenceMs: number;
  /** Before the first attempt to go on; each further one waits twice as long. */
  retryMs: number;
  retryMaxMs: number;
  /** Attempts in a row without anything new, after which the turn is given up. */
  attemptsMax: number;
  /** How long a stopped turn may take to end by itself. */
  stopMs: number;
}

export const PATIENCE: Patience = {
  silenceMs: 35_000,
  // The server stops a turn after five minutes.
  wholeSilenceMs: 310_000,
  retryMs: 500,
  retryMaxMs: 15_000,
  attemptsMax: 10,
  stopMs: 5_000,
};

/** Everything of the platform. */
export interface Environment {
  channels: ChannelLadder;
  queue: RequestQueue;
  lifecycle: Lifecycle;
  patience: Patience;
  /** Spreads the attempts of many clients; a number from 0 to 1. */
  random: () => number;
}

/** How long to wait before an attempt, the first being 1; `random` spreads it over the upper half. */
export function backoffMs(patience: Patience, attempt: number, random: number): number {
  const grown = Math.min(patience.retryMaxMs, patience.retryMs * 2 ** (attempt - 1));
  return Math.round(grown * (0.5 + random / 2));
}
