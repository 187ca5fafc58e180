/** Why something came to nothing, in words, and what the person can do. Pure. */

/** What the words and the way on are made of: a turn's failure or a request's error. */
export interface Failing {
  code: string;
  message: string;
  retryAfterS: number | null;
  partial?: boolean;
}

export type WayOn = 'retry' | 'wallet' | 'login' | null;

export interface Explanation {
  /** A key of the catalogue; null: the server's sentence stands. */
  key: string | null;
  text: string;
  wayOn: WayOn;
}

interface Rule {
  key: string | null;
  wayOn: WayOn;
}

const RULES: Readonly<Record<string, Rule>> = {
  insufficient_quota: { key: 'failure.emptyWallet', wayOn: 'wallet' },
  // What the server says is more exact; this stands when it says nothing.
  content_policy_violation: { key: 'failure.refused', wayOn: null },
  rate_limit_exceeded: { key: 'failure.busy', wayOn: 'retry' },
  service_unavailable: { key: 'failure.unavailable', wayOn: 'retry' },
  connection_lost: { key: 'failure.lost', wayOn: 'retry' },
  unauthenticated: { key: 'failure.loggedOut', wayOn: 'login' },
  invalid_api_key: { key: 'failure.loggedOut', wayOn: 'login' },
  not_found: { key: 'failure.notFound', wayOn: null },
  permission_denied: { key: null, wayOn: null },
  invalid_request_error: { key: null, wayOn: null },
};
const OTHER: Rule = { key: 'failure.other', wayOn: 'retry' };

export function explain({ code, message, partial }: Failing): Explanation {
  const rule = RULES[code] ?? OTHER;
  if (code === 'connection_lost' && partial) return { key: 'failure.partial', text: '', wayOn: 'retry' };
  const own = rule === OTHER || code === 'content_policy_violation' || rule.key === null;
  if (own && message) return { key: null, text: message, wayOn: rule.wayOn };
  return { key: rule.key ?? OTHER.key, text: '', wayOn: rule.wayOn };
}
