/** The gateway, as far as the pages ask it: what it has, and what a test lets it say. */

import type { Channel, Conversation, Message, Order, Policy } from '../../src/api/shapes';
import type { FakeRequest, FakeWx } from '../unit/streaming/fakeWx';
import { GATEWAY } from './build';

export interface Asked {
  method: string;
  /** With its query. */
  path: string;
  body: unknown;
  header: Record<string, string>;
}

interface Answered {
  statusCode: number;
  data: unknown;
}

const TOKENS = { access_token: 'access-1', refresh_token: 'refresh-1', expires_in: 7200, user: { id: 'u1' } };
const PACKAGE = { id: 'small', name: '小包', tokens: 1000, amount: '6.00', amount_fen: 600, virtual_amount_fen: 600 };
const USED = { turns: 7, input_tokens: 1000, output_tokens: 2345, charged_micros: 70_000, charged: '0.07' };
const USAGE = { start: '2026-11-01', end: '2026-11-27', lines: [{ day: '2026-11-02', model: 'simulated', ...USED }], totals: USED };
const RECEIPT = { request_id: 'req_5c0ffee', model: 'simulated', charged: '0.000123', charged_micros: 123, explanation: '问了 5 个字，答了 7 个字。' };
/** What the ways to pay are opened with. */
const PAYMENTS = {
  virtual: { signData: '{}', mode: 'short_series_coin', paySig: 'p' },
  jsapi: { timeStamp: '1', package: 'prepay_id=1', paySign: 's' },
};

/** What a phone keeps of somebody who is logged in. */
export const LOGGED_IN = {
  'queqiao.session': JSON.stringify({ access_token: 'access-1', refresh_token: 'refresh-1' }),
  'queqiao.settings': JSON.stringify({ agreed: true }),
};

const list = (data: readonly unknown[]) => ({ data, has_more: false, next_cursor: null });

export class Service {
  /** Everything but turns, in order. */
  readonly asked: Asked[] = [];
  /** The requests of turns. */
  readonly turns: FakeRequest[] = [];
  /** Plays a turn, or what comes after its line was lost. */
  onTurn: (request: FakeRequest, number: number) => void = () => {};
  /** Answers first, where it answers anything. */
  refuses: (asked: Asked) => Answered | 'no network' | 'slow network' | null = () => null;
  conversations: Conversation[] = [];
  messages: Message[] = [];
  order: Order | null = null;
  channels: Channel[] = ['jsapi', 'virtual'];
  purchase: Policy['purchase'] = 'any';
  balanceMicros = 12_345_678;
  minorMode = false;

  constructor(wx: FakeWx) {
    wx.onRequest = (request) => this.hear(request);
  }

  /** What was asked of a path. */
  askedOf(method: string, path: string): Asked[] {
    return this.asked.filter((each) => each.method === method && each.path.split('?')[0] === path);
  }

  private hear(request: FakeRequest): void {
    const { method, header, data } = request.options;
    const path = 'url' in request.options ? request.options.url.replace(GATEWAY, '') : '';
    if (path.startsWith('/v1/chat/')) {
      this.onTurn(request, this.turns.push(request) - 1);
      return;
    }
    const asked = { method, path, header, body: data as unknown };
    this.asked.push(asked);
    const refused = this.refuses(asked);
    if (refused === 'slow network') return;
    if (refused === 'no network') request.fail('request:fail');
    else request.succeed({ header: {}, ...(refused ?? this.answer(asked)) });
  }

  private answer({ method, path, body }: Asked): Answered {
    const [address = ''] = path.split('?');
    for (const [its, pattern, data] of this.routes) {
      const match = its === method ? pattern.exec(address) : null;
      const made = match && data(match[1] ?? '', (body ?? {}) as Record<string, unknown>);
      if (made) return { statusCode: 200, data: made };
    }
    return { statusCode: 404, data: { error: { code: 'not_found', message: `Nothing is at ${method} ${path}.` } } };
  }

  private readonly routes: readonly [method: string, path: RegExp, data: (id: string, body: Record<string, unknown>) => unknown][] = [
    ['POST', /^\/v1\/auth\/wechat$/, () => TOKENS],
    ['GET', /^\/v1\/me$/, () => this.me()],
    // wx.request knows no PATCH.
    ['POST', /^\/v1\/me$/, (_, change) => this.mind(change)],
    ['DELETE', /^\/v1\/me$/, () => ({})],
    ['POST', /^\/v1\/auth\/revoke$/, () => ({})],
    ['GET', /^\/v1\/models$/, () => list([{ id: 'simulated', context_tokens: 8192, max_output_tokens: 1024, price: null }])],
    ['GET', /^\/v1\/conversations$/, () => list(this.conversations)],
    ['GET', /^\/v1\/conversations\/[^/]+\/messages$/, () => list(this.messages)],
    ['POST', /^\/v1\/conversations\/([^/]+)$/, (id, change) => this.change(id, change)],
    ['DELETE', /^\/v1\/conversations\/([^/]+)$/, (id) => this.forget(id)],
    ['PUT', /^\/v1\/conversations\/[^/]+\/messages\/[^/]+\/rating$/, () => ({})],
    ['GET', /^\/v1\/wallet\/receipts\/[^/]+$/, () => RECEIPT],
    ['GET', /^\/v1\/packages$/, () => ({ channels: this.channels, data: [{ ...PACKAGE, channels: this.channels }] })],
    ['GET', /^\/v1\/usage$/, () => USAGE],
    ['GET', /^\/v1\/wallet\/transactions$/, () => list([])],
    ['GET', /^\/v1\/orders$/, () => list(this.order ? [this.order] : [])],
    ['POST', /^\/v1\/orders$/, (_, { channel }) => (this.order = orderOf(channel as Channel))],
    ['GET', /^\/v1\/orders\/[^/]+$/, () => this.order],
  ];

  private me(): object {
    const wallet = { balance_micros: this.balanceMicros, reserved_micros: 0, available_micros: this.balanceMicros, available: '' };
    const policy = { client: 'mp-android', model_names: 'show', code: 'show', ai_label: 'AI 生成', minor_mode: this.minorMode };
    return { user: { id: 'u1' }, wallet, policy: { ...policy, purchase: this.purchase } };
  }

  private mind({ minor_mode }: Record<string, unknown>): object {
    this.minorMode = minor_mode === true;
    return this.me();
  }

  private change(id: string, change: Record<string, unknown>): Conversation | undefined {
    this.conversations = this.conversations.map((each) => (each.id === id ? { ...each, ...change } : each));
    return this.conversations.find((each) => each.id === id);
  }

  private forget(id: string): object {
    this.conversations = this.conversations.filter((each) => each.id !== id);
    return {};
  }
}

function orderOf(channel: Channel): Order {
  const now = Math.floor(Date.now() / 1000);
  const payment = channel === 'virtual' ? PAYMENTS.virtual : PAYMENTS.jsapi;
  const times = { created: now, expires_at: now + 1800, paid_at: null };
  return { id: 'order-1', state: 'paying', channel, tokens: 1000, amount: '6.00', refunded_fen: 0, payment, ...times };
}
