/** Requests to the gateway: with the user's token and language, and with errors as exceptions. */

import type { TokenProvider } from '@/streaming';
import { Utf8Decoder, type Bytes } from '@/streaming/utf8';
import { ApiError, errorOf } from './errors';
import type { Method, Send } from './send';

export interface Options {
  body?: unknown;
  query?: Readonly<Record<string, string | number | undefined>>;
  headers?: Record<string, string>;
  binary?: boolean;
}

export class Http {
  /**
   * @param token of whoever is logged in; null for requests that need none.
   * @param common headers of every request, asked for each time: the language can change.
   */
  constructor(
    private readonly send: Send,
    private readonly token: TokenProvider | null,
    private readonly common: () => Record<string, string>,
  ) {}

  /**
   * Asks, and asks once more with a new token when the first one is refused.
   *
   * @throws ApiError whatever went wrong.
   */
  async request<T>(method: Method, path: string, options: Options = {}): Promise<T> {
    const token = await this.tokenFor();
    const answer = await this.once<T>(method, path, options, token);
    if (!(answer instanceof ApiError)) return answer;
    if (answer.status !== 401 || this.token === null || token === null) throw answer;
    const again = await this.once<T>(method, path, options, await this.tokenFor(token));
    if (again instanceof ApiError) throw again;
    return again;
  }

  private async tokenFor(refused?: string): Promise<string | null> {
    if (this.token === null) return null;
    try {
      return await this.token(refused);
    } catch (error) {
      throw error instanceof ApiError ? error : new ApiError('unauthenticated', '', 401);
    }
  }

  private async once<T>(method: Method, path: string, options: Options, token: string | null): Promise<T | ApiError> {
    const headers = { ...this.common(), ...options.headers };
    if (token) headers.Authorization = `Bearer ${token}`;
    let answer;
    try {
      answer = await this.send({
        method,
        path: path + queryOf(options.query),
        headers,
        ...(options.body === undefined ? {} : { body: options.body }),
        ...(options.binary ? { binary: true } : {}),
      });
    } catch {
      return new ApiError('connection_lost', '');
    }
    const { status, body } = answer;
    if (status >= 200 && status < 300) return body as T;
    return errorOf(status, answer.headers, options.binary ? unpacked(body) : body);
  }
}

/** What was refused is told in JSON, as bytes where a file was asked for. */
function unpacked(body: unknown): unknown {
  try {
    return JSON.parse(new Utf8Decoder().decode(body as Bytes));
  } catch {
    return null;
  }
}

function queryOf(query: Options['query']): string {
  const parts = Object.entries(query ?? {})
    .filter((entry): entry is [string, string | number] => entry[1] !== undefined && entry[1] !== '')
    .map(([name, value]) => `${name}=${encodeURIComponent(value)}`);
  return parts.length ? `?${parts.join('&')}` : '';
}
