/** HTTP by `fetch`, whose body can be read as it comes. */

import type { Connection } from '../channel';
import type { HttpListener, HttpRequest, HttpTransport } from '../httpChannel';

export class FetchTransport implements HttpTransport {
  readonly name = 'fetch';
  readonly streams = true;

  constructor(private readonly fetchHttp: typeof fetch) {}

  open(request: HttpRequest, listener: HttpListener): Connection {
    const controller = new AbortController();
    this.read(request, listener, controller.signal).then(
      () => listener.end(),
      (error: unknown) => listener.fail(String(error)),
    );
    return { close: () => controller.abort() };
  }

  private async read(request: HttpRequest, listener: HttpListener, signal: AbortSignal): Promise<void> {
    const { method, url, headers } = request;
    const body = request.body === undefined ? {} : { body: request.body };
    const response = await this.fetchHttp(url, { method, headers, signal, cache: 'no-store', ...body });
    const said: Record<string, string> = {};
    response.headers.forEach((value, name) => {
      said[name.toLowerCase()] = value;
    });
    listener.response(response.status, said);
    if (response.body === null || response.body === undefined) {
      const whole = await response.arrayBuffer();
      if (whole.byteLength) listener.bytes(whole);
      return;
    }
    const reader = response.body.getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      listener.bytes(value);
    }
  }
}
