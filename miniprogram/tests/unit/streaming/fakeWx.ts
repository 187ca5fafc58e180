/** `wx` as devices and tools have it, as far as the transports use it; a test plays the network. */

import type {
  ContainerOptions,
  RequestOptions,
  RequestSuccess,
  RequestTask,
  SocketTask,
  WechatApi,
} from '../../../src/streaming/transports/wechatApi';

/** One request that the app made. */
export class FakeRequest {
  aborted = false;
  private headersHeard: Parameters<NonNullable<RequestTask['onHeadersReceived']>>[0] = () => {};
  private chunkHeard: Parameters<NonNullable<RequestTask['onChunkReceived']>>[0] = () => {};
  readonly task: RequestTask;

  constructor(readonly options: RequestOptions | ContainerOptions) {
    this.task = {
      abort: () => {
        this.aborted = true;
        this.fail('request:fail abort');
      },
      onHeadersReceived: (heard) => {
        this.headersHeard = heard;
      },
      onChunkReceived: (heard) => {
        this.chunkHeard = heard;
      },
    };
  }

  headers(header: Record<string, string>, statusCode: number | undefined = 200): void {
    this.headersHeard(statusCode === undefined ? { header } : { header, statusCode });
  }

  chunk(data: ArrayBuffer | Uint8Array): void {
    this.chunkHeard({ data });
  }

  succeed(response: RequestSuccess): void {
    this.options.success(response);
  }

  fail(errMsg: string): void {
    this.options.fail({ errMsg });
  }
}

/** One socket that the app opened. */
export class FakeSocket {
  readonly sent: Record<string, unknown>[] = [];
  closed = false;
  private readonly heard: Record<string, (value: never) => void> = {};
  readonly task: SocketTask;

  constructor(readonly url: string) {
    const on = (name: string) => (heard: (value: never) => void) => {
      this.heard[name] = heard;
    };
    this.task = {
      send: ({ data }) => this.sent.push(JSON.parse(data) as Record<string, unknown>),
      close: () => {
        this.closed = true;
      },
      onOpen: on('open'),
      onMessage: on('message'),
      onClose: on('close'),
      onError: on('error'),
    };
  }

  play(name: 'open' | 'close' | 'error', value: object = {}): void {
    this.heard[name]?.(value as never);
  }

  message(frame: object): void {
    this.heard.message?.({ data: JSON.stringify(frame) } as never);
  }
}

export class FakeWx implements WechatApi {
  readonly requests: FakeRequest[] = [];
  readonly sockets: FakeSocket[] = [];
  /** What happens to each request, as it is made. */
  onRequest: (request: FakeRequest, number: number) => void = () => {};
  onSocket: (socket: FakeSocket, number: number) => void = () => {};
  show: () => void = () => {};
  hide: () => void = () => {};
  network: (status: { isConnected: boolean }) => void = () => {};

  readonly cloud = {
    callContainer: (options: ContainerOptions) => this.made(options),
    connectContainer: ({ service, path }: { service: string; path: string }) => {
      return Promise.resolve({ socketTask: this.opened(`${service}:${path}`) });
    },
  };

  request(options: RequestOptions): RequestTask {
    return this.made(options);
  }

  connectSocket({ url }: { url: string }): SocketTask {
    return this.opened(url);
  }

  onAppShow(heard: () => void): void {
    this.show = heard;
  }

  onAppHide(heard: () => void): void {
    this.hide = heard;
  }

  onNetworkStatusChange(heard: (status: { isConnected: boolean }) => void): void {
    this.network = heard;
  }

  private made(options: RequestOptions | ContainerOptions): RequestTask {
    const request = new FakeRequest(options);
    const number = this.requests.push(request) - 1;
    queueMicrotask(() => this.onRequest(request, number));
    return request.task;
  }

  private opened(url: string): SocketTask {
    const socket = new FakeSocket(url);
    const number = this.sockets.push(socket) - 1;
    setTimeout(() => this.onSocket(socket, number), 0);
    return socket.task;
  }
}
