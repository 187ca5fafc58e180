/** HTTP by `wx.request`, in chunks where the device has them, and by WeChat Cloud Run's `callContainer`. */

import type { Connection } from '../channel';
import type { HttpListener, HttpRequest, HttpTransport } from '../httpChannel';
import { utf8Bytes } from '../utf8';
import type { Bytes } from '../utf8';
import { lowerCase } from './wechatApi';
import type { RequestOptions, RequestSuccess, RequestTask, WechatApi } from './wechatApi';

/** Longer than any turn. The default of 60 s would cut answers that are still being written. */
const TIMEOUT_MS = 600_000;

/** `wx.request`. With `chunked` bytes come as they are written (base library 2.20.2), else at the end. */
export class WechatRequestTransport implements HttpTransport {
  readonly name: string;
  readonly streams: boolean;

  constructor(
    private readonly api: Pick<WechatApi, 'request'>,
    chunked: boolean,
  ) {
    this.streams = chunked;
    this.name = chunked ? 'wx.request in chunks' : 'wx.request';
  }

  open(request: HttpRequest, listener: HttpListener): Connection {
    const response = new WechatResponse(listener);
    // Without `success` uni-app answers a promise, which has no onChunkReceived.
    const options = { ...requestOptions(request, response), url: request.url };
    const task = this.api.request(this.streams ? { ...options, enableChunked: true } : options);
    if (task && this.streams) response.follow(task);
    return { close: () => task?.abort() };
  }
}

/** `wx.cloud.callContainer`: an owner without a registered domain. It knows no chunks and cannot be aborted. */
export class ContainerTransport implements HttpTransport {
  readonly name = 'wx.cloud.callContainer';
  readonly streams = false;

  constructor(
    private readonly cloud: Required<WechatApi>['cloud'],
    private readonly place: { env: string; service: string },
  ) {}

  open(request: HttpRequest, listener: HttpListener): Connection {
    const response = new WechatResponse(listener);
    const options = requestOptions(request, response);
    this.cloud.callContainer({
      ...options,
      header: { ...options.header, 'X-WX-SERVICE': this.place.service },
      path: request.url.replace(/^https?:\/\/[^/]*/, ''),
      config: { env: this.place.env },
    });
    return { close: () => {} };
  }
}

function requestOptions(request: HttpRequest, response: WechatResponse): Omit<RequestOptions, 'url'> {
  return {
    method: request.method,
    header: request.headers,
    ...(request.body === undefined ? {} : { data: request.body }),
    dataType: 'other',
    responseType: 'arraybuffer',
    timeout: TIMEOUT_MS,
    success: (success) => response.succeed(success),
    fail: ({ errMsg }) => response.fail(errMsg ?? 'request:fail'),
  };
}

/** One response, told in the order of HTTP, which a device does not keep. */
class WechatResponse {
  private told = false;
  private chunks = 0;

  constructor(private readonly listener: HttpListener) {}

  follow(task: RequestTask): void {
    task.onHeadersReceived?.(({ statusCode, header }) => {
      // Some devices tell headers without a status; then `success` tells it.
      if (statusCode !== undefined) this.respond(statusCode, header);
    });
    task.onChunkReceived?.(({ data }) => {
      this.chunks += 1;
      this.listener.bytes(data);
    });
  }

  succeed({ statusCode, header, data }: RequestSuccess): void {
    this.respond(statusCode, header);
    const whole = this.chunks === 0 ? wholeBody(data) : null;
    if (whole) this.listener.bytes(whole);
    this.listener.end();
  }

  fail(reason: string): void {
    this.listener.fail(reason);
  }

  private respond(status: number, header: RequestSuccess['header']): void {
    if (this.told) return;
    this.told = true;
    this.listener.response(status, lowerCase(header));
  }
}

function wholeBody(data: unknown): Bytes | null {
  if (typeof data === 'string') return data ? utf8Bytes(data) : null;
  if (data === null || typeof data !== 'object') return null;
  // Of another realm in the tools, so `instanceof` would not know it.
  if (ArrayBuffer.isView(data) || Object.prototype.toString.call(data) === '[object ArrayBuffer]') {
    return (data as ArrayBuffer).byteLength ? (data as ArrayBuffer) : null;
  }
  return utf8Bytes(JSON.stringify(data));
}
