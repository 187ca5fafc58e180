/** A small server that speaks as the gateway does: streams with ids, resumption, stopping, errors. Over real sockets. */

import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { behind, bytesOfEvents, REQUEST_ID } from './transcript';
import type { StreamEvent } from './transcript';

export interface Asked {
  method: string;
  path: string;
  headers: IncomingMessage['headers'];
  body: string;
}

/** What becomes of one request: an error, or the stream, cut behind so many bytes, or left open. */
export type Reaction =
  | { status: number; headers?: Record<string, string>; body: string }
  | { events?: StreamEvent[]; cutBytes?: number; open?: boolean; comments?: string[]; end?: boolean };

export class TestGateway {
  readonly asked: Asked[] = [];
  url = '';
  private readonly live = new Set<ServerResponse>();

  private constructor(
    private readonly server: Server,
    private readonly events: StreamEvent[],
    private readonly react: (asked: Asked, number: number) => Reaction,
  ) {}

  /** @param react answers what becomes of each request, the first being 0. */
  static async start(events: StreamEvent[], react: (asked: Asked, number: number) => Reaction): Promise<TestGateway> {
    const server = createServer();
    const gateway = new TestGateway(server, events, react);
    server.on('request', (request, response) => void gateway.answer(request, response));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    gateway.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    return gateway;
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }

  /** Writes to every stream that is open, and ends it. */
  finish(events: StreamEvent[]): void {
    this.live.forEach((response) => response.end(bytesOfEvents(events)));
  }

  private async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let body = '';
    for await (const data of request) body += String(data);
    const { method = '', url: path = '', headers } = request;
    const asked = { method, path, headers, body };
    this.asked.push(asked);
    const reaction = this.react(asked, this.asked.length - 1);
    if ('status' in reaction) {
      response.writeHead(reaction.status, { 'Content-Type': 'application/json', ...reaction.headers });
      response.end(reaction.body);
      return;
    }
    response.writeHead(200, {
      'Content-Type': 'text/event-stream; charset=utf-8',
      'X-Request-Id': REQUEST_ID,
      'X-Conversation-Id': 'talk-1',
      'X-Cache': 'miss',
    });
    response.flushHeaders();
    reaction.comments?.forEach((comment) => response.write(`: ${comment}\n\n`));
    const last = headers['last-event-id'];
    const rest = reaction.events ?? (last === undefined ? this.events : behind(this.events, String(last)));
    const bytes = bytesOfEvents(rest);
    if (reaction.cutBytes !== undefined) {
      response.write(bytes.subarray(0, reaction.cutBytes), () => response.destroy());
    } else if (reaction.open) {
      response.write(bytes);
      this.live.add(response);
    } else {
      response.end(bytes);
    }
  }
}
