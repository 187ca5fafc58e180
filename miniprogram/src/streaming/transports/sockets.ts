/** WebSockets of browsers, of mini-programs, and of WeChat Cloud Run. */

import type { SocketLine, SocketListener, SocketTransport } from '../socketChannel';
import type { SocketTask, WechatApi } from './wechatApi';

export class BrowserSocketTransport implements SocketTransport {
  readonly name = 'WebSocket';

  constructor(
    private readonly Socket: typeof WebSocket,
    private readonly origin: string,
  ) {}

  open(url: string, protocol: string, _headers: Record<string, string>, listener: SocketListener): SocketLine {
    const absolute = url.startsWith('/') ? `${this.origin.replace(/^http/, 'ws')}${url}` : url;
    const socket = new this.Socket(absolute, protocol);
    socket.onopen = () => listener.open();
    socket.onmessage = ({ data }) => listener.message(String(data));
    socket.onerror = () => listener.close('the socket failed');
    socket.onclose = ({ code, reason }) => listener.close(reason || `closed with ${code}`);
    return {
      send: (text) => {
        if (socket.readyState === this.Socket.OPEN) socket.send(text);
      },
      close: () => socket.close(),
    };
  }
}

export class WechatSocketTransport implements SocketTransport {
  readonly name = 'wx.connectSocket';

  constructor(private readonly api: Pick<WechatApi, 'connectSocket'>) {}

  open(url: string, protocol: string, header: Record<string, string>, listener: SocketListener): SocketLine {
    const task = this.api.connectSocket({
      url,
      protocols: [protocol],
      header,
      success: () => {},
      fail: ({ errMsg }) => listener.close(errMsg ?? 'connectSocket:fail'),
    });
    follow(task, listener);
    return lineOf(task);
  }
}

/** `wx.cloud.connectContainer`: the only way to stream from WeChat Cloud Run. */
export class ContainerSocketTransport implements SocketTransport {
  readonly name = 'wx.cloud.connectContainer';

  constructor(
    private readonly cloud: Required<WechatApi>['cloud'],
    private readonly place: { env: string; service: string },
  ) {}

  open(url: string, _protocol: string, header: Record<string, string>, listener: SocketListener): SocketLine {
    const { env, service } = this.place;
    let line: SocketLine | null = null;
    let closed = false;
    const path = url.replace(/^wss?:\/\/[^/]*/, '');
    this.cloud.connectContainer({ config: { env }, service, path, header }).then(
      ({ socketTask }) => {
        line = lineOf(socketTask);
        if (closed) line.close();
        else follow(socketTask, listener);
      },
      (error: unknown) => listener.close(String(error)),
    );
    return {
      send: (text) => line?.send(text),
      close: () => {
        closed = true;
        line?.close();
      },
    };
  }
}

function follow(task: SocketTask, listener: SocketListener): void {
  task.onOpen(() => listener.open());
  task.onMessage(({ data }) => {
    if (typeof data === 'string') listener.message(data);
  });
  task.onClose(({ code, reason }) => listener.close(reason || `closed with ${code ?? 'no code'}`));
  task.onError(({ errMsg }) => listener.close(errMsg ?? 'the socket failed'));
}

function lineOf(task: SocketTask): SocketLine {
  return { send: (data) => task.send({ data }), close: () => task.close({ code: 1000 }) };
}
