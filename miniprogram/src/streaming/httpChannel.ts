/** Turns over HTTP: server-sent events, read by whatever can bring bytes. */

import { callerHeaders } from './channel';
import type { AskOrder, Caller, Channel, ChannelListener, Connection, ResumeOrder, StopOrder } from './channel';
import { ChunkReader, protocolError, queuePosition, retryAfter, turnHeaders } from './chunks';
import { errorOf, jsonObject } from './serverEvents';
import type { ServerEvent } from './serverEvents';
import { EventStream } from './sse';
import { Utf8Decoder } from './utf8';
import type { Bytes } from './utf8';

/** One HTTP request. */
export interface HttpRequest {
  method: 'GET' | 'POST' | 'DELETE';
  url: string;
  headers: Record<string, string>;
  body?: string;
}

/** Hears one response. Header names are lower case. */
export interface HttpListener {
  /** Before the first byte, where the platform tells it; at the latest before `end`. */
  response(status: number, headers: Readonly<Record<string, string>>): void;
  bytes(data: Bytes): void;
  end(): void;
  fail(reason: string): void;
}

/** Something that makes HTTP requests. */
export interface HttpTransport {
  readonly name: string;
  /** Brings bytes as they come; else all of them at the end. */
  readonly streams: boolean;
  open(request: HttpRequest, listener: HttpListener): Connection;
}

export class HttpChannel implements Channel {
  readonly name: string;
  readonly streams: boolean;

  constructor(private readonly transport: HttpTransport) {
    this.name = transport.name;
    this.streams = transport.streams;
  }

  ask(order: AskOrder, listener: ChannelListener): Connection {
    const headers = { ...headersOf(order), 'Idempotency-Key': order.idempotencyKey };
    const body = JSON.stringify({ ...order.body, stream: true });
    return this.open(
      {
        method: 'POST',
        url: `${order.baseUrl}/v1/chat/completions`,
        headers: { ...headers, 'Content-Type': 'application/json', Accept: 'text/event-stream' },
        body,
      },
      listener,
    );
  }

  resume(order: ResumeOrder, listener: ChannelListener): Connection {
    const headers = { ...headersOf(order), Accept: 'text/event-stream', 'Last-Event-ID': order.lastEventId };
    return this.open({ method: 'GET', url: streamUrl(order), headers }, listener);
  }

  stop(order: StopOrder): Promise<boolean> {
    // Not told yet which turn it is: the turn asks again when it is.
    if (order.requestId === '') return Promise.resolve(false);
    return new Promise((resolve) => {
      let status = 0;
      this.transport.open(
        { method: 'DELETE', url: streamUrl(order), headers: headersOf(order) },
        {
          response: (answered) => {
            status = answered;
          },
          bytes: () => {},
          // A turn that is not known is not running either.
          end: () => resolve((status >= 200 && status < 300) || status === 404),
          fail: () => resolve(false),
        },
      );
    });
  }

  private open(request: HttpRequest, listener: ChannelListener): Connection {
    const response = new ResponseReader(listener);
    const connection = this.transport.open(request, response);
    return {
      close: () => {
        response.silence();
        connection.close();
      },
    };
  }
}

/** Reads one response: events, or an error's body. */
class ResponseReader implements HttpListener {
  private status = 0;
  private headers: Readonly<Record<string, string>> = {};
  private stream: EventStream | null = null;
  private refusal = '';
  private readonly refusalDecoder = new Utf8Decoder();
  private early: Bytes[] = [];
  private received = false;
  private over = false;

  constructor(private readonly listener: ChannelListener) {}

  silence(): void {
    this.over = true;
    this.early = [];
  }

  response(status: number, headers: Readonly<Record<string, string>>): void {
    if (this.over || this.status !== 0) return;
    this.status = status;
    this.headers = headers;
    if (status < 200 || status >= 300) return;
    const said = turnHeaders(headers);
    const chunks = new ChunkReader(said);
    this.stream = new EventStream({
      event: (id, data) => chunks.read(id, data).forEach((event) => this.tell(event)),
      comment: (text) => {
        const position = queuePosition(text);
        if (position !== null) this.tell({ type: 'queued', position });
      },
    });
    this.listener.opened(said.requestId);
  }

  bytes(data: Bytes): void {
    if (this.over) return;
    this.received = true;
    this.listener.alive();
    if (this.status === 0 && this.early.length === 0) this.guessResponse(data);
    if (this.stream) this.stream.feed(data);
    else if (this.status === 0) this.early.push(data);
    else this.refusal += this.refusalDecoder.decode(data);
  }

  end(): void {
    if (this.over) return;
    this.replayEarly();
    if (this.over) return;
    this.over = true;
    if (this.stream === null) this.refuse();
    else this.listener.lost({ reason: 'the stream ended early', mute: !this.received });
  }

  fail(reason: string): void {
    if (this.over) return;
    this.over = true;
    this.listener.lost({ reason, mute: false });
  }

  /** A device that tells no headers in time: what looks like a stream is one; an error waits for its status. */
  private guessResponse(data: Bytes): void {
    const first = new Utf8Decoder().decode(data).charAt(0);
    if (first !== '{' && first !== '<') this.response(200, {});
  }

  private replayEarly(): void {
    const early = this.early;
    this.early = [];
    early.forEach((data) => this.bytes(data));
  }

  private refuse(): void {
    const body = jsonObject(this.refusal);
    const error = body && errorOf(body, this.status, retryAfter(this.headers));
    if (error) {
      this.listener.event(error);
    } else if (this.status >= 500 || this.status === 0) {
      // Not this server's words: something between could not reach it, and the request may be made again.
      this.listener.lost({ reason: `HTTP ${this.status}`, mute: false });
    } else {
      this.listener.event(protocolError(this.status));
    }
  }

  private tell(event: ServerEvent): void {
    if (!this.over) this.listener.event(event);
  }
}

function streamUrl(order: ResumeOrder | StopOrder): string {
  return `${order.baseUrl}/v1/chat/streams/${encodeURIComponent(order.requestId)}`;
}

function headersOf(caller: Caller): Record<string, string> {
  return { ...callerHeaders(caller), Authorization: `Bearer ${caller.token}` };
}
