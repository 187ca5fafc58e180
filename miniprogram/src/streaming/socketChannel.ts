/** Turns over a WebSocket, one socket a turn. */

import { callerHeaders } from './channel';
import type { AskOrder, Caller, Channel, ChannelListener, Connection, ResumeOrder, StopOrder } from './channel';
import { cancelFrame, framesEvents, PING, PROTOCOL, resumeFrame, socketUrl, startFrame } from './frames';

/** Hears one socket. */
export interface SocketListener {
  open(): void;
  message(text: string): void;
  close(reason: string): void;
}

/** An open or opening socket. */
export interface SocketLine {
  send(text: string): void;
  close(): void;
}

/** Opens sockets. */
export interface SocketTransport {
  readonly name: string;
  open(url: string, protocol: string, headers: Record<string, string>, listener: SocketListener): SocketLine;
}

/** The server sends no heartbeats over a socket, but answers pings. */
const PING_MS = 15_000;

export class SocketChannel implements Channel {
  readonly name: string;
  readonly streams = true;

  constructor(private readonly transport: SocketTransport) {
    this.name = transport.name;
  }

  ask(order: AskOrder, listener: ChannelListener): Connection {
    return new SocketConnection(this.transport, order, (turn) => startFrame(turn, order), listener);
  }

  resume(order: ResumeOrder, listener: ChannelListener): Connection {
    return new SocketConnection(this.transport, order, (turn) => resumeFrame(turn, order), listener);
  }

  stop(_order: StopOrder, connection: Connection | null): Promise<boolean> {
    return Promise.resolve(connection instanceof SocketConnection && connection.cancel());
  }
}

class SocketConnection implements Connection {
  private readonly turn = 'turn';
  private readonly line: SocketLine;
  private pings: ReturnType<typeof setInterval> | null = null;
  private open = false;
  private over = false;
  private told = false;

  constructor(
    transport: SocketTransport,
    caller: Caller,
    first: (turn: string) => string,
    private readonly listener: ChannelListener,
  ) {
    this.line = transport.open(socketUrl(caller.baseUrl), PROTOCOL, callerHeaders(caller), {
      open: () => this.begin(first(this.turn)),
      message: (text) => this.read(text),
      close: (reason) => this.lose(reason),
    });
  }

  /** Stops the turn; false when the socket cannot say so. */
  cancel(): boolean {
    if (!this.open || this.over) return false;
    this.line.send(cancelFrame(this.turn));
    return true;
  }

  close(): void {
    if (this.over) return;
    this.end();
    this.line.close();
  }

  private begin(frame: string): void {
    if (this.over) return;
    this.open = true;
    this.line.send(frame);
    this.pings = setInterval(() => this.line.send(PING), PING_MS);
  }

  private read(text: string): void {
    if (this.over) return;
    this.listener.alive();
    for (const event of framesEvents(this.turn, text)) {
      if (this.over) return;
      if (!this.told && event.type !== 'error') {
        this.told = true;
        this.listener.opened(event.type === 'started' ? event.requestId : null);
      }
      this.listener.event(event);
    }
  }

  private lose(reason: string): void {
    if (this.over) return;
    this.end();
    // A socket that cannot even be opened is not registered, or not let through: another way may be.
    this.listener.lost({ reason, mute: !this.open });
  }

  private end(): void {
    this.over = true;
    if (this.pings !== null) clearInterval(this.pings);
  }
}
