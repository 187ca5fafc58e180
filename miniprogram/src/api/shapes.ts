/** What the gateway answers, as far as the client reads it; docs/api.md and /openapi.json describe it whole. */

export interface List<T> {
  data: T[];
  has_more: boolean;
  next_cursor: string | null;
}

export interface SessionTokens {
  access_token: string;
  refresh_token: string;
  /** Seconds. */
  expires_in: number;
  user: { id: string };
}

/** Micro-yuan: CNY × 10⁻⁶. */
export interface Wallet {
  balance_micros: number;
  reserved_micros: number;
  available_micros: number;
  /** Yuan, as exact decimal text. */
  available: string;
}

export interface Policy {
  client: string;
  model_names: 'show' | 'alias';
  code: 'show' | 'hide';
  purchase: 'any' | 'virtual' | 'none';
  /** "" where none is needed. */
  ai_label: string;
  minor_mode: boolean;
}

export interface Me {
  user: { id: string };
  wallet: Wallet;
  policy: Policy;
}

export interface Model {
  id: string;
  context_tokens: number;
  max_output_tokens: number;
  price: { input_micros_per_million: number; output_micros_per_million: number } | null;
}

export interface Conversation {
  id: string;
  title: string;
  message_count: number;
  newest_id: string | null;
  pinned: boolean;
  /** Seconds since 1970 UTC, as all times. */
  created_at: number;
  updated_at: number;
  /** Where a search found it; null: in its title alone. */
  match?: { message_id: string; snippet: string | null } | null;
}

export type Rating = 'up' | 'down';

export interface Message {
  id: string;
  parent_id: string | null;
  role: 'user' | 'assistant' | 'system' | 'tool';
  content: string;
  state: 'complete' | 'length' | 'interrupted' | null;
  model: string | null;
  request_id: string | null;
  rating?: Rating | null;
  created_at: number;
  /** The message in OpenAI's words, where it is more than text. */
  message?: { content?: string | { type: string; text?: string; image_url?: { url: string } }[] };
}

export interface Tokens {
  input_tokens: number;
  cached_input_tokens: number;
  output_tokens: number;
}

export interface Receipt {
  request_id: string;
  model: string;
  state: string;
  outcome: string | null;
  source: string | null;
  usage: Tokens | null;
  charged_micros: number;
  charged: string;
  explanation: string;
}

export interface Transaction {
  id: string;
  kind: string;
  amount_micros: number;
  /** Yuan, with its sign. */
  amount: string;
  request_id: string;
  created: number;
  receipt?: Receipt;
}

export interface Package {
  id: string;
  name: string;
  tokens: number;
  /** Yuan. */
  amount: string;
  amount_fen: number;
  /** What virtual payment takes for it; null: it cannot be paid so. */
  virtual_amount_fen: number | null;
  channels: Channel[];
}

export interface Packages {
  channels: Channel[];
  data: Package[];
}

export type Channel = 'jsapi' | 'jsapi_v2' | 'native' | 'virtual';

export interface Order {
  id: string;
  state: 'created' | 'paying' | 'paid' | 'refunded' | 'closed';
  channel: Channel;
  tokens: number;
  amount: string;
  created: number;
  expires_at: number;
  paid_at: number | null;
  refunded_fen: number;
  payment: Readonly<Record<string, string>> | null;
}

export interface UsageLine {
  /** YYYY-MM-DD of UTC+8. */
  day: string;
  model: string;
  turns: number;
  input_tokens: number;
  output_tokens: number;
  charged_micros: number;
  charged: string;
}

export interface Usage {
  start: string;
  end: string;
  lines: UsageLine[];
  totals: { turns: number; input_tokens: number; output_tokens: number; charged_micros: number; charged: string };
}
