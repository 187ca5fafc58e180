/** The gateway's routes, by what they do. Each throws `ApiError`. */

import type { Http } from './http';
import type {
  Channel,
  Conversation,
  List,
  Me,
  Message,
  Model,
  Order,
  Packages,
  Rating,
  Receipt,
  SessionTokens,
  Transaction,
  Usage,
} from './shapes';

const PAGE = 50;

/** Login and its end; asked without a token. */
export class Auth {
  constructor(private readonly http: Http) {}

  login(code: string): Promise<SessionTokens> {
    return this.http.request('POST', '/v1/auth/wechat', { body: { code } });
  }

  refresh(refreshToken: string): Promise<SessionTokens> {
    return this.http.request('POST', '/v1/auth/refresh', { body: { refresh_token: refreshToken } });
  }

  revoke(refreshToken: string): Promise<unknown> {
    return this.http.request('POST', '/v1/auth/revoke', { body: { refresh_token: refreshToken } });
  }
}

export class Queqiao {
  constructor(private readonly http: Http) {}

  me(): Promise<Me> {
    return this.http.request('GET', '/v1/me');
  }

  setMinorMode(on: boolean): Promise<Me> {
    return this.http.request('PATCH', '/v1/me', { body: { minor_mode: on } });
  }

  deleteMe(): Promise<unknown> {
    return this.http.request('DELETE', '/v1/me');
  }

  models(): Promise<List<Model>> {
    return this.http.request('GET', '/v1/models');
  }

  conversations(page: { query?: string; after?: string }): Promise<List<Conversation>> {
    return this.http.request('GET', '/v1/conversations', { query: { limit: PAGE, ...page } });
  }

  changeConversation(id: string, change: { title?: string; pinned?: boolean }): Promise<Conversation> {
    return this.http.request('PATCH', `/v1/conversations/${id}`, { body: change });
  }

  deleteConversation(id: string): Promise<unknown> {
    return this.http.request('DELETE', `/v1/conversations/${id}`);
  }

  messages(id: string, after?: string): Promise<List<Message>> {
    return this.http.request('GET', `/v1/conversations/${id}/messages`, { query: { limit: 100, after } });
  }

  rate(id: string, message: string, rating: Rating | null): Promise<unknown> {
    return this.http.request('PUT', `/v1/conversations/${id}/messages/${message}/rating`, { body: { rating } });
  }

  /** The file of a conversation, with its labels. */
  exported(id: string, format: 'markdown' | 'json' | 'pdf'): Promise<ArrayBuffer> {
    return this.http.request('GET', `/v1/conversations/${id}/export`, { query: { format }, binary: true });
  }

  transactions(after?: string): Promise<List<Transaction>> {
    return this.http.request('GET', '/v1/wallet/transactions', { query: { limit: PAGE, after } });
  }

  receipt(requestId: string): Promise<Receipt> {
    return this.http.request('GET', `/v1/wallet/receipts/${requestId}`);
  }

  usage(): Promise<Usage> {
    return this.http.request('GET', '/v1/usage');
  }

  packages(): Promise<Packages> {
    return this.http.request('GET', '/v1/packages');
  }

  order(packageId: string, channel: Channel, key: string): Promise<Order> {
    const body = { package_id: packageId, channel };
    return this.http.request('POST', '/v1/orders', { body, headers: { 'Idempotency-Key': key } });
  }

  orders(after?: string): Promise<List<Order>> {
    return this.http.request('GET', '/v1/orders', { query: { limit: PAGE, after } });
  }

  orderState(id: string): Promise<Order> {
    return this.http.request('GET', `/v1/orders/${id}`);
  }
}
