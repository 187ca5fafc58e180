/** How a turn reaches the server: what `Turn` wants of every way. */

import type { ServerEvent } from './serverEvents';
import type { TurnBody } from './types';

/** Hears one connection. After `lost`, or after it was closed, a connection is silent. */
export interface ChannelListener {
  /** The server took the request: the line carries. `requestId` names the turn, null where that is not told yet. */
  opened(requestId: string | null): void;
  /** Something came, if only a heartbeat. */
  alive(): void;
  event(event: ServerEvent): void;
  /** The line ended before the turn did. `mute`: it never brought a byte, though the server answered. */
  lost(loss: { reason: string; mute: boolean }): void;
}

/** One attempt to be connected. */
export interface Connection {
  /** Leaves. The turn itself goes on for its grace. */
  close(): void;
}

/** What every request says. */
export interface Caller {
  baseUrl: string;
  token: string;
  language: string | null;
  headers: Readonly<Record<string, string>>;
}

/** What a caller says in headers, but for its token. */
export function callerHeaders({ headers, language }: Caller): Record<string, string> {
  return language === null ? { ...headers } : { ...headers, 'Accept-Language': language };
}

export interface AskOrder extends Caller {
  body: TurnBody;
  idempotencyKey: string;
}

export interface ResumeOrder extends Caller {
  requestId: string;
  lastEventId: string;
}

export interface StopOrder extends Caller {
  requestId: string;
}

/** One way to the server. */
export interface Channel {
  readonly name: string;
  /** Deltas come as they are written, and heartbeats in between; else everything comes at the end. */
  readonly streams: boolean;
  ask(order: AskOrder, listener: ChannelListener): Connection;
  resume(order: ResumeOrder, listener: ChannelListener): Connection;
  /**
   * Stops the turn of a connection.
   *
   * @returns whether the server knows of it now; rejects never.
   */
  stop(order: StopOrder, connection: Connection | null): Promise<boolean>;
}

/**
 * The ways that a platform has, the best first. A way that answers and never brings a byte (some clients on PCs, proxies
 * that collect) is left for the next one, for as long as the app runs.
 */
export class ChannelLadder {
  private index = 0;
  private proven = false;

  /** @param channels at least one. */
  constructor(private readonly channels: readonly [Channel, ...Channel[]]) {}

  get current(): Channel {
    return this.channels[this.index] ?? this.channels[0];
  }

  /** This way works. */
  prove(channel: Channel): void {
    if (channel === this.current) this.proven = true;
  }

  /** This way brought nothing; answers whether there is another one now. */
  leave(channel: Channel): boolean {
    if (channel !== this.current) return true;
    if (this.proven || this.index + 1 >= this.channels.length) return false;
    this.index += 1;
    return true;
  }
}
